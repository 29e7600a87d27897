"""The exported notebook: judged by the official schema where Debian's python3-nbformat is there, read as JSON in any case."""
import json

import pytest

import bundle as b

try:
    import nbformat
except ImportError:
    nbformat = None

STORY = [
    b.created(), b.task("plots"), b.plan(("1", "Draw", "done")),
    *b.whole(1, "print('x' * 3)\n\tdf", "xxx\n", "warned\n", [
        ("run.result", 1, {"mime": "text/plain", "main": True, "text": "   a\n0  1", "bytes": 8}),
        ("run.result", 1, {"mime": "text/html", "main": True, "text": "<table><tr><td>1</table>", "bytes": 24})], purpose="draw *it*"),
    *b.whole(2, "fig", results=[
        ("run.result", 2, {"mime": "text/plain", "main": False, "text": "<Figure 1>", "bytes": 10}), b.artifact(2, "image/png", b.png(), "p1", False),
        ("run.result", 2, {"mime": "text/plain", "main": False, "text": "<Figure 2>", "bytes": 10}), b.artifact(2, "image/png", b.png(4), "p2", False),
        ("run.result", 2, {"mime": "application/json", "main": True, "text": '{"a": [1, 2.5, null]}', "bytes": 21})]),
    *b.whole(3, "ls", "file\n", language="bash"),
    b.proposed(4, "rm('/')"), *b.gate(4, "deny", reason="no"),
    b.proposed(5, "1/0"), *b.gate(5), b.started(5),
    b.finished(5, code=1, error={"name": "ZeroDivisionError", "value": "division by zero", "traceback": "Traceback\n  1/0\nZeroDivisionError"}),
    b.verdict(5, "refuted", [{"kind": "exit", "text": "exit 0", "ok": False, "got": "exit 1"}]),
    b.proposed(6, "waits()"),
]


def export(airlock, events, *args):
    out = airlock.run("export", b.take(airlock, events), "--format", "ipynb", *args).stdout
    return json.loads(out), out


def validate(text):
    if nbformat is None:
        pytest.skip("NO NBFORMAT: the notebook was not validated (apt-get install python3-nbformat)")
    nbformat.validate(nbformat.reads(text.decode(), as_version=nbformat.NO_CONVERT))


def test_cells_outputs_and_capsules(airlock):
    nb, _ = export(airlock, STORY)
    assert (nb["nbformat"], nb["nbformat_minor"]) == (4, 5) and nb["metadata"]["kernelspec"]["name"] == "python3"
    assert len({c["id"] for c in nb["cells"]}) == len(nb["cells"])
    code = {c["metadata"]["airlock"]["run"]: c for c in nb["cells"] if c["cell_type"] == "code"}
    raw = {c["metadata"]["airlock"]["run"]: c for c in nb["cells"] if c["cell_type"] == "raw"}
    assert sorted(code) == [1, 2, 3, 5] and sorted(raw) == [4, 6]  # what nobody approved is nothing to run
    assert code[1]["source"] == "print('x' * 3)\n\tdf" and code[1]["execution_count"] == 1  # a tab stays a tab
    assert code[1]["metadata"]["airlock"]["capsule"] == b.H
    assert [(o.get("name"), o.get("text")) for o in code[1]["outputs"][:2]] == [("stdout", "xxx\n"), ("stderr", "warned\n")]
    frame = code[1]["outputs"][2]
    assert frame["output_type"] == "execute_result" and frame["data"] == {"text/plain": "   a\n0  1"}
    assert frame["metadata"]["airlock"]["left_out"] == "text/html"
    shown = code[2]["outputs"]
    assert [o["output_type"] for o in shown] == ["display_data", "display_data", "execute_result"]
    assert sorted(shown[0]["data"]) == ["image/png", "text/plain"] and shown[1]["data"]["text/plain"] == "<Figure 2>"
    assert shown[2]["data"]["application/json"] == {"a": [1, 2.5, None]}
    assert code[3]["source"] == "%%bash\nls" and raw[4]["source"] == "rm('/')"
    error = code[5]["outputs"][-1]
    assert (error["ename"], error["evalue"], error["traceback"]) == ("ZeroDivisionError", "division by zero",
                                                                     ["Traceback", "  1/0", "ZeroDivisionError"])
    assert code[5]["metadata"]["airlock"]["verdict"] == "refuted"
    prose = "\n".join(c["source"] for c in nb["cells"] if c["cell_type"] == "markdown")
    assert "draw \\*it\\*" in prose and "denied by the person" in prose and "outside of any" in prose


