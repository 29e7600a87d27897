"""The sandbox claude-messages with a server on loopback: approved at a terminal, checked against what the model did; where its key
goes, what it costs, what is left over."""
import base64
import json
import os
import re
import shutil
import subprocess
import time

import pytest

SERVER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "servers", "claude-messages", "server.py")


class Server:
    def __init__(self):
        self.process = subprocess.Popen(["/usr/bin/python3", SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        port, self.key = self.process.stdout.readline().split()
        self.env = {"ANTHROPIC_API_KEY": self.key, "ANTHROPIC_BASE_URL": "http://127.0.0.1:" + port}

    def say(self, **line):
        self.process.stdin.write(json.dumps(line) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def stats(self):
        return self.say(ask="stats")


@pytest.fixture
def server(airlock):
    if shutil.which("bwrap") is None:
        pytest.skip("the test server needs bubblewrap")
    s = Server()
    airlock.env.update(s.env)
    yield s
    s.process.stdin.close()
    s.process.wait()


STATE = "claude-messages:kernel=repl"


def policy_for(airlock, code, *args, sandbox="claude-messages"):
    """The person's own policy file for this code under this contract, from the record of a denied run."""
    denied = airlock.run("exec", "-s", sandbox, *args, "-", input=code)
    assert denied.returncode == 126, denied.stderr
    gate = next(e for e in (json.loads(line) for line in airlock.run("show", "last", "--json").stdout.splitlines())
                if e["type"] == "gate.opened")
    path = airlock.home / "policy"
    path.write_text("allow %s %s\n" % (gate["contract_digest"], gate["code_key"]))
    path.chmod(0o600)
    return str(path), gate


def run(airlock, code, *args, sandbox="claude-messages"):
    path, _ = policy_for(airlock, code, *[a for a in args if a != "--json"], sandbox=sandbox)
    return airlock.run("exec", "-s", sandbox, "--policy", path, *args, "-", input=code, cwd="/")


def events_of(done):
    return [json.loads(line) for line in done.stdout.splitlines()]


def approve(s, wanted):
    """Until it is to be seen: too early is told, and decides nothing."""
    end = time.monotonic() + 20
    while not re.search(wanted, s.text()):
        assert time.monotonic() < end, s.text()
        s.settle(quiet=0.7)
        s.line("a")
        s.settle()


def test_approved_at_a_terminal(airlock, server):
    path = airlock.home / "f.py"
    path.write_text("print(6*7)\nopen(__import__('os').environ['OUTPUT_DIR'] + '/t.csv', 'w').write('a,b\\n')\n")
    s = airlock.screen("exec", "-s", "claude-messages", str(path), rows=50, cols=140)
    s.wait("CHECKED, NOT GATED")
    assert "we compare afterwards what it ran" in s.text()
    s.wait("gate>")
    assert "dry run" not in s.text() and "lease" not in s.text()
    approve(s, r"gate> a\s+42")
    s.close()
    stats = server.stats()
    assert [base64.b64decode(c) for c in stats["codes"]] == [path.read_bytes()]
    assert stats["files"] == []  # fetched, and deleted there
    events = events_of(airlock.run("show", "last", "--json"))
    results = [e for e in events if e["type"] == "run.result"]
    assert [(e["mime"], e.get("text")) for e in results if not e["main"]] == [("text/csv", "a,b\n")]


@pytest.mark.parametrize("plain", [True, False])
def test_the_gate_offers_no_dry_run_and_no_lease_and_says_why(airlock, server, plain):
    s = airlock.screen(*(["--plain"] if plain else []), "-s", "claude-messages", rows=40, cols=140)
    s.wait("line by line" if plain else ":tour")
    s.line("!print(6*7)")
    s.wait("CHECKED, NOT GATED")
    if not plain:
        s.send("\x07")
    s.wait("gate>" if plain else "approve once")
    assert "dry run" not in s.text() and "[l]" not in s.text() and "lease" not in s.text()
    s.settle(0.8)
    for key, why in (("r", "no dry run here: what runs there is only checked afterwards"),
                     ("l", "no lease[^:]*: this sandbox can't enforce")):
        end = time.monotonic() + 20
        while not re.search(why, s.text()):
            assert time.monotonic() < end, s.text()
            s.line(key) if plain else s.send(key)
            s.settle(quiet=0.8)
    s.line("d") if plain else s.send("\x03")
    s.wait("denied")
    assert server.stats()["codes"] == []


def test_a_run_its_cost_and_its_end(airlock, server):
    done = run(airlock, b"import sys\nprint(6*7)\nsys.exit(3)", "--json")
    assert done.returncode == 3, done.stderr
    events = events_of(done)
    assert [e for e in events if e["type"] == "run.output" and e.get("text") == "42\n"]
    usage = [e for e in events if e["type"] == "usage"]
    model = next(u for u in usage if "input_tokens" in u)
    assert model["source"] == "claude-messages claude-haiku-5-5" and model["cost_nanousd"] == \
        model["input_tokens"] * 100 + model["output_tokens"] * 500
    assert next(u for u in usage if "sandbox_ms" in u)["cost_nanousd"] == 50000000 // 3600 * 300
    closed = next(e for e in events if e["type"] == "sandbox.closed")
    assert closed["confirmed"] is True
    gate = next(e for e in events if e["type"] == "gate.opened")
    assert gate["checked_only"] is True and "afterwards" in gate["held_by"]


@pytest.mark.parametrize("trick,word", [("alter", "different from byte"), ("second", "second call"), ("other-tool", "another tool"),
                                        ("wrong-hash", "ran other code"), ("no-proof", "did not come back whole")])
def test_what_was_not_approved_is_refused_and_shown(airlock, server, trick, word):
    path, _ = policy_for(airlock, b"print('approved text')")
    server.say(do=trick)
    done = airlock.run("exec", "-s", "claude-messages", "--policy", path, "--json", "-", input=b"print('approved text')", cwd="/")
    events = events_of(done)
    finished = next(e for e in events if e["type"] == "run.finished")
    assert finished["end"] == "integrity" and "not what was approved" in finished["message"] and word in finished["message"]
    assert done.returncode not in (0, 126)
    assert not [e for e in events if e["type"] in ("run.output", "run.result")]
    assert finished["error"]["name"] == "Deviation"
    if trick == "alter":
        assert "python3 - <<'AIRLOCK'" in finished["error"]["traceback"]
    plain = airlock.run("exec", "-s", "claude-messages", "--policy", path, "-", input=b"print('approved text')", cwd="/")
    assert plain.stdout == b"approved text\n" and plain.returncode == 0  # the next one is a new container, and fine
    server.say(do=trick)
    plain = airlock.run("exec", "-s", "claude-messages", "--policy", path, "-", input=b"print('approved text')", cwd="/")
    assert b"not what was approved" in plain.stderr and plain.stdout == b""


def test_no_lease_covers_it(airlock, server):
    done = airlock.run("exec", "-s", "claude-messages", "--lease", "runs=1", "-", input=b"print(1)")
    assert done.returncode != 0 and b"not covered by the lease" in done.stderr and done.stdout == b""
    assert server.stats()["commands"] == []


def test_it_is_labelled_and_never_the_default(airlock, server):
    listed = airlock.run("providers").stdout.decode()
    line = next(x for x in listed.splitlines() if x.split()[1] == "claude-messages")
    assert line.split()[2] == "ready" and "checked, not gated" in line
    done = airlock.run("exec", "--lease", "runs=1", "-", input=b"print(1)")
    assert done.stdout == b"1\n" and server.stats()["requests"] == []


def test_nothing_else_goes_into_that_container(airlock, server):
    for args, word in [(("-c", "env=HOME", "-c", "strict=no"), b"no environment"), (("-c", "network=open", "-c", "strict=no"), b"no network at all")]:
        done = run(airlock, b"print(1)", *args)
        assert done.returncode != 0 and word in done.stderr, done.stderr
    done = airlock.run("exec", "-s", "claude-messages", "-c", "network=open", "-", input=b"print(1)")
    assert done.returncode != 0 and b"network" in done.stderr
    assert server.stats()["commands"] == []
    run(airlock, b"import os\nprint(sorted(k for k in os.environ if 'KEY' in k or 'TOKEN' in k))")
    body = json.loads(next(b for b in server.stats()["bodies"] if b))
    assert [t["type"] for t in body["tools"]] == ["code_execution_20250825"] and len(body["messages"]) == 1 and "container" not in body
    assert server.key not in json.dumps(body)


def test_the_key_stays_where_it_belongs(airlock, server):
    assert run(airlock, b"print(1)", "-v").returncode == 0
    for path in airlock.home.rglob("*"):
        if path.is_file():
            assert server.key.encode() not in path.read_bytes(), path


def test_a_wrong_key_and_none(airlock, server):
    path, _ = policy_for(airlock, b"print(1)")
    airlock.env["ANTHROPIC_API_KEY"] = "sk-ant-wrong-and-secret"
    done = airlock.run("exec", "-s", "claude-messages", "--policy", path, "-", input=b"print(1)", cwd="/")
    assert done.returncode != 0 and b"ANTHROPIC_API_KEY" in done.stderr and b"wrong-and" not in done.stderr
    del airlock.env["ANTHROPIC_API_KEY"]
    done = airlock.run("exec", "-s", "claude-messages", "--policy", path, "-", input=b"print(1)", cwd="/")
    assert done.returncode == 125 and b"export ANTHROPIC_API_KEY" in done.stderr


def test_the_model_can_be_chosen(airlock, server):
    assert airlock.run("config", "set", "claude.model", "claude-opus-5-5").returncode == 0
    assert run(airlock, b"print(1)").returncode == 0
    assert json.loads(next(b for b in server.stats()["bodies"] if b))["model"] == "claude-opus-5-5"
    assert airlock.run("config", "set", "claude.model", "claude-old-1").returncode == 0
    done = run(airlock, b"print(1)")
    assert done.returncode != 0 and b"can't run code" in done.stderr


def test_what_is_too_long_is_refused_before_it_leaves(airlock, server):
    done = run(airlock, b"#" * 9000 + b"\nprint(1)")
    assert done.returncode != 0 and b"8 KiB" in done.stderr and server.stats()["commands"] == []


STEPS = """# State

## One

```python
x = [1, 2]
print("one", x)
```

## Two

```python
x.append(3)
print("two", sum(x))
```
"""


def test_variables_stay_from_run_to_run(airlock, server):
    book = airlock.home / "state.md"
    book.write_text(STEPS)
    s = airlock.screen("run", "-p", "runbook:%s" % book, "-s", STATE, rows=100, cols=140)
    s.wait("CHECKED, NOT GATED")
    s.wait("80 s at most")
    approve(s, r"out\| one \[1, 2\]")
    s.wait("run 2: proposed")
    approve(s, r"out\| two 6")
    s.wait("session: done")
    assert re.search(r"var\s+changed\s+x list \[1, 2, 3\]", s.text())
    s.close()
    bodies = [json.loads(b) for b in server.stats()["bodies"] if b]
    assert [b["tools"] for b in bodies] == [[{"type": "code_execution_20260521", "name": "code_execution"}]] * 2
    assert bodies[0].get("container") is None and bodies[1]["container"] == server.stats()["containers"][0]
    assert [base64.b64decode(c) for c in server.stats()["codes"]] == [b'x = [1, 2]\nprint("one", x)\n', b'x.append(3)\nprint("two", sum(x))\n']
    events = events_of(airlock.run("show", "last", "--json"))
    changes = [[(v["name"], v["change"]) for v in e["vars"]] for e in events if e["type"] == "state.changed"]
    assert changes == [[("x", "new")], [("x", "changed")]]
    gates = [e for e in events if e["type"] == "gate.opened"]
    assert all(g["checked_only"] and any("cell of Airlock's own" in a for a in g["attached"]) for g in gates)
    assert airlock.run("verify", "last").returncode == 0


def test_what_expired_is_said_and_nothing_is_executed(airlock, server):
    book = airlock.home / "state.md"
    book.write_text(STEPS + "\n```python\nx = [0]\n```\n")  # another attempt
    server.say(do="status", status=400, body="{}", skip=1)  # of a container that is gone
    s = airlock.screen("run", "-p", "runbook:%s" % book, "-s", STATE, rows=100, cols=140)
    s.wait("gate>")
    approve(s, r"out\| one \[1, 2\]")
    s.wait("run 2: proposed")
    approve(s, "nothing was executed")
    s.wait("variables and files of earlier runs are gone")  # the next gate
    s.close()
    assert not [c for c in server.stats()["codes"] if b"append" in base64.b64decode(c)]
    events = events_of(airlock.run("show", "last", "--json"))
    lost = next(e for e in events if e["type"] == "run.finished" and e["run"] == 2)
    assert lost["end"] == "lost" and lost["state_lost"] is True
    gate = next(e for e in events if e["type"] == "gate.opened" and e["run"] == 3)
    assert gate["state_lost"] is True and gate["lost_line"].startswith("a new container")


@pytest.mark.parametrize("trick,word", [("alter", "different from byte"), ("twice", "second call"), ("second", "second call"),
                                        ("other-tool", "another tool"), ("wrong-hash", "ran other code"), ("other-token", "not of this run")])
def test_a_cell_that_was_not_approved_is_refused(airlock, server, trick, word):
    path, _ = policy_for(airlock, b"print('approved text')", sandbox=STATE)
    server.say(do=trick)
    done = airlock.run("exec", "-s", STATE, "--policy", path, "--json", "-", input=b"print('approved text')", cwd="/")
    finished = next(e for e in events_of(done) if e["type"] == "run.finished")
    assert finished["end"] == "integrity" and word in finished["message"] and finished["state_lost"]
    assert not [e for e in events_of(done) if e["type"] in ("run.output", "run.result", "state.changed")]


def test_a_model_without_an_interpreter_is_said(airlock, server):
    done = run(airlock, b"x = 1\nprint(x)", "--json", sandbox="claude-messages:claude-haiku-4-5,kernel=repl")
    finished = next(e for e in events_of(done) if e["type"] == "run.finished")
    assert done.returncode == 0 and finished["state_lost"] and "no interpreter stays with claude-haiku-4-5" in finished["message"]
    body = json.loads(next(b for b in server.stats()["bodies"] if b))
    assert [t["type"] for t in body["tools"]] == ["code_execution_20250825"]


def test_both_are_listed(airlock, server):
    lines = {x.split()[1]: x for x in airlock.run("providers").stdout.decode().splitlines() if len(x.split()) > 2}
    assert "stateful" not in lines["claude-messages"] and "checked, not gated" in lines["claude-messages"]
    assert "stateful" in lines[STATE] and "checked, not gated" in lines[STATE] and lines[STATE].split()[2] == "ready"
    done = airlock.run("exec", "-s", "claude-messages:kernel=ours", "-", input=b"print(1)")
    assert done.returncode == 2 and b"kernel=repl" in done.stderr
