"""A saved session goes on: its planner knows what was done, and the gate that was open opens again."""
import json
import os
import signal

from test_planner import api, requests  # noqa: F401

RUNBOOK = """# Two steps

Count.

## First
```python
print("first")
```
## Second
```python
print("second", 1 / 0)
```
```python
print("second again", 2)
```
- expect: stdout contains 2
"""


def crash(s):
    os.kill(s.pid, signal.SIGKILL)
    os.waitpid(s.pid, 0)
    s.pid = None


def events(airlock, kind=None):
    return [e for e in airlock.json("show", "--json", "last")[1] if kind in (None, e["type"])]


def decide(s, key="a"):
    s.wait(r"to decide|\[a\]")
    s.send("\x07")
    s.wait(r"\[a\]")
    s.settle(0.7)
    s.send(key)
    s.wait_gone(r"\[a\]")


def runbook(airlock):
    (airlock.home / "two.md").write_text(RUNBOOK)
    s = airlock.screen("-p", "runbook:%s/two.md" % airlock.home, rows=36, cols=120)
    decide(s)
    s.wait("second")
    return s


def test_a_runbook_goes_on_at_the_gate_where_it_stopped(airlock):
    s = runbook(airlock)
    s.wait(r"WAITING FOR YOU")
    crash(s)
    s = airlock.screen("resume", "last", rows=36, cols=120)
    decide(s)  # fails: n / 0
    s.wait("second again")
    decide(s)
    s.wait("finished: done")
    seen = events(airlock)
    assert [e["call_id"] for e in seen if e["type"] == "run.proposed"] == ["s1.1", "s2.1", "s2.2"]
    assert not [e for e in seen if e["type"] == "error"]
    assert [s["status"] for s in [e for e in seen if e["type"] == "plan.updated"][-1]["steps"]] == ["done", "done"]


def test_a_finished_runbook_stays_finished(airlock):
    s = runbook(airlock)
    decide(s)
    decide(s)
    s.wait("finished: done")
    crash(s)
    s = airlock.screen("resume", "last", rows=36, cols=120)
    s.wait("ready")
    s.line("anything left?")
    s.line(":pane 8")
    s.wait("follows its file")
    s.wait("ready")  # its turn is over: not "planning" for ever
    assert len([e for e in events(airlock) if e["type"] == "run.proposed"]) == 3


def test_a_model_goes_on_at_the_gate_where_it_stopped(airlock, api):
    env, log = api("conversation")
    s = airlock.screen("-p", "anthropic:claude-opus-5-5", rows=36, cols=120, env=env)
    s.wait("claude-opus-5-5")
    s.settle()
    s.line("Compute six times seven.")
    decide(s)  # prints 41
    s.wait("attempt 2")
    s.wait("WAITING FOR YOU")
    crash(s)
    s = airlock.screen("resume", "last", rows=36, cols=120, env=env)
    decide(s)
    s.wait("finished: failed|finished: done")
    sent = requests(log)
    assert len(sent) == 5  # none but what went on from the decision
    said = sent[3]["messages"]
    assert [m["role"] for m in said] == ["user", "assistant", "user", "assistant", "user"]
    assert said[0]["content"][0]["text"] == "Compute six times seven."
    assert [b["type"] for b in said[1]["content"]] == ["text", "tool_use"]  # what it thought is gone
    assert said[1]["content"][1]["input"]["code"] == "print(6*7-1)\n"
    assert json.loads(said[2]["content"][0]["content"])["untrusted"]["stdout"] == "41\n"
    assert said[3]["content"][0]["input"]["expect"] == ["exit 0", "stdout contains 42"]
    result = said[4]["content"]
    assert json.loads(result[0]["content"])["verdict"] == "verified"
    assert "opened again" in result[1]["text"] and "1. Compute the answer (active)" in result[1]["text"]
    assert not [e for e in events(airlock) if e["type"] == "error"]


def test_files_of_the_code_at_the_gate_are_there_again(airlock):
    (airlock.home / "numbers.csv").write_text("1\n2\n3\n")
    (airlock.home / "sum.md").write_text("# Sum\n\n- data: `numbers.csv`\n\n## Add\n```python\n"
                                         "print(sum(map(int, open('numbers.csv'))))\n```\n- expect: stdout contains 6\n")
    s = airlock.screen("-p", "runbook:%s/sum.md" % airlock.home, rows=36, cols=120)
    s.wait("WAITING FOR YOU")
    crash(s)
    (airlock.home / "numbers.csv").write_text("7\n")  # what was recorded counts
    s = airlock.screen("resume", "last", rows=36, cols=120)
    s.wait("numbers.csv")
    decide(s)
    s.wait("finished: done")
    assert [e["verdict"] for e in events(airlock) if e["type"] == "run.verdict"] == ["verified"]


def test_arguments_of_own_code_at_the_gate_are_there_again(airlock):
    (airlock.home / "args.py").write_text("import sys\nprint(sys.argv[1:])\n")
    s = airlock.screen("exec", str(airlock.home / "args.py"), "one two", "--", "-x", rows=50, cols=120)
    s.wait("gate>")
    crash(s)
    (airlock.home / "args.py").write_text("print('another')\n")
    s = airlock.screen("resume", "last", rows=36, cols=120)
    s.wait("to decide|approve once")
    decide(s)
    s.wait(r"\['one two', '(--', ')?-x'\]")
    gates = events(airlock, "gate.opened")
    assert len(gates) == 2 and gates[0]["code_key"] == gates[1]["code_key"] and gates[0]["attached"] == gates[1]["attached"]
    assert not events(airlock, "error")
