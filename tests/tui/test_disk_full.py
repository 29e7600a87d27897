"""A record that can't be written any more ends the session: what runs is stopped, what is there is kept. [AUD-4]"""
import json
import shutil
import subprocess

import pytest

from conftest import BINARY, Screen

FLOOD = "import time\nfor i in range(400):\n    print('x' * 200000)\n    time.sleep(0.02)\n"


@pytest.fixture
def small(tmp_path):
    """Command words that run a program with a 3 MiB file system at the data folder, which ends with it."""
    data = tmp_path / "small"
    data.mkdir(mode=0o700)
    inner = 'mount -t tmpfs -o size=3m,mode=700 none "$0" && "$@"; rc=$?; cp -r "$0/." "$0.kept"; exit $rc'
    words = ["unshare", "-m", "sh", "-c", inner, str(data)]
    if not shutil.which("unshare") or subprocess.run([*words, "true"], capture_output=True).returncode != 0:
        pytest.skip("no private mount namespace here: a full disk can't be had")
    shutil.rmtree(str(data) + ".kept", ignore_errors=True)
    return words, str(data)


def kept(airlock, data):
    """The events that were on the small disk when the program had ended, and what verify says."""
    done, events = airlock.json("--data", data + ".kept", "show", "--json", "last")
    assert done.returncode == 0
    assert airlock.run("--data", data + ".kept", "verify", "last").returncode == 0
    return events


def test_exec_stops_and_the_last_word_is_recorded(airlock, small):
    words, data = small
    (airlock.home / "flood.py").write_text(FLOOD)
    argv = [*words, BINARY, "--data", data, "exec", "--json", "--lease", "runs=1", "flood.py"]
    done = subprocess.run(argv, capture_output=True, env=airlock.env, cwd=airlock.home, stdin=subprocess.DEVNULL, timeout=60)
    assert done.returncode == 125
    events = kept(airlock, data)
    assert events[-1]["type"] == "error" and events[-1]["message"] == "stopped: disk full" and events[-1]["stopped"]
    assert [e["type"] for e in events].count("run.output") > 3  # what came before is there
    printed = [json.loads(line) for line in done.stdout.splitlines()]
    assert [e["seq"] for e in printed] == [e["seq"] for e in events]  # and nothing else was told
    listed = airlock.json("--data", data + ".kept", "sessions", "--json")[1]
    assert listed[0]["outcome"] == "stopped: disk full"


def test_the_screen_says_so_and_runs_nothing_more(airlock, small):
    words, data = small
    s = Screen([*words, BINARY, "--data", data], airlock.env, 24, 80)
    airlock.screens.append(s)
    s.wait("a task, !code")
    s.line("!import time")
    s.wait("exit 0|ready")
    s.line("!for i in range(400): print('x' * 200000); time.sleep(0.02)")
    s.send("\r")
    s.wait("stopped: disk full")
    s.line("!print(1)")
    s.wait("can't be|ended|stopped")
    s.send("\x1b")
    s.settle(0.2)
    s.send("Q")
    assert s.ended() == 0
    events = kept(airlock, data)
    assert events[-1]["message"] == "stopped: disk full"
