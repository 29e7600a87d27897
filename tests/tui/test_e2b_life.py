"""The sandbox e2b beyond one run and one process: killed and found again, paused, adopted, gone back to, waited for, run again."""
import json
import signal
import subprocess

import pytest

from conftest import BINARY
from test_e2b import server, until  # noqa: F401 (server is a fixture)
from test_model import approve

SNAPSHOTS = "e2b:code-interpreter-v1,snapshots=3"


def events(airlock, which="last"):
    return [json.loads(line) for line in airlock.run("show", which, "--json").stdout.splitlines()]


def start(airlock, *args):
    return airlock.screen(*args, rows=36, cols=130)


def typed(screen, code, see):
    """A line of the person's own, approved when it comes to a gate, and what its run shows."""
    screen.line("!" + code)
    if "WAITING FOR YOU" in screen.wait("WAITING FOR YOU|" + see):
        approve(screen)
    screen.wait(see)


def leave(screen):
    screen.line(":quit")
    screen.ended()


def killed_after(airlock, code):
    """A session whose Airlock is killed with -9 while it runs."""
    p = subprocess.Popen([BINARY, "exec", "-s", "e2b", "--lease", "runs=1", "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                         stderr=subprocess.DEVNULL, env=airlock.env)
    p.stdin.write(code)
    p.stdin.close()
    assert p.stdout.readline() == b"on\n"
    p.send_signal(signal.SIGKILL)
    p.wait()


def test_adopted_is_paused_kept_and_gone_on_with(airlock, server):  # noqa: F811
    killed_after(airlock, b"x = 41\nprint('on', flush=True)\nwhile True: pass\n")
    until(lambda: b"left over" in airlock.run("sandboxes").stdout)
    it = json.loads(airlock.run("sandboxes", "--json").stdout.splitlines()[0])
    shown = airlock.run("sandboxes", "show", it["id"]).stdout
    assert b"cpu 1.5% of 2" in shown and b"Sandbox created" in shown
    done = airlock.run("sandboxes", "adopt", it["id"])
    assert done.returncode == 0 and b"airlock resume " + it["session"].encode() in done.stdout
    assert list(server.say(ask="stats")["states"].values()) == ["paused"]
    assert b"kept" in airlock.run("sandboxes").stdout
    assert airlock.run("sandboxes", "reap").stdout == b"nothing was left over\n"  # kept on purpose
    assert airlock.run("sandboxes", "adopt", it["id"]).returncode != 0
    assert airlock.run("verify", "last").returncode == 0
    screen = start(airlock, "resume", "last")
    screen.wait("state restored")
    typed(screen, "x + 1", "42")
    leave(screen)
    until(lambda: server.alive() == [])
    ends = [e for e in events(airlock) if e["type"] == "run.finished"]
    assert ends[0]["end"] == "lost" and ends[1]["end"] == "exit"
    assert sum("x = 41" in c for c in server.say(ask="stats")["codes"]) == 0  # gone with the sandbox: nothing ran in another one


def test_ignored_is_not_brought_up_again(airlock, server):  # noqa: F811
    killed_after(airlock, b"print('on', flush=True)\nwhile True: pass\n")
    until(lambda: b"left over" in airlock.run("sandboxes").stdout)
    it = json.loads(airlock.run("sandboxes", "--json").stdout.splitlines()[0])
    assert b"left to itself" in airlock.run("sandboxes", "ignore", it["id"]).stdout
    assert len(server.alive()) == 1
    screen = start(airlock)
    screen.wait("1 session")
    assert "may still run" not in screen.text()
    leave(screen)
    assert airlock.run("sandboxes", "reap", it["id"]).returncode == 0
    assert server.alive() == []


def test_resume_finds_what_a_killed_airlock_left(airlock, server):  # noqa: F811
    killed_after(airlock, b"x = 41\nprint('on', flush=True)\nwhile True: pass\n")
    screen = start(airlock, "resume", "last")
    screen.wait("state restored")
    typed(screen, "x + 1", "42")
    leave(screen)
    restored = next(e for e in events(airlock) if e["type"] == "state.restored")
    assert restored["how"] == "attached" and "x" in restored["kept"]
    assert server.say(ask="stats")["created"] == 1
    assert server.alive() == []


def test_resume_says_what_is_lost_when_it_is_gone(airlock, server):  # noqa: F811
    screen = start(airlock, "-s", "e2b", "-p", "human")
    typed(screen, "x = 41", "after run 1")
    screen.line(":pause")
    screen.wait("e2b paused")
    leave(screen)
    assert list(server.say(ask="stats")["states"].values()) == ["paused"]
    server.say(ask="sweep")
    screen = start(airlock, "resume", "last")
    screen.wait("0 kept, 1 lost")
    leave(screen)
    told = events(airlock)
    assert any(e["type"] == "error" and "is gone" in e["message"] for e in told)
    assert next(e for e in told if e["type"] == "state.restored")["lost"] == ["x"]
    assert server.alive() == []


def test_pause_wake_and_the_next_run(airlock, server):  # noqa: F811
    screen = start(airlock, "-s", "e2b", "-p", "human")
    typed(screen, "x = 41", "after run 1")
    screen.wait("e2b ends ")
    screen.line(":pause")
    screen.wait("e2b paused")
    typed(screen, "x + 1", "after run 2")  # wakes it
    screen.line(":pause")
    screen.wait("e2b paused")
    screen.line(":wake")
    screen.wait("e2b ends ")
    leave(screen)
    assert server.alive() == []
    kinds = [e["type"] for e in events(airlock)]
    assert kinds.count("sandbox.paused") == 2 and kinds.count("sandbox.ready") == 3


def test_a_place_is_waited_for_and_given_up(airlock, server):  # noqa: F811
    server.say(ask="cap", to=0)
    screen = start(airlock, "-s", "e2b", "-p", "human")
    typed(screen, "6 * 7", "for a place")
    screen.type("\x03")
    screen.wait("interrupted")
    typed(screen, "6 * 7", "for a place")
    server.say(ask="cap", to=1)
    screen.wait("e2b ends ")
    screen.wait("42")
    leave(screen)
    assert server.say(ask="stats")["created"] == 1
    assert server.alive() == []


def test_snapshots_are_gone_back_to_and_forked_from(airlock, server):  # noqa: F811
    screen = start(airlock, "-s", SNAPSHOTS, "-p", "human")
    typed(screen, "x = 1; f = open('f', 'w').write('one')", "after run 1")
    until(lambda: len(server.say(ask="stats")["snapshots"]) == 1)
    typed(screen, "x = 2; f = open('f', 'w').write('two!')", "after run 2")
    until(lambda: len(server.say(ask="stats")["snapshots"]) == 2)
    screen.line(":restore 1")
    screen.wait("starts from the provider's snapshot")
    screen.type("\r")
    screen.wait("state restored")
    typed(screen, "print(x, open('f').read())", "1 one")
    leave(screen)
    until(lambda: server.alive() == [])
    fork = airlock.run("fork", "last:2", "--json")
    assert fork.returncode == 0, fork.stderr
    screen = start(airlock, "resume", "last")
    screen.wait("state restored")
    typed(screen, "print(x, open('f').read())", "2 two!")
    leave(screen)
    until(lambda: server.alive() == [])
    listed = [json.loads(line) for line in airlock.run("sandboxes", "--json").stdout.splitlines()]
    assert {x["whose"] for x in listed} == {"kept"} and {x["state"] for x in listed} == {"snapshot"}
    assert airlock.run("sandboxes", "reap", *[x["id"] for x in listed]).returncode == 0
    assert server.say(ask="stats")["snapshots"] == []


def test_only_so_many_snapshots_are_kept(airlock, server):  # noqa: F811
    screen = start(airlock, "-s", "e2b:snapshots=2", "-p", "human")
    for i in range(1, 5):
        typed(screen, "x = %d" % i, "after run %d" % i)
        until(lambda: sum(e["type"] == "checkpoint.made" for e in events(airlock)) == i)
    until(lambda: len(server.say(ask="stats")["snapshots"]) == 2)
    until(lambda: sum(e["type"] == "checkpoint.lost" for e in events(airlock)) == 2)
    leave(screen)


def test_rerun_on_e2b_side_by_side_under_a_cap(airlock, server):  # noqa: F811
    for i in range(4):
        assert airlock.run("exec", "--lease", "runs=1", "-", input=b"print(%d * 7)" % i).returncode == 0
    ids = [json.loads(line)["id"] for line in airlock.run("sessions", "--json").stdout.splitlines()]
    server.say(ask="cap", to=2)
    done = airlock.run("rerun", *ids, "--on", "e2b", "--jobs", "4", "--lease", "runs=4", "--json")
    assert done.returncode == 0, done.stderr + done.stdout
    verdicts = [json.loads(line) for line in done.stdout.splitlines()]
    assert [v["verdict"] for v in verdicts if "verdict" in v] == ["identical"] * 4
    stats = server.say(ask="stats")
    assert stats["created"] == 4 and stats["alive"] == {}


@pytest.mark.parametrize("word", ["e2b:x,snapshots=0", "e2b:x,y=1", "e2b:snapshots="])
def test_a_wrong_option_is_said(airlock, server, word):  # noqa: F811
    done = airlock.run("exec", "-s", word, "--lease", "runs=1", "-", input=b"1")
    assert done.returncode != 0 and b"snapshots=" in done.stderr
    assert server.say(ask="stats")["created"] == 0
