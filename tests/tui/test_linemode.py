"""Line by line (`--plain`): the prompt, the gate in words, signals; on a terminal and from a pipe."""
import os
import re
import signal
import subprocess
import time

import pytest

from conftest import BINARY
from hand import at_line_gate as at_gate, events

IDLE, MORE = r"\n> \s*\Z", r"\n… \s*\Z"  # its prompts, and nothing behind them
HIGH = "import shutil; shutil.rmtree('/home')"


@pytest.fixture
def plain(airlock):
    """Starts it on a terminal, behind its first prompt; the gate is armed after 250 ms."""
    (airlock.home / "config/airlock").mkdir(parents=True, mode=0o700)
    config = airlock.home / "config/airlock/config.ini"
    config.write_text("[gate]\narm_ms = 250\n")
    config.chmod(0o600)

    def start(*args):
        s = airlock.screen("--plain", *args, rows=50, cols=100)
        s.wait(r"line by line \(--plain was given\)")
        return s

    return start


def propose(s, code):
    s.line(code)
    at_gate(s)


def until(airlock, kind, texts):
    """What is said is on disk a moment later."""
    end = time.monotonic() + 10
    while [r["text"] for r in events(airlock, kind)] != texts:
        assert time.monotonic() < end, events(airlock, kind)
        time.sleep(0.05)


def decisions(airlock):
    return [(r["decision"], r["by"], r.get("reason", "")) for r in events(airlock, "gate.decided")]


def leave(s):
    s.wait(IDLE)
    s.line(":quit")
    assert s.ended() == 0


def test_every_line_is_answered_and_asked_for_again(airlock, plain):
    s = plain()
    for line, answer in ((":help", "a task, !code"), (":nosuch", "a task, !code"), (":end-lease", ""), ("", ""),
                         (":lease", "no session yet that could have a lease: give a task first"), (":new", "")):
        s.wait(IDLE)
        s.line(line)
        s.wait(re.escape(answer))
        s.wait(IDLE)
    leave(s)
    assert airlock.run("show", "last").returncode != 0  # none of that made a session


def test_a_block_goes_on_until_an_empty_line(airlock, plain):
    s = plain()
    s.line("!def f():")
    s.wait(MORE)
    s.line("    return 6 * 7")
    s.wait(MORE)
    s.send("\r")
    at_gate(s)
    assert re.search(r"1 \| def f\(\):.*\n +2 \|     return 6", s.text())
    s.line("a")
    leave(s)
    assert [r["code"] for r in events(airlock, "run.proposed")] == ["def f():\n    return 6 * 7\n"]


def test_what_the_gate_is_told(airlock, plain):
    s = plain()
    propose(s, "!print(6*7)")
    for line, answer in (("help", "a approve once · d WORDS"), ("", "a approve once"), ("yes", "a approve once"),
                         ("a zz", "not the capsule's first digits. Nothing was decided."), ("l junk", "lease"),
                         ("w", "=== gate: run 1")):
        before = s.text().count(answer)
        s.line(line)
        at_gate(s)
        assert s.text().count(answer) > before or answer in s.text(), line
    assert decisions(airlock) == []
    s.line("d\tnot  now ")
    s.wait("denied")
    propose(s, "!py print('second')")
    s.line("r")
    s.wait(r"out\| second")
    at_gate(s)  # a dry run decides nothing for good
    s.line("a")
    leave(s)
    assert decisions(airlock) == [("deny", "person", "not  now "), ("dry-run", "person", ""), ("approve", "person", "")]


def test_the_code_and_the_expectation_are_edited(airlock, plain):
    """Each edit is a new revision with a gate of its own; what changed nothing leaves the gate as it is."""
    script = airlock.home / "ed"
    script.write_text("#!/bin/sh\nread a </dev/tty\ncase $a in fail) exit 3;; same) ;; *) echo 'print(7*7)' > \"$1\";; esac\n")
    script.chmod(0o755)
    airlock.env["VISUAL"] = str(script)
    s = plain()
    propose(s, "!print(6*7)")
    for words, answer in (("fail", "the editor ended with an error: nothing was changed"), ("same", "nothing was changed: the gate stays")):
        s.line("e")
        s.settle(0.4)
        s.line(words)
        s.wait(answer)
        at_gate(s)
    s.line("E stdot empty")
    s.wait("stdot")
    at_gate(s)
    assert [e["rev"] for e in events(airlock, "run.proposed")] == [1]
    s.line("e")
    s.settle(0.4)
    s.line("change")
    s.wait("    1 . print.7.7.")
    at_gate(s)
    s.line("E  stdout contains 49 ; exit 0")
    s.wait(r"stdout contains 49\s+exit 0")
    at_gate(s)
    s.line("a")
    s.wait(r"out\| 49")
    s.wait("verified")
    leave(s)
    proposed = events(airlock, "run.proposed")
    assert [(e["rev"], e["code"].strip(), e.get("expect", [])) for e in proposed] == [
        (1, "print(6*7)", []), (2, "print(7*7)", []), (3, "print(7*7)", ["stdout contains 49", "exit 0"])]
    assert [e[0] for e in decisions(airlock)] == ["edit", "edit", "approve"]