def test_files_leases_and_ends(airlock):
    sha = "ab" * 32
    nb, text = export(airlock, [
        b.created(), b.task("t"), ("lease.granted", 0, {"runs": 3, "minutes": 5, "approximated": ["cpu"]}),
        ("file.put", 0, {"path": "in_*1*.csv", "bytes": 12, "sha256": sha}),
        b.proposed(1, "x"), *b.gate(1), b.started(1),
        ("run.finished", 1, {"end": "signal", "what": "SIGSEGV", "message": "it broke", "wall_ms": 5, "stdout_bytes": 0, "stderr_bytes": 0}),
        b.verdict(1), ("state.changed", 1, {"vars": [], "files": [{"path": "new.csv", "change": "new", "bytes": 3},
                                                                  {"path": "old.csv", "change": "same", "bytes": 3}]}),
        ("file.got", 0, {"path": "new.csv", "bytes": 3}), ("lease.ended", 0, {"why": "used up"})])
    validate(text)
    said = {c["metadata"]["airlock"]["event"]: c for c in nb["cells"] if c["cell_type"] == "markdown" and "airlock" in c["metadata"]}
    facts = {kind: {k: v for k, v in c["metadata"]["airlock"].items() if k not in ("seq", "event")} for kind, c in said.items()}
    assert facts == {"lease.granted": {"runs": 3, "minutes": 5}, "file.put": {"path": "in_*1*.csv", "bytes": 12, "sha256": sha},
                     "file.got": {"path": "new.csv", "bytes": 3}, "lease.ended": {"why": "used up"}}
    assert said["lease.granted"]["source"].startswith("*lease granted, 3 runs, 5 minutes")
    assert said["file.put"]["source"] == "*file put in\\_\\*1\\*.csv, 12 bytes*"
    code = next(c for c in nb["cells"] if c["cell_type"] == "code")["metadata"]["airlock"]
    assert (code["end"], code["what"]) == ("signal", "SIGSEGV")
    prose = [c["source"] for c in nb["cells"] if c["cell_type"] == "markdown"]
    assert "*Run 1 ended: signal (SIGSEGV)*: it broke" in prose and any("new file new.csv" in p and "old.csv" not in p for p in prose)


def test_raw_keeps_every_form(airlock):
    nb, text = export(airlock, STORY, "--raw")
    frame = next(c for c in nb["cells"] if c["cell_type"] == "code")["outputs"][2]
    assert frame["data"]["text/html"] == "<table><tr><td>1</table>" and "airlock" not in frame["metadata"]
    validate(text)


def test_it_passes_the_official_schema(airlock):
    validate(export(airlock, STORY)[1])


def test_so_does_a_hostile_one_and_it_holds_nothing_active(airlock):
    nb, text = export(airlock, b.hostile())
    mimes = {m for c in nb["cells"] for o in c.get("outputs", []) for m in o.get("data", {})}
    assert mimes <= {"text/plain", "image/png"}
    for c in nb["cells"]:
        for s in [c["source"], *[o.get("text", "") for o in c.get("outputs", [])]]:
            assert not any(ch in s for ch in "\x1b\x07\x9b\u202e\u2066\u200b\ufeff"), s
        if c["cell_type"] == "markdown":
            outside = b.unfenced(c["source"])
            assert not any(x in outside for x in ("](http", "](javascript", "\n<", "<script")), outside
    validate(text)


def test_runs_that_are_wanted(airlock):
    nb, text = export(airlock, STORY, "--runs", "2-3")
    assert [c["execution_count"] for c in nb["cells"] if c["cell_type"] == "code"] == [2, 3]
    validate(text)
