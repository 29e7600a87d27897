"""A record of somebody else holds anything in any of its strings; no command prints such bytes as they are. [SAN-1, SAN-2]"""
import json
import re

import pytest

import bundle as b

EVIL = "a\x1b]0;canary\x07\x1b[2J\u009b5n\u202eb"
RAW = re.compile("[\x00-\x08\x0b-\x1f\x7f\u0080-\u009f\u202e]")


def everywhere(value):
    """EVIL in place of every string that is free to choose; the words of a closed set stay."""
    closed = {"decision", "by", "stream", "end", "severity", "verdict", "status", "change", "kind", "capsule", "contract_digest",
              "sha256", "base64", "sandbox_id", "how", "author"}
    if isinstance(value, dict):
        return {k: v if k in closed else everywhere(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [everywhere(v) for v in value]
    return EVIL if isinstance(value, str) else value


@pytest.fixture
def taken(airlock):
    events = [b.created(name="n", parent="", origin={}), b.task("t"), ("planner.message", {"text": "m", "author": "planner"}),
              ("error", {"code": "c", "message": "m", "hint": "h"}), b.plan(("1", "one", "active"), ("2", "two", "failed")),
              ("session.tagged", {"tags": ["x"]}),
              ("sandbox.ready", {"kind": "local", "label": "l", "id": "i"}),
              b.proposed(1, "c", purpose="p", step="1", expect=["exit 0"]),
              *b.gate(1, findings=[{"line": 1, "severity": "HIGH", "rule": "r", "text": "t"}], reason="because"), b.started(1),
              ("run.result", 1, {"mime": "text/plain", "main": True, "text": "t"}),
              ("run.flagged", 1, {"stream": "variable", "name": "n", "severity": "HIGH", "rule": "r", "text": "t", "excerpt": "e"}),
              ("network.asked", 1, {"attempt": 1, "verdict": "refused", "method": "GET", "host": "h", "why": "w"}),
              b.finished(1, 0, 0, 1, what="w", error={"name": "n", "value": "v", "traceback": "t"}),
              b.verdict(1, "refuted", [{"kind": "exit", "text": "t", "ok": False, "got": "g"}]),
              ("state.changed", 1, {"vars": [{"name": "n", "type": "t", "shape": "s", "preview": "p", "digest": "d", "change": "new"}],
                                    "files": [{"path": "p", "change": "new", "bytes": 3}]}),
              b.proposed(2, "c", purpose="p", step="1", attempt=2),
              ("run.reviewed", 2, {"findings": []}),
              ("gate.opened", 2, {"rev": 1, "capsule": b.H, "contract_digest": b.H, "sandbox": "s", "held_by": "h", "isolation": "i"}),
              ("session.finished", {"outcome": "o", "answer": "a", "runs": 1, "denied": 0, "cost_nanousd": 0})]
    return b.take(airlock, [(*e[:-1], everywhere(e[-1])) for e in events])


def test_nothing_leaves_as_it_is(airlock, taken):
    for args in (["show", taken], ["show", taken + ":1"], ["show", taken + ":2"], ["replay", taken, "--plain", "--speed", "64"],
                 ["sessions"], ["tree", taken], ["stats"], ["cost", taken], ["diff", taken + ":1", taken + ":2"],
                 ["search", "canary"], ["verify", taken], ["show", taken, "--var", "canary"], ["resume", taken],
                 ["rerun", taken], ["export", taken, "--format", "nope"]):
        done = airlock.run(*args)
        said = (done.stdout + done.stderr).decode()
        assert not RAW.search(said), (args, RAW.search(said), said[:2000])
        assert said, args


def test_nor_as_json(airlock, taken):
    """It is read on a terminal as well: U+009B begins a sequence there, U+009D a title or the clipboard. [SAN-4]"""
    for args in (["show", taken], ["replay", taken, "--speed", "64"], ["sessions"], ["tree", taken], ["stats"], ["cost", taken],
                 ["diff", taken + ":1", taken + ":2"], ["search", "canary"], ["export", taken, "--format", "jsonl"]):
        done = airlock.run(*args, *(["--json"] if args[0] != "export" else []))
        said = done.stdout.decode()
        assert not RAW.search(said), (args, RAW.search(said), said[:2000])
        assert [json.loads(line) for line in said.splitlines()], args
    said = airlock.run("exec", "--lease", "runs=1", "--json", "-", input=b"print('a\\x9b2Jb\\u202ec\\U000e0041')").stdout.decode()
    assert not RAW.search(said) and not re.search("[\U000e0000-\U000e0fff]", said)
    (out,) = [e for e in map(json.loads, said.splitlines()) if e["type"] == "run.output"]
    assert out["text"] == "a\u009b2Jb\u202ec\U000e0041\n"


def test_nor_where_the_terminal_has_another_character_set(airlock):
    """There the second byte of a Cyrillic letter begins a sequence: whatever is not ASCII is named. [TTY-5, SAN-1]"""
    path = airlock.home / "f.py"
    path.write_text("# \u041b[31m\nprint('\u041b[2J')\n", encoding="utf-8")
    env = {"LANG": "C", "LC_ALL": "C"}
    s = airlock.screen("exec", "--lease", "runs=1", str(path), env=env)
    s.ended()
    assert b"<U+041B>[2J" in s.raw and b"\x9b" not in s.raw, s.raw
    s = airlock.screen("show", "last:1", env=env)
    s.ended()
    assert b"# <U+041B>[31m" in s.raw and b"\x9b" not in s.raw, s.raw
    s = airlock.screen("show", "last", "--json", env=env, cols=2000)
    s.ended()
    assert b"\\u041b[2J" in s.raw and b"\x9b" not in s.raw, s.raw
    assert "\u041b[31m" in airlock.run("show", "last:1", env=env).stdout.decode()  # no terminal: as it is


def test_nor_on_the_screen(airlock, taken):
    s = airlock.screen("replay", taken, rows=50, cols=200)
    s.wait("Plan")
    for key in ("G", "[", "{", ".", "8", "7", "6", "2", "t", "q", "T", "q", "I", "q", "C", "q", "?", "q", "="):
        s.send(key)
        s.settle(0.06)
    assert b"canary\x07" not in s.raw and b"\x1b[2J\xc2" not in s.raw and "\u202e".encode() not in s.raw
