"""A session in which a run ended in each way there is, by hand: how `show`, `tree`, `search`, `stats`, `diff` and `export` tell it."""
import json
import re

import pytest

import bundle as b

OTHER = "cd" * 32


def var(name, change, **more):
    return {"name": name, "type": "int", "shape": "", "preview": "", "digest": "", "change": change, **more}


def changed(run, vars=(), files=()):
    return ("state.changed", run, {"vars": list(vars), "files": list(files)})


def ended(run, end, **more):
    return ("run.finished", run, {"end": end, "wall_ms": 5, "stdout_bytes": 0, "stderr_bytes": 0, **more})


def tried(run, *after, **more):
    return [b.proposed(run, "step(%d)" % run, **more), *b.gate(run), b.started(run), *after]


def decided(run, decision, rev, capsule):
    return [("gate.opened", run, {"rev": rev, "capsule": capsule, "contract_digest": b.H, "sandbox": "local"}),
            ("gate.decided", run, {"decision": decision, "by": "person", "capsule": capsule, "seen_lines": 3, "waited_ms": 4200})]


EVERY = [
    b.created(name="every end"), b.task("go through all of them"),
    *tried(1, b.output(1, "one\n"), b.output(1, "warned\n", stream="stderr"), b.finished(1, 4, 7),
           b.verdict(1, "verified", [{"kind": "exit", "text": "exit 0", "ok": True, "got": "0"}]),
           changed(1, [var("x", "new", type="list", shape="3", preview="[1,\n2]", digest="ab12cd34ef~", bytes=24)],
                   [{"path": "data.csv", "change": "new", "bytes": 10}])),
    *tried(2, b.finished(2, code=7, error={"name": "SystemExit", "value": "7", "traceback": ""}), b.verdict(2)),
    *tried(3, ("run.result", 3, {"mime": "text/plain", "main": True, "text": "a result"}), b.finished(3), b.verdict(3),
           changed(3, [var("x", "changed", bytes=-1), var("same", "same", digest="00")],
                   [{"path": "data.csv", "change": "changed", "bytes": -1}, {"path": "still.csv", "change": "same", "bytes": 1}])),
    *tried(4, ended(4, "signal", what="SIGSEGV"), b.verdict(4)),
    *tried(5, ended(5, "oom"), b.verdict(5, "refuted", [{"kind": "exit", "text": "exit 0", "ok": False, "got": "killed"}]),
           changed(5, [var("x", "gone")], [{"path": "data.csv", "change": "gone", "bytes": -1}])),
    b.proposed(6, "never"), *b.gate(6, "deny", reason="not\nthis", findings=[
        {"line": 0, "severity": "HIGH", "rule": "whole", "text": "all of it"}, {"line": 1, "severity": "LOW", "rule": "one", "text": "a line"}]),
    b.proposed(7, "stop"), *b.gate(7, "stop"),
    b.proposed(8, "draft()"), *b.gate(8, "edit"), b.proposed(8, "twin()", rev=2), ("run.reviewed", 8, {"findings": []}),
    *decided(8, "dry-run", 2, b.H), b.proposed(9, "twin()", twin_of=8), b.started(9), b.finished(9), b.verdict(9),
    *decided(8, "approve", 2, OTHER), b.started(8, OTHER), b.finished(8), b.verdict(8),
    ("lease.granted", 0, {"runs": 3, "minutes": 5, "approximated": ["cpu", {"name": "disk_mib"}]}), ("lease.ended", 0, {"why": "used up"}),
    ("note", 0, {"text": "look here", "author": "person"}), ("error", 0, {"code": "net", "message": "unreachable", "hint": "wait"}),
    ("file.put", 8, {"path": "in.csv", "bytes": 12}), ("file.got", 8, {"path": "out.csv", "bytes": 34}),
    *tried(10),
]


@pytest.fixture
def every(airlock):
    return b.take(airlock, EVERY)


def said(airlock, *args, code=0):
    done = airlock.run(*args)
    assert done.returncode == code, (args, done)
    return done.stdout.decode()


def test_show_tells_each_end(airlock, every):
    runs = {int(m[1]): m[2] for m in re.finditer(r"^(run +\d+  python.*\n(?:(?!run +\d+  python).*\n)*)", said(airlock, "show", every), re.M)
            for m in [re.match(r"run +(\d+)  python([\s\S]*)", m[1])]}
    wanted = {1: "exit 0, verified", 2: "exit 7, unverified", 3: "exit 0, unverified", 4: "signal (SIGSEGV), unverified", 5: "oom, refuted",
              6: "decision   deny\nreason     not\n", 7: "decision   stop", 8: "edited 1 times\nrun 8: exit 0", 9: "dry run of 8", 10: "approve"}
    assert sorted(runs) == sorted(wanted)
    for n, words in wanted.items():
        assert words in runs[n], (n, runs[n])