@pytest.mark.parametrize("confirm", ["high", "hex"])
def test_the_digits_of_the_capsule(airlock, plain, confirm):
    """A HIGH finding asks for them, and gate.confirm = hex always does; a dry run executes the same bytes."""
    assert airlock.run("config", "set", "gate.confirm", confirm).returncode == 0
    s = plain()
    propose(s, "!" + HIGH if confirm == "high" else "!print('ran')")
    digits = re.search(r"capsule ([0-9a-f]{2})", s.text()).group(1)
    wrong = "00" if digits != "00" else "11"
    for line in ("a", "r", "a " + wrong, "a %sx" % digits, "r " + digits[0], "a %s x" % digits):
        said = "are not the capsule's first digits" if line[1:] else "first two hex digits of the capsule"
        before = len(s.raw)
        s.line(line)
        at_gate(s)
        assert re.search(said + ".*Nothing was decided", " ".join(s.raw[before:].decode().split())), line
    assert decisions(airlock) == [] and events(airlock, "run.started") == []
    s.line("r  %s " % digits)
    s.wait(r"run 2: .*")
    at_gate(s)
    s.line("a\t" + re.findall(r"capsule ([0-9a-f]{2})", s.text())[-1])
    leave(s)
    assert [d[0] for d in decisions(airlock)] == ["dry-run", "approve"]
    assert len(events(airlock, "run.started")) == 2


def test_a_lease_at_the_gate_and_at_the_prompt(airlock, plain):
    s = plain()
    propose(s, "!print('one')")
    s.line("l runs=2")
    s.wait(r"out\| one")
    s.line("!print('two')")
    s.wait(r"out\| two")
    propose(s, "!print('three')")  # the lease is used up
    s.line("a")
    s.wait(r"out\| three")
    s.wait(IDLE)
    s.line(":lease runs=zero")
    s.wait("lease")
    s.line(":lease runs=1")
    s.line("!print('four')")
    s.wait(r"out\| four")
    s.wait(IDLE)
    s.line(":lease")
    s.wait(IDLE)
    s.line(":end-lease")
    leave(s)
    assert [d[1] for d in decisions(airlock)] == ["lease", "lease", "person", "lease"]


def test_what_was_typed_before_the_gate_is_no_answer(airlock, plain):
    assert airlock.run("config", "set", "gate.arm_ms", "10000").returncode == 0
    s = plain()
    s.line("!print(1)")
    s.wait(r"gate> \s*\Z")
    for line in ("a", "d no"):
        before = s.text().count("discarded")
        s.line(line)
        s.wait(r"(?s)(discarded.*){%d}gate> \s*\Z" % (before + 1))
    assert decisions(airlock) == []
    s.send("\x03")
    s.wait("denied")
    leave(s)
    assert decisions(airlock) == [("deny", "person", "")]


def test_end_of_input_is_no_person(airlock, plain):
    s = plain()
    propose(s, "!print(1)")
    s.send("\x04")
    assert s.ended() == 0
    assert decisions(airlock) == [("deny", "person", "the terminal's input ended")]
    assert events(airlock, "run.started") == []
    s = plain()
    s.send("\x04")
    assert s.ended() == 0


def test_interrupts(airlock, plain):
    s = plain()
    propose(s, "!print(1)")
    s.send("\x03")  # at the gate: denied
    s.wait("denied")
    s.wait(IDLE)
    propose(s, "!import time; print('on'); time.sleep(60)")
    s.line("a")
    s.wait(r"out\| on")
    s.send("\x03")  # under way: interrupted, the session goes on
    s.wait("interrupted|KeyboardInterrupt")
    s.wait(IDLE)
    s.line("!if 1:")
    s.wait(MORE)
    s.send("\x03")  # at the prompt: the block is dropped
    s.wait(r"\^C\s*\n> \s*\Z")
    s.line(":help")
    s.wait("a task, !code")
    s.wait(IDLE)
    s.send("\x03")
    s.wait(r"\^C\s*\n> \s*\Z")
    s.send("\x03")
    s.wait(r"\^C\s*\n> \^C\s*\n> \s*\Z")
    s.send("\x03")  # the third in a row
    assert s.ended() == 130
    assert [d[0] for d in decisions(airlock)] == ["deny", "approve"]
    assert [r["end"] for r in events(airlock, "run.finished")][-1] in ("interrupted", "exit")


