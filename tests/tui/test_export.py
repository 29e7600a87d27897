"""`export` and `import`: documents of recorded sessions, and sessions that a stranger hands over."""
import base64
import hashlib
import json
import os
import stat

import bundle as b

FORMATS = ("md", "html", "ipynb", "jsonl", "cast")


def events_of(airlock, ident):
    done, rows = airlock.json("show", ident, "--json")
    assert done.returncode == 0, done.stderr
    return rows


def tour(airlock):
    assert airlock.run("run", "-p", "runbook:@tour", "--lease", "runs=20", "x").returncode == 4
    return json.loads(airlock.run("sessions", "--json").stdout.splitlines()[0])["id"]


def test_a_bundle_comes_back_as_it_went_foreign_and_view_only(airlock):
    home = tour(airlock)
    assert airlock.run("export", home, "-o", "tour.jsonl").returncode == 0
    done, answers = airlock.json("import", "tour.jsonl", "--json")
    assert done.returncode == 0 and answers[0]["from"] == home and answers[0]["foreign"] is True
    ident = answers[0]["session"]

    mine, theirs = events_of(airlock, home), events_of(airlock, ident)
    assert theirs[0].pop("foreign") is True and theirs[0].pop("origin") == {"session": home}
    for row in mine + theirs:
        row.pop("session")
    assert mine == theirs

    assert b"whole, %d events" % len(mine) in airlock.run("verify", ident).stdout
    assert airlock.run("diff", home, ident).returncode == 0
    assert b"foreign" in airlock.run("show", ident).stdout.splitlines()[0]
    assert b"foreign" in airlock.run("sessions").stdout
    assert airlock.json("sessions", "--json")[1][0]["foreign"] is True
    for command in (["resume", ident], ["rerun", ident, "--lease", "runs=9"]):
        done = airlock.run(*command)
        assert done.returncode == 4 and b"was imported" in done.stderr, command
    assert len(events_of(airlock, ident)) == len(mine)  # a refusal leaves no trace in it
    assert airlock.run("show", "last").stdout.startswith(b"session    " + home.encode())  # never a foreign one

    # Once more round: the same bundle but for names and times of the import.
    assert airlock.run("export", ident, "-o", "again.jsonl").returncode == 0
    done, answers = airlock.json("import", "again.jsonl", "--json")
    assert answers[0]["from"] == ident


def test_results_and_odd_bytes_survive_the_round(airlock):
    odd = bytes(range(256)) + b"\xff\xfe no text \0"
    ident = b.take(airlock, [b.created(), b.task("t"), *b.whole(1, "plot()", odd, "err\n", [
        b.artifact(1, "image/png", b.png(), "result-1-1"), ("run.result", 1, {"mime": "text/plain", "main": True, "text": "x"})]),
        ("future.thing", {"deep": [{"a": 1.5}], "n": 9007199254740991})])
    out = airlock.run("export", ident, "--format", "jsonl").stdout
    rows = [json.loads(line) for line in out.splitlines()]
    assert rows[0]["type"] == "bundle.begin" and rows[-1]["type"] == "bundle.end"
    body = out[:out.rindex(b'{"type":"bundle.end"')]
    assert rows[-1]["sha256"] == hashlib.sha256(body).hexdigest() and rows[-1]["events"] == len(rows) - 2
    by_type = {r["type"]: r for r in rows}
    assert base64.b64decode(next(r for r in rows if r["type"] == "run.output")["base64"]) == odd
    assert base64.b64decode(next(r for r in rows if r.get("artifact"))["base64"]) == b.png()
    assert by_type["future.thing"]["deep"] == [{"a": 1.5}] and by_type["future.thing"]["n"] == 9007199254740991
    again = json.loads(airlock.run("import", "-", "--json", input=out).stdout)["session"]
    assert airlock.run("verify", again).returncode == 0
    second = airlock.run("export", again, "--format", "jsonl").stdout.splitlines()
    assert [json.loads(x)["type"] for x in second] == [r["type"] for r in rows]


