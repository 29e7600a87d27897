"""The sandbox e2b with a server on loopback: runs, what is left by a killed Airlock, and where its key goes."""
import json
import os
import shutil
import signal
import subprocess
import time

import pytest

from conftest import BINARY

SERVER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "servers", "e2b", "server.py")


class Server:
    def __init__(self):
        self.process = subprocess.Popen(["/usr/bin/python3", SERVER, "--keepalive", "0.4"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True)
        api, data, self.key = self.process.stdout.readline().split()
        self.env = {"E2B_API_KEY": self.key, "E2B_API_URL": "http://127.0.0.1:" + api, "E2B_SANDBOX_URL": "http://127.0.0.1:" + data}

    def say(self, **line):
        self.process.stdin.write(json.dumps(line) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def alive(self):
        return list(self.say(ask="stats")["alive"])


@pytest.fixture
def server(airlock):
    if shutil.which("bwrap") is None:
        pytest.skip("the test server needs bubblewrap")
    s = Server()
    airlock.env.update(s.env)
    yield s
    s.process.stdin.close()
    s.process.wait()


def run_on(airlock, sandbox, code, *args):
    return airlock.run("exec", "-s", sandbox, "--lease", "runs=1", *args, "-", input=code.encode())


def run(airlock, code, *args):
    return run_on(airlock, "e2b", code, *args)


def until(what):
    end = time.monotonic() + 30
    while not what():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_run_its_cost_and_its_end(airlock, server):
    done = run(airlock, "print(6*7)", "--json")
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, done.stderr
    kinds = [e["type"] for e in events]
    assert kinds.index("sandbox.creating") < kinds.index("sandbox.ready") < kinds.index("run.started") < kinds.index("run.finished")
    closed = next(e for e in events if e["type"] == "sandbox.closed")
    assert closed["confirmed"] is True
    usage = next(e for e in events if e["type"] == "usage")
    assert usage["source"] == "e2b" and usage["cost_nanousd"] > 0
    assert server.alive() == []


def test_timeouts_and_exit_codes(airlock, server):
    assert run(airlock, "import sys; sys.exit(7)").returncode == 7
    done = run(airlock, "while True: pass", "-c", "timeout_s=1")
    assert done.returncode == 124
    assert server.alive() == []


def test_the_key_stays_where_it_belongs(airlock, server):
    assert run(airlock, "import os; print(sorted(os.environ))", "-v").returncode == 0
    for path in airlock.home.rglob("*"):
        if path.is_file():
            assert server.key.encode() not in path.read_bytes(), path


def test_a_wrong_key_is_said(airlock, server):
    airlock.env["E2B_API_KEY"] = "e2b_" + "f" * 40
    done = run(airlock, "print(1)")
    assert done.returncode != 0 and b"E2B_API_KEY" in done.stderr and done.stdout == b""
    del airlock.env["E2B_API_KEY"]
    done = run(airlock, "print(1)")
    assert done.returncode == 125 and b"export E2B_API_KEY" in done.stderr


def test_what_a_killed_airlock_left_is_found_and_ended(airlock, server):
    p = subprocess.Popen([BINARY, "exec", "-s", "e2b", "--lease", "runs=1", "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                         stderr=subprocess.DEVNULL, env=airlock.env)
    p.stdin.write(b"print('on', flush=True)\nwhile True: pass\n")
    p.stdin.close()
    assert p.stdout.readline() == b"on\n"
    listed = [json.loads(line) for line in airlock.run("sandboxes", "--json").stdout.splitlines()]
    assert [x["whose"] for x in listed] == ["in use"]
    assert airlock.run("sandboxes", "reap").stdout == b"nothing was left over\n"
    assert airlock.run("sandboxes", "reap", listed[0]["id"]).returncode != 0
    p.send_signal(signal.SIGKILL)
    p.wait()
    assert len(server.alive()) == 1
    until(lambda: b"left over" in airlock.run("sandboxes").stdout)
    done = airlock.run("sandboxes", "reap")
    assert done.returncode == 0 and b"ended e2b" in done.stdout
    assert server.alive() == []
    assert airlock.run("sandboxes").stdout == b"nothing is running\n"
    assert airlock.run("verify", "last").returncode == 0
    last = json.loads(airlock.run("show", "last", "--json").stdout.splitlines()[-1])
    assert last["type"] == "sandbox.closed" and last["by"] == "reaper"


def test_what_ended_by_itself_is_written_down(airlock, server):
    p = subprocess.Popen([BINARY, "exec", "-s", "e2b", "--lease", "runs=1", "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                         stderr=subprocess.DEVNULL, env=airlock.env)
    p.stdin.write(b"print('on', flush=True)\nwhile True: pass\n")
    p.stdin.close()
    assert p.stdout.readline() == b"on\n"
    p.send_signal(signal.SIGKILL)
    p.wait()
    screen = airlock.screen()
    screen.wait("may still run")  # the offer at the next start
    screen.close()
    server.say(ask="expire")
    assert b"not there any more" in airlock.run("sandboxes", "reap").stdout
    last = json.loads(airlock.run("show", "last", "--json").stdout.splitlines()[-1])
    assert last["type"] == "sandbox.closed" and last["confirmed"] is False


def test_the_doctor_says_what_is_kept_and_proves_it(airlock, server):
    done = airlock.run("doctor", "-s", "e2b", "state")
    assert b"PASS     probe state" in done.stdout and done.returncode == 0, done.stdout
    assert server.alive() == []


def test_our_own_kernel_there_keeps_checkpoints(airlock, server):
    done = run_on(airlock, "e2b:code-interpreter-v1,kernel=ours", "import sys\nprint(6*7)\nprint('err', file=sys.stderr)\nx = 5\n", "--json")
    assert done.returncode == 0, done.stderr
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert {e["stream"]: e["text"] for e in events if e["type"] == "run.output"} == {"stdout": "42\n", "stderr": "err\n"}
    state = next(e for e in events if e["type"] == "state.changed")
    assert "x" in [v["name"] for v in state["vars"]]
    created = events[0]
    assert created["sandbox"] == "e2b" and created["image"] == "code-interpreter-v1,kernel=ours"
    assert next(e for e in events if e["type"] == "sandbox.closed")["confirmed"] is True
    assert next(e for e in events if e["type"] == "usage")["source"] == "e2b"
    assert server.alive() == []
    wrong = run_on(airlock, "e2b:base,kernel=yours", "1")
    assert wrong.returncode == 2 and b"kernel=ours" in wrong.stderr
    assert b"e2b:kernel=ours" in airlock.run("providers").stdout


def test_the_cell_of_our_own_is_a_part_of_the_contract_and_shown(airlock, server):
    done = run(airlock, "print(1)", "--json")
    events = [json.loads(line) for line in done.stdout.splitlines()]
    digest = events[0]["contract"]["introspection"]
    assert len(digest) == 64
    gate = next(e for e in events if e["type"] == "gate.opened")
    row = next(r for r in gate["attached"] if r.startswith("reads "))
    assert digest[:8] in row and ":cell" in row
    assert gate["contract_digest"] == events[0]["contract_digest"]
    ours = [json.loads(line) for line in run_on(airlock, "e2b:kernel=ours", "print(1)", "--json").stdout.splitlines()]
    assert "introspection" not in ours[0]["contract"] and ours[0]["contract_digest"] != events[0]["contract_digest"]


def test_the_last_run_of_a_session_tells_its_variables_before_the_end(airlock, server):
    book = airlock.home / "book.md"
    book.write_text("# One\n\nOne.\n\n## Step\n\n```python\nlast = 42\n```\n\n- expect: exit 0\n")
    for sandbox in ("e2b", "e2b:kernel=ours"):
        done = airlock.run("run", "-s", sandbox, "-p", "runbook:" + str(book), "--lease", "runs=3", "--json", "go")
        kinds = [json.loads(line) for line in done.stdout.splitlines()]
        at = [e["type"] for e in kinds]
        assert done.returncode == 0, done.stderr
        assert at.index("state.changed") < at.index("sandbox.closed") < at.index("session.finished")
        assert "last" in [v["name"] for e in kinds if e["type"] == "state.changed" for v in e["vars"]]
    assert server.alive() == []