def test_show_of_one_run(airlock, every):
    one = said(airlock, "show", every + ":1")
    assert "--- stdout (4 bytes)\none\n" in one and "--- stderr (7 bytes)\nwarned\n" in one and "  ok     exit 0\n" in one
    assert "  var  new      x list 3  24 B  #ab12cd34~  [1, 2]\n  file new      data.csv  10 B\n" in one
    three = said(airlock, "show", every + ":3")
    assert "a result" in three and "  file changed  data.csv\n" in three and "  began with the variables after run 1\n" in three
    assert "  FAILED exit 0" in said(airlock, "show", every + ":5")
    six = said(airlock, "show", every + ":6")
    assert "  HIGH   all of it\n" in six and re.search(r"  LOW    line 1 +a line\n", six), six
    for n in range(1, 11):
        rows = [json.loads(line) for line in said(airlock, "show", "--json", "%s:%d" % (every, n)).splitlines()]
        assert {r["run"] for r in rows} == {n} and rows[0]["type"] == "run.proposed"


def test_when_a_variable_or_a_file_changed(airlock, every):
    assert said(airlock, "show", every, "--var", "x").splitlines() == [
        "run 1    new      list 3  24 B  #ab12cd34  [1, 2]", "run 3    changed  int", "run 5    gone     int",
        "x: last changed in run 5, 2 runs ago"]
    assert said(airlock, "show", every, "--var", "file data.csv").splitlines() == [
        "run 1    new      file  10 B", "run 3    changed  file", "run 5    gone     file", "data.csv: last changed in run 5, 2 runs ago"]
    rows = [json.loads(line) for line in said(airlock, "show", every, "--var", "file data.csv", "--json").splitlines()]
    assert [(r["run"], r["change"], r["bytes"], r["this_branch"]) for r in rows] == [(1, "new", 10, True), (3, "changed", -1, True), (5, "gone", -1, True)]
    for name in ("nope", "same", "file nope", "file still.csv", ""):
        done = airlock.run("show", every, "--var", name)
        assert done.returncode == 3 and b"no run of session " in done.stderr and b'(a file: --var "file PATH")' in done.stderr


def test_the_tree_of_it(airlock, every):
    lines = said(airlock, "tree", every).splitlines()
    assert lines[0] == "* every end  %s  open" % every
    assert [line.strip(" │├└─") for line in lines[1:]] == [
        "run 1  verified  step(1)", "run 2  exit 7 SystemExit  step(2)", "run 3  exit 0, unverified  step(3)", "run 4  signal  step(4)",
        "run 5  refuted  <- here  step(5)", "run 8  exit 0, unverified  twin()", "run 10  running  step(10)"]
    rows = [json.loads(line) for line in said(airlock, "tree", "--json", every).splitlines()]
    assert rows[0] == {"session": every, "name": "every end", "parent": "", "parent_record": "root", "outcome": ""}
    assert [(r["run"], r["after"], r["tip"]) for r in rows[1:]] == [
        (1, 0, False), (2, 1, True), (3, 1, False), (4, 3, True), (5, 3, False), (8, 5, True), (10, 5, True)]


def test_search_and_stats(airlock, every):
    assert [line.split()[0].split(":")[1] for line in said(airlock, "search", "step(").splitlines()] == ["1", "2", "3", "4", "5", "10"]
    rows = [json.loads(line) for line in said(airlock, "search", "warned", "--json").splitlines()]
    assert [(r["session"], r["run"]) for r in rows] == [(every, 1)]
    assert said(airlock, "search", "nowhere in it", code=1) == ""
    assert "sessions    0 (and 1 foreign, not counted)" in said(airlock, "stats") and "nobody waited" in said(airlock, "stats")


def test_long_lines_around_a_hit(airlock):
    """Cut so that no character is, whatever its bytes; of bytes that are no text there is no more."""
    text = "".join("%s%sneedle%s\n" % ("x" * i, "\u20ac" * 100, "\u20ac\u00e4" * 100) for i in range(8)) + "needle at the start\n"
    ident = b.take(airlock, [b.created(), b.task("t"), *b.whole(1, "one()", text), *b.whole(2, "two()", b"\x80" * 5000 + b"needle" + b"\xbf" * 5000)])
    lines = said(airlock, "search", "needle").splitlines()
    assert len(lines) == 10
    for line in lines[:8]:
        assert re.match(ident + ":1 stdout:\\d: \u2026\u20ac+needle[\u20ac\u00e4]+\u2026$", line), line
        assert 150 < len(line.encode()) < 260
    assert lines[8] == ident + ":1 stdout:9: needle at the start"
    assert len(lines[9].encode()) < 1300 and "<0x80>needle<0xBF>" in lines[9]
    rows = [json.loads(line) for line in said(airlock, "search", "needle", "--json").splitlines()]
    assert [r["line"] for r in rows] == [*range(1, 10), 1] and "needle" in rows[9]["text"]