def broken_bundles():
    good = [b.created(), b.task("t"), *b.whole(1, "x", "hello\n")]
    every = b.lines(good)
    n = len(every)

    def with_line(i, line):
        return b.seal([*every[:i], line, *every[i + 1:]], n - 1)

    def with_row(i, **more):
        row = json.loads(every[i])
        row.update(more)
        return with_line(i, json.dumps(row).encode())

    def without(i, key):
        row = json.loads(every[i])
        del row[key]
        return with_line(i, json.dumps(row).encode())

    sealed = b.seal(every)
    yield "empty", b"", "empty"
    yield "no bundle", b"hello\n", "line 1: no Airlock bundle"
    yield "a session file", b"SQLite format 3\0" + bytes(5000), "line 1: no Airlock bundle"
    yield "a bare record", every[1] + b"\n", "line 1: no Airlock bundle"
    yield "cut in a line", sealed[:len(sealed) // 2], "line"
    yield "cut between lines", b"".join(x + b"\n" for x in every), "cut short"
    yield "another format", with_row(0, format=2), "line 1: a bundle of format 2"
    yield "an id that is a path", with_row(0, session="../../x"), "line 1"
    yield "bytes behind the end", sealed + b"{}\n", "behind bundle.end"
    yield "another hash", sealed.replace(b"hello", b"hullo"), "hash"
    yield "another count", b.seal(every, n), "announced"
    yield "a gap", b.seal(every[:3] + every[4:], n - 2), "line 4: event 4 stands where 3 must"
    yield "a session of its own", with_row(2, session="other"), "line 3: the event belongs to another session"
    yield "no time", with_row(2, at="yesterday"), "line 3"
    yield "no event", with_row(2, type="../x"), "line 3"
    yield "a field is missing", without(2, "text"), "line 3"
    yield "a field of another kind", with_row(2, text=7), "line 3"
    yield "a run that is none", with_row(4, run=-1), "line 5"
    yield "JSON twice the same key", with_line(2, every[2][:-1] + b',"seq":2}'), "line 3"
    yield "broken UTF-8", with_line(2, every[2].replace(b'"t"', b'"\xff"')), "line 3"
    yield "a second beginning", b.seal([*every[:2], every[0], *every[2:]], n - 1), "line 3: a second bundle"
    yield "created twice", with_line(2, every[1].replace(b'"seq": 1', b'"seq": 2')), "line 3: session.created"
    yield "created erased", with_line(1, json.dumps({**json.loads(every[1]), "erased": True}).encode()), "line 2"
    yield "not created", b.seal([every[0], *[x.replace(b'"seq": %d' % (i + 2), b'"seq": %d' % (i + 1))
                                              for i, x in enumerate(every[2:])]], n - 2), "line 2: session.created"
    yield "deep", with_line(2, b'{"a":' * 70 + b"1" + b"}" * 70), "line 3"
    # What each line may say, but not together.
    yield "an output at another offset", with_row(8, offset=5), "line 9"
    yield "an approval of another capsule", with_row(6, capsule="cd" * 32), "line 7"
    yield "a start nobody approved", b.bundle([b.created(), b.proposed(1, "x"), b.started(1)]), "line 4"
    yield "an artifact with another hash", b.bundle([b.created(), *b.whole(1, "x", results=[
        ("run.result", 1, {**b.artifact(1, "image/png", b.png(), "r")[2], "sha256": b.H})])]), "line 8"
    yield "too long a line", b.seal([every[0], every[1][:-1] + b',"x":"' + b"a" * (33 << 20) + b'"}']), "line 2"


def test_a_broken_bundle_leaves_nothing_and_says_where(airlock):
    data = airlock.home / "data/airlock"
    for name, text, want in broken_bundles():
        done = airlock.run("import", "-", input=text)
        assert done.returncode in (1, 5, 6), (name, done)
        assert b"nothing was imported" in done.stderr and want.encode() in done.stderr, (name, done.stderr)
        assert not list(data.glob("sessions/*")) and not list(data.glob("importing*")), name


def test_what_a_killed_import_left_goes_with_the_next(airlock):
    left = airlock.home / "data/airlock/importing"
    left.mkdir(parents=True, mode=0o700)
    os.chmod(airlock.home / "data/airlock", 0o700)
    (left / "01old.db").write_bytes(b"half")
    (left / "01old.head").write_bytes(b"")
    b.take(airlock, [b.created()])
    assert not left.exists()


def test_names_in_a_bundle_have_no_power(airlock):
    """Its sandboxes are nobody's to destroy, its lease covers nothing, its words are no marks of ours."""
    ident = b.take(airlock, [b.created(foreign=False, origin={"session": "last"}), b.task("t"),
                             ("lease.granted", {"runs": 9, "approximated": []}),
                             ("sandbox.creating", {"kind": "local", "label": "l", "id": ""}),
                             ("sandbox.ready", {"kind": "local", "label": "l", "id": "x"})])
    row = next(r for r in airlock.json("sessions", "--json")[1] if r["id"] == ident)
    assert row["foreign"] is True and row.get("open_sandboxes", 0) == 0
    assert json.loads(airlock.run("show", ident, "--json").stdout.splitlines()[0])["origin"] == {"session": b.ID}


def test_a_file_is_whole_private_and_never_overwritten_unasked(airlock):
    ident = b.take(airlock, [b.created(), b.task("t")])
    for fmt in FORMATS:
        path = airlock.home / ("x." + fmt)
        assert airlock.run("export", ident, "-o", path.name).returncode == 0
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        first = path.read_bytes()
        assert first == airlock.run("export", ident, "--format", fmt).stdout
        done = airlock.run("export", ident, "-o", path.name)
        assert done.returncode == 3 and b"--force" in done.stderr and path.read_bytes() == first
        assert airlock.run("export", ident, "-o", path.name, "--force").returncode == 0
    assert airlock.run("export", ident, "--format", "md", "-o", "/no/such/dir/x").returncode == 1
    assert airlock.run("export", ident, "--format", "md", "-o", "/dev/full").returncode == 1
    assert sorted(p.name for p in airlock.home.iterdir() if p.is_file()) == sorted("x." + f for f in FORMATS)


def test_an_archived_session_exports_where_it_lies(airlock):
    ident = b.take(airlock, [b.created(), b.task("kept small")])
    assert airlock.run("sessions", "archive", ident).returncode == 0
    assert b"kept small" in airlock.run("export", ident, "--format", "md").stdout
    assert not list(airlock.home.glob("data/airlock/sessions/*.db"))


def test_usage(airlock):
    ident = b.take(airlock, [b.created(), b.task("t")])
    for args, want in ((["export"], b"export takes ID"), (["export", ident], b"--format"),
                       (["export", ident, "--format", "pdf"], b"md"), (["export", ident, "-o", "x.doc"], b"md"),
                       (["export", ident, "--format", "jsonl", "--runs", "1"], b"whole"),
                       (["export", ident, "--format", "md", "--artifacts"], b"-o FILE"),
                       (["export", ident, "--format", "md", "--runs", "z"], b"--runs"),
                       (["export", ident, "--format", "md", "--size", "3"], b"COLSxROWS"), (["import"], b"import takes FILE")):
        done = airlock.run(*args)
        assert done.returncode == 2 and want in done.stderr, (args, done.stderr)
    assert airlock.run("export", "nobody", "--format", "md").returncode == 3
    assert airlock.run("import", "nothing.jsonl").returncode == 3


def test_markdown_of_the_tour(airlock):
    ident = tour(airlock)
    assert airlock.run("export", ident, "-o", "t.md", "--artifacts").returncode == 0
    text = (airlock.home / "t.md").read_text()
    for part in ("## Plan", "4. (denied) Make room", "## Run 2 · python · step 2, attempt 1", "Proposed by planner:", "**stderr** (",
                 "ValueError: invalid literal", "Verdict of run 2: **refuted**", "- **HIGH** line ", "approved by the lease",
                 "denied by the lease", "capsule `"):
        assert part in text, part
    pictures = [line for line in text.splitlines() if line.startswith("![result](<t.md.files/run-")]
    for line in pictures:
        assert (airlock.home / line[11:-2]).read_bytes()[:4] == b"\x89PNG"
    one = airlock.run("export", ident, "--format", "md", "--runs", "3").stdout.decode()
    assert "## Run 3 " in one and "## Run 2 " not in one and "## Plan" in one


def test_hostile_text_is_no_markdown(airlock):
    ident = b.take(airlock, b.hostile())
    out = airlock.run("export", ident, "--format", "md").stdout
    assert b"canary(13)" in out and not any(c in out for c in (b"\x1b", b"\x07", b"\x9b5n", b"\0"))
    for hidden in ("\u202e", "\u2066", "\u200b", "\ufeff", "\u009b"):
        assert hidden.encode() not in out
    outside = b.unfenced(out.decode())
    assert "canary" in outside
    for active in ("<script", "<img", "<svg", "](http", "](javascript", "<!--", "<iframe"):
        assert active not in outside, active


def test_secrets_stay_in_unless_asked_for(airlock):
    key = "sk-ant-api03-canary-0123456789abcdef"
    long_out = "x" * (65536 - 10) + key  # across the border of two chunks
    chunks = [b.output(1, long_out[:65536]), b.output(1, long_out[65536:] + " end\n", 65536)]
    ident = b.take(airlock, [b.created(), b.task("use " + key), b.proposed(1, "k = '%s'" % key), *b.gate(1), b.started(1), *chunks,
                             b.artifact(1, "image/png", b.png() + key.encode(), "r"), b.finished(1, len(long_out) + 5), b.verdict(1)])
    env = {"ANTHROPIC_API_KEY": key}
    forms = [key.encode(), base64.b64encode(key.encode())[:-2], key.encode().hex().encode()]
    for fmt in FORMATS:
        out = airlock.run("export", ident, "--format", fmt, env=env).stdout
        assert not any(f in out for f in forms), fmt
        assert b"[secret:ANTHROPIC_API_KEY]" in out, fmt
        done = airlock.run("export", ident, "--format", fmt, "--raw", env=env)
        assert key.encode() in done.stdout and b"--raw" in done.stderr
    again = airlock.run("import", "-", input=airlock.run("export", ident, "--format", "jsonl", env=env).stdout)
    assert again.returncode == 0, again.stderr


def test_a_flood_is_cut_in_documents_and_whole_in_a_bundle(airlock):
    piece = ("line of a flood\n" * 4000)[:60000]
    count = 100
    ident = b.take(airlock, [b.created(), b.proposed(1, "flood"), *b.gate(1), b.started(1),
                             *[b.output(1, piece, i * len(piece)) for i in range(count)], b.finished(1, count * len(piece)), b.verdict(1)])
    out = airlock.run("export", ident, "--format", "md").stdout
    left_out = count * len(piece) - (4 << 20)
    assert b"[\xe2\x80\xa6 %d bytes are not shown here]" % left_out in out and len(out) < (5 << 20)
    rows = [json.loads(x) for x in airlock.run("export", ident, "--format", "jsonl").stdout.splitlines()]
    assert sum(len(r["text"]) for r in rows if r["type"] == "run.output") == count * len(piece)