@pytest.mark.parametrize("signo", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_ends_it_at_the_first_prompt(plain, signo):
    s = plain()
    s.wait(IDLE)
    os.kill(s.pid, signo)
    assert s.ended() == 130


def test_sigterm_ends_it_with_a_gate_open_and_nothing_ran(airlock, plain):
    s = plain()
    propose(s, "!print(1)")
    s.send("\x03")
    s.wait("denied")
    propose(s, "!print(2)")
    os.kill(s.pid, signal.SIGTERM)
    assert s.ended() == 130
    assert events(airlock, "run.started") == []
    resumed = airlock.run("show", "last")
    assert resumed.returncode == 0


def test_tasks_runbooks_and_a_new_session(airlock, plain):
    book = airlock.home / "book.md"
    book.write_text("# Two\n\n## One\n\n```python\nprint('from the book')\n```\n")
    s = plain("-p", "human")
    s.wait(IDLE)
    s.line("count the rows")
    s.wait(IDLE)
    s.line("and the columns")
    s.wait(IDLE)
    until(airlock, "task.given", ["count the rows"])
    until(airlock, "note", ["and the columns"])
    s.line(":new another thing")
    s.wait(IDLE)
    until(airlock, "task.given", ["another thing"])
    s.line(":runbook " + str(book))
    at_gate(s)
    s.line("a")
    s.wait(r"out\| from the book")
    s.wait(IDLE)
    s.line(":runbook /nosuch.md")
    s.wait("/nosuch.md")
    s.line("!print('after the book')")  # the planner is done: a session of the person's own
    at_gate(s)
    s.line("a")
    s.wait(r"out\| after the book")
    leave(s)
    done, rows = airlock.json("sessions", "--json")
    assert len(rows) >= 3


def test_a_task_on_the_command_line_and_an_unknown_planner(airlock, plain):
    s = plain("do", "this")
    s.wait(IDLE)
    until(airlock, "task.given", ["do this"])
    leave(s)
    s = airlock.screen("--plain", "-p", "nosuch", rows=50, cols=100)
    s.wait("'nosuch'")
    assert s.ended() == 2


def test_resumed_line_by_line(airlock, plain):
    s = plain()
    propose(s, "!x = 41; print('set')")
    s.line("a")
    s.wait(r"out\| set")
    leave(s)
    s = airlock.screen("resume", "last", "--plain", rows=50, cols=100)
    s.wait(IDLE)
    propose(s, "!print(x + 1)")
    s.line("a")
    s.wait(r"out\| 42")
    leave(s)


def test_from_a_pipe_each_line_runs_before_the_next(airlock):
    done = airlock.run("--plain", "--lease", "runs=9", input=b"!x = 20\n\n!py for i in range(2):\n    x += i\n   \n!print('x', x)\n"
                       b"!sh for w in a b; do\necho word $w\ndone")
    assert done.returncode == 0, done.stderr
    out = done.stdout.decode()
    assert "out| x 21" in out and "out| word a" in out and "out| word b" in out
    assert [d[1] for d in decisions(airlock)] == ["lease"] * 4


def test_from_a_pipe_quit_ends_it_and_nobody_is_asked(airlock):
    done = airlock.run("--plain", input=b"!print(1)\n:quit\n!print(2)\n")
    assert done.returncode == 0
    assert b"no person is there to ask" in done.stdout and b"line by line" not in done.stdout
    assert len(events(airlock, "run.proposed")) == 1


@pytest.mark.parametrize("signo", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
@pytest.mark.parametrize("typed", [b"", b"!print('ready')\n"])
def test_a_signal_ends_it_while_the_pipe_is_silent(airlock, signo, typed):
    p = subprocess.Popen([BINARY, "--plain", "--lease", "runs=9"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                         env=airlock.env, cwd=airlock.home)
    try:
        p.stdin.write(typed)
        p.stdin.flush()
        while typed and b"out| ready" not in p.stdout.readline():
            pass
        end = time.monotonic() + 10
        while not watches(p.pid):
            assert time.monotonic() < end
        for _ in range(3 if signo == signal.SIGINT and typed else 1):  # the first may still find the run
            p.send_signal(signo)
            try:
                p.wait(0.5)
                break
            except subprocess.TimeoutExpired:
                pass
        assert p.wait(10) == 130
    finally:
        p.kill()
        p.communicate()


def watches(pid):
    """It looks after these signals by itself; while it forks, all are blocked for a moment."""
    with open("/proc/%d/status" % pid) as f:
        mask = int(re.search(r"SigBlk:\s*(\w+)", f.read()).group(1), 16)
    return mask >> (signal.SIGTERM - 1) & 1 and not mask >> (signal.SIGUSR1 - 1) & 1


def test_files_and_lines_without_an_end(airlock):
    (airlock.home / "in").write_bytes(b"!print('a')\n!print('b')")
    with open(airlock.home / "in", "rb") as f:
        done = subprocess.run([BINARY, "--plain", "--lease", "runs=9"], stdin=f, capture_output=True, env=airlock.env, timeout=60)
    assert done.returncode == 0 and b"out| a" in done.stdout and b"out| b" in done.stdout
    done = airlock.run("--plain", input=b"x" * (3 << 20))
    assert done.returncode == 6 and b"longer than 2 MiB" in done.stderr
    assert airlock.run("--plain").returncode == 0  # /dev/null
