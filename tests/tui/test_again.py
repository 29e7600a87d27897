"""`exec`, `rerun` and `fork` with a person at the terminal, and what makes a rerun impossible."""
import json
import os
import re
import signal

import pytest

from hand import at_line_gate as at_gate, events
from test_saved import change


@pytest.fixture
def quick(airlock):
    """The gate arms after 250 ms."""
    assert airlock.run("config", "set", "gate.arm_ms", "250").returncode == 0
    return airlock


def exec_(airlock, code, *args):
    done = airlock.run("exec", "--lease", "runs=1", *args, "-", input=code.encode())
    return done, airlock.json("sessions", "--json")[1][0]["id"]


def test_exec_asks_at_a_terminal(quick):
    book = quick.home / "a.py"
    book.write_text("import sys; print('hello', sys.argv[1:])\n")
    s = quick.screen("exec", str(book), "one", "-x", rows=40, cols=100)
    at_gate(s)
    assert "+ argv one" in s.text() and "+ argv -x" in s.text()  # the capsule holds them, so a person sees them [APR-7]
    s.line("a")
    assert s.ended() == 0 and "hello ['one', '-x']" in s.text()
    again = quick.run("replay", "last", "--plain", "--speed", "64").stdout
    assert b"+ argv one\n" in again and b"+ argv -x\n" in again
    s = quick.screen("exec", str(book), rows=40, cols=100)
    at_gate(s)
    s.line("d not today")
    assert s.ended() == 126 and "denied: not today (approve at a terminal, or give --lease runs=1)" in s.text()
    s = quick.screen("exec", str(book), rows=40, cols=100)
    at_gate(s)
    s.send("\x03")
    assert s.ended() == 126 and "denied: at the gate" in s.text()
    s = quick.screen("exec", "-q", str(book), rows=40, cols=100)
    at_gate(s)
    s.line("x")
    assert s.ended() == 126 and "denied:" not in s.text()
    s = quick.screen("exec", str(book), rows=40, cols=100)
    at_gate(s)
    os.kill(s.pid, signal.SIGTERM)
    s.ended()
    assert events(quick, "run.started") == []


def test_the_language_of_a_file_by_its_first_line(airlock):
    for head, code, out in (("#!/usr/bin/env python3\n", "print(1 // 1)", b"1\n"), ("#!/usr/bin/node\n", "console.log([1].length)", b"1\n"),
                            ("#!/bin/sh\n", "echo $((3-2))", b"1\n"), ("#!/usr/bin/perl\n", "print(1)", b"1\n"), ("#\n", "print(1)", b"1\n"), ("", "print(1)", b"1\n"), ("", "1", b"")):
        file = airlock.home / "tool"
        file.write_text(head + code)
        done = airlock.run("exec", "--lease", "runs=1", str(file))
        assert done.stdout == out, (head, done)
    file.write_text("echo 1")
    assert airlock.run("exec", "--lease", "runs=1", "-l", "bash", str(file)).stdout == b"1\n"
    file.write_text("#" * (1 << 20) + "##")
    done = airlock.run("exec", "--lease", "runs=1", str(file))
    assert done.returncode == 125 and b"tool: code is at most 1 MiB" in done.stderr


def test_what_exec_says_of_ends(airlock):
    done, _ = exec_(airlock, "print(1)", "--expect", "stdout contains 2")
    assert (done.returncode, done.stdout) == (0, b"1\n") and b"refuted: the expectation did not hold (airlock show last:1)" in done.stderr
    done, _ = exec_(airlock, "print(1)", "-q", "--expect", "stdout contains 2")
    assert done.stderr == b""
    done, _ = exec_(airlock, "x = bytearray(1 << 30)", "-c", "memory_mib=64")
    assert done.returncode in (1, 137) and done.stderr != b""
    done, _ = exec_(airlock, "print(1)", "--expect", "nonsense of a kind")
    assert done.returncode in (2, 125) and b"nonsense" in done.stderr


def test_rerun_asks_at_a_terminal(quick):
    _, first = exec_(quick, "print('again')")
    s = quick.screen("rerun", first, rows=40, cols=100)
    at_gate(s)
    s.line("a")
    assert s.ended() == 0
    assert re.search(r"out\| again\s[\s\S]*run 1    rerun 1    identical\s", s.text())
    s = quick.screen("rerun", first, first, "--jobs", "2", rows=60, cols=100)
    s.wait("1 at a time instead of 2: each gate is asked here")
    at_gate(s)
    s.line("d no")
    s.wait("could not run: no")
    at_gate(s)
    s.line("x")
    assert s.ended() == 4
    assert "denied at the gate" in s.text() or "could not run" in s.text()
    s = quick.screen("rerun", first, first, rows=60, cols=100)
    at_gate(s)
    os.kill(s.pid, signal.SIGTERM)
    assert s.ended() == 130 and "interrupted" in s.text()
    assert quick.run("verify", "--all").returncode == 0


def test_rerun_is_interrupted_with_all_it_has_begun(airlock):
    _, slow = exec_(airlock, "import time; print('on', flush=True); time.sleep(0.3)")
    db = airlock.home / "data/airlock/sessions"
    before = set(os.listdir(db))
    s = airlock.screen("rerun", slow, slow, slow, "--jobs", "2", "--lease", "runs=3", rows=40, cols=100)
    s.wait(r"\d of 3|running|0/3|sessions?")
    os.kill(s.pid, signal.SIGINT)
    assert s.ended() == 130
    assert airlock.run("verify", "--all").returncode == 0
    assert len([n for n in set(os.listdir(db)) - before if n.endswith(".db")]) <= 2  # the third was not begun