def test_many_hits(airlock):
    ident = b.take(airlock, [b.created(), b.task("t"), *b.whole(1, "one()", "hit\n" * 30), *b.whole(2, "two()", "hit\n" * 10100)])
    lines = said(airlock, "search", "hit").splitlines()
    assert len(lines) == 42 and lines[20] == ident + ":1 stdout: more is not searched (--all)"
    rows = [json.loads(line) for line in said(airlock, "search", "hit", "--json").splitlines()]
    assert [r["run"] for r in rows if r.get("more")] == [1, 2]
    done = airlock.run("search", "hit", "--all")
    assert done.stdout.count(b"\n") == 10000 and done.stderr == b"airlock: stopped after 10000 hits\n"
    assert airlock.run("search", "hit", "--all", "-q").stderr == b""


def test_differences_between_ends(airlock, every):
    out = said(airlock, "diff", every + ":1", every + ":5", code=1)
    for words in ("code: differs at line 1\n", "-one\n", "-warned\n", "-x list 3 = [1, 2]", "-data.csv new 10\n+data.csv gone -1\n", "-exit 0\n+oom\n"):
        assert words in out, (words, out)
    assert said(airlock, "diff", every + ":3", every + ":3", "--what", "stdout,code").endswith("code: identical\nstdout: identical\n")
    other = b.take(airlock, [b.created(), b.task("t"), *b.whole(1, "step(1)", "one\n"), *b.whole(2, "step(2)"), *b.whole(3, "else(3)")])
    lonely = "".join("\n=== only in a: %s:%d\n" % (every, n) for n in (4, 5, 6, 7, 8, 10))  # a twin is no run of its own
    for args in ((), ("--word",), ("--side-by-side", "--what", "code")):
        out = said(airlock, "diff", every, other, *args, code=1)
        assert out.endswith(lonely) and "\n=== run 2 and run 2\ncode: identical\n" in out, out
    assert "result: differs at line 1\n" in said(airlock, "diff", every, other, code=1)
    assert said(airlock, "diff", other, every, "--what", "code", code=1).endswith(lonely.replace("in a:", "in b:"))
    done, rows = airlock.json("diff", every, other, "--json")
    assert done.returncode == 1
    assert [(r["a"], r["verdict"]) for r in rows if r["what"] == "run"] == [("%s:%d" % (every, n), "missing") for n in (4, 5, 6, 7, 8, 10)]
    assert [r["verdict"] for r in rows if r["what"] == "code"] == ["identical", "identical", "differs"]
    color = said(airlock, "diff", every + ":1", every + ":5", code=1)
    assert "\033" not in color  # a pipe has no colours


@pytest.mark.parametrize("kind", ["md", "html", "ipynb", "jsonl", "cast"])
def test_exported(airlock, every, kind):
    text = said(airlock, "export", every, "--format", kind)
    if kind == "cast":
        assert json.loads(text.splitlines()[0])["title"] == "every end"
        return
    for words in ("never", "look here", "unreachable", "signal", "in.csv", "out.csv", "used up", "data.csv", "SIGSEGV"):
        assert words in text, words
    if kind in ("md", "html"):
        assert "line 0" not in text and "line 1" in text


def test_replayed_as_lines_and_frames(airlock, every):
    lines = said(airlock, "replay", every, "--plain")
    for words in ("out| one\n", "err| warned\n", "run 6: denied by person", "run 7: stopped", "  file changed  data.csv\n"):
        assert words in lines, (words, lines)
    events = said(airlock, "replay", every, "--json").splitlines()
    assert len(events) == len(EVERY) and json.loads(events[-1])["type"] == "run.started"
    late = said(airlock, "replay", every + ":8", "--json").splitlines()
    assert json.loads(late[0])["run"] == 8 and len(late) < len(events)
    assert late == said(airlock, "replay", every, "--from", "8", "--json").splitlines()
    frames = said(airlock, "replay", every, "--frames", "-", "--size", "60x20").splitlines()
    assert len(frames) == len(EVERY)
    assert said(airlock, "replay", every, "--json", "--speed", "64", "--idle-cap", "0.001") == "".join(e + "\n" for e in events)