def test_rerun_leases_and_limits(airlock):
    _, one = exec_(airlock, "print(1)")
    done = airlock.run("rerun", one, one, "--jobs", "2", "--lease", "runs=1,minutes=1")
    assert done.returncode == 4 and b"1 identical" in done.stdout and b"1 could not run" in done.stdout
    assert airlock.run("config", "set", "contract.concurrency", "1").returncode == 0
    done = airlock.run("rerun", one, one, "--jobs", "2", "--lease", "runs=2")
    assert done.returncode == 0 and b"1 at a time instead of 2: the contract's concurrency" in done.stderr
    done = airlock.run("rerun", one, one, "--jobs", "2", "--lease", "runs=2", "--quiet")
    assert done.returncode == 0 and done.stderr == b""
    done = airlock.run("rerun", one, "--jobs", "64", "--lease", "runs=1")
    assert done.returncode == 0 and done.stderr == b""
    assert airlock.run("rerun", one, "--into", one, "--lease", "runs=1").stderr == \
        b"airlock: a session can't be run again into itself: fork it first\n"


def test_rerun_of_what_can_not_be_had_again(airlock):
    _, one = exec_(airlock, "print(1)")
    done = airlock.run("rerun", one, "--on", "e2b", "--lease", "runs=1")
    assert done.returncode == 3 and b"E2B_API_KEY" in done.stderr, done
    done = airlock.run("rerun", one, "--on", "nosuch", "--lease", "runs=1")
    assert done.returncode == 2 and b"no sandbox 'nosuch'" in done.stderr
    done = airlock.run("rerun", one, "--runs", "2-", "--lease", "runs=1")
    assert done.returncode == 2 and b"has no approved run there" in done.stderr
    done = airlock.run("rerun", one, "-c", "pids=1", "--lease", "runs=1")
    assert done.returncode == 2 and b"pids=1: takes 8-4096" in done.stderr
    done = airlock.run("rerun", one)
    assert done.returncode == 4 and b"no person is there to ask" in done.stdout + done.stderr
    done, lines = airlock.json("rerun", one, "nosuch", "--json", "--lease", "runs=1")
    assert done.returncode == 3 and "no session" in json.dumps(lines)


def test_rerun_brings_arguments_and_stops_at_a_damaged_record(airlock):
    file = airlock.home / "a.sh"
    file.write_text('echo "$# $1|$2"\n')
    done = airlock.run("exec", "--lease", "runs=1", str(file), "two words", "")
    assert done.stdout == b"2 two words|\n"
    ident = airlock.json("sessions", "--json")[1][0]["id"]
    done = airlock.run("rerun", ident, "--lease", "runs=1")
    assert done.returncode == 0 and b"identical" in done.stdout
    change(airlock.home / "data/airlock/sessions" / (ident + ".db"), ("UPDATE payload SET json = replace(json, 'two words', 'bad words')",))
    done = airlock.run("rerun", ident, "--lease", "runs=1")
    assert done.returncode == 5 and done.stdout == b"" and b"is not whole: nothing is run" in done.stderr, done


def test_fork_asks_at_a_terminal(airlock):
    _, one = exec_(airlock, "x = 41; y = [1]")
    count = len(airlock.json("sessions", "--json")[1])
    for answer in ("n\r", "\r", "no\r", "\x04"):
        s = airlock.screen("fork", one, "--plain", rows=40, cols=100)
        s.wait(r"Comes back:[\s\S]*\+ x  int  41[\s\S]*Fork\? \[y/N\] ")
        s.send(answer)
        assert s.ended() == 0
    assert len(airlock.json("sessions", "--json")[1]) == count
    s = airlock.screen("fork", one, "--plain", "-q", rows=40, cols=100)
    s.wait(r"Fork\? \[y/N\] ")
    assert "Comes back" not in s.text()
    s.send("Y\r")
    assert s.ended() == 0
    assert re.search(r"kept: x, y\s+lost: nothing\s+\w{26}: a branch of " + one + ":1", s.text())
    s = airlock.screen("fork", one, rows=30, cols=100)
    s.wait(r"Fork\? \[y/N\] ")
    s.send("y\r")
    s.wait("Tab pane|a task, !code")  # and on in the screen
    s.line("!print(x + 1)")
    s.wait(r"[│┤] 42 +│")
    s.close()
    done, rows = airlock.json("fork", one, "--json")
    assert done.returncode == 0 and [r["type"] for r in rows][0] == "session.created"
    assert len(airlock.json("sessions", "--json")[1]) == count + 3


def test_what_has_nothing_to_fork(airlock):
    _, one = exec_(airlock, "x = 1")
    assert airlock.run("fork", one, "-q").stdout.count(b"\n") == 3
    done = airlock.run("fork", "last")  # the fork itself has run nothing
    assert done.returncode == 3 and b"has run no code yet: there are no variables to begin a fork with" in done.stderr
    airlock.run("exec", "-", input=b"x = 1")  # denied
    done = airlock.run("fork", "last")
    assert done.returncode == 3 and b"run 1: " in done.stderr
    done = airlock.run("fork", one + ":2")
    assert done.returncode == 2 and b"has no run '2'" in done.stderr
    assert airlock.run("sessions", "rename", one, "ä" * 40).returncode == 0
    assert airlock.run("fork", one).returncode == 0
    assert airlock.json("sessions", "--json")[1][0]["name"] == "ä" * 30 + ":1"
