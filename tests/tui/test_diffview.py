"""A comparison on a screen of its own, key by key."""
import os
import re
import signal

import pytest

import bundle as b

LINES = ["line %d" % i for i in range(60)]
FOUND = "the cafe\u0301 opens at 12:00:00 with 31 guests and one dog that barks at each of them for as long as they stay there"


def changed(**at):
    out = list(LINES)
    for i, text in at.items():
        out[int(i[1:])] = text
    return "\n".join(out) + "\n"


@pytest.fixture
def view(airlock):
    """Starts it on two runs of one session, which differ in lines 11 and 41 of their output."""
    ident = b.take(airlock, [b.created(), b.task("t"), *b.whole(1, "one()", changed()), *b.whole(2, "one()", changed(n10=FOUND, n40="other"))])

    def start(*args, rows=24, cols=90, env=None):
        s = airlock.screen("diff", ident + ":1", ident + ":2", *args, rows=rows, cols=cols, env=env)
        s.wait("stdout: differs")
        return s

    start.pair = (ident + ":1", ident + ":2")
    return start


def press(s, keys, what):
    s.send(keys)
    return s.wait(what)


def top(s):
    return int(re.search(r"(\d+)-\d+/\d+", s.screen.display[0]).group(1))


def test_differences_folds_and_columns(view):
    s = view()
    assert re.search(r"\n +11 +-line 10\s*\n +11 \+the caf", s.wait("23 equal lines"))
    press(s, "]", r"2-22/26")
    press(s, "]", r"6-26/26")
    press(s, "]", "no difference below")
    press(s, "[", r"2-22/26")
    press(s, "[", r"no difference above|1-21/26")
    press(s, "s", r"line 10 +\| +11 the caf")
    press(s, "s", r"11 +-line 10")
    press(s, "f", r"\d+-\d+/6\d")
    s.wait_gone("equal lines")
    press(s, "f", "23 equal lines")
    press(s, "?", r"\] \[ differences  / n N search  s columns")
    press(s, "\x0c", "23 equal lines")  # drawn anew
    s.send("w")
    s.settle(0.2)
    s.send("Q")
    assert s.ended() == 1


def test_moving(view):
    s = view()
    press(s, "f", r" 1-21/6\d")
    for key, first in (("j", 2), ("\x1b[B", 3), ("k", 2), ("\x1b[A", 1), ("k", 1), ("\x04", 11), ("\x15", 1), ("\x1b[6~", 22), ("\x1b[5~", 1)):
        s.send(key)
        s.wait(r" %d-\d+/6\d" % first)
    press(s, "G", r"-(6\d)/\1")
    press(s, "g", r" 1-21/6\d")
    press(s, "]", "the caf")
    press(s, "l", "guests and one dog")
    press(s, "\x1b[C", r"\+(?!the caf)")
    press(s, "h", r"guests and one dog")
    press(s, "h", r"the caf")
    press(s, "\x1b[D", r"the caf")
    s.resize(30, 140)
    s.wait("for as long as they stay there")
    assert top(s) >= 1
    s.send("q")
    assert s.ended() == 1


def test_searching(view):
    s = view()
    press(s, "n", "nothing was searched for yet: /")
    press(s, "/", r"\n/ *$")
    press(s, "othex", r"\n/othex")
    press(s, "\x7f", r"\n/othe *$")
    press(s, "r\r", r"\+other")
    press(s, "n", "not found below")
    press(s, "N", "not found above")
    press(s, "/", r"\n/ *$")
    press(s, "\u20ac\x7f\x7f\x7f", r"\n/ *$")  # a character goes as one, and no more than there are
    press(s, "nowhere\r", "not found below")
    press(s, "/", r"\n/ *$")
    press(s, "line", r"\n/line")
    s.send("\x1b")  # given up
    s.wait_gone(r"\n/line")
    press(s, "n", "nothing was searched for yet: /")
    s.send("\x03")
    assert s.ended() == 1


def test_masks(view):
    s = view()
    s.wait("masks: progress")
    s.wait(r"opens at <time>")
    press(s, "m", r"switch: a \+progress")
    press(s, "\x1b", r"masks: progress")
    press(s, "m", r"switch: a \+progress")
    press(s, "0", "masks: none")
    s.wait(r"opens at 12:00:00")
    press(s, "m", r"a -progress")
    press(s, "a", r"masks: progress\s*\n")
    press(s, "m", "a .progress")
    press(s, "*", r"masks: progress uuid")
    s.wait(r"opens at <time>")
    press(s, "m", "a .progress")
    press(s, "~", r"masks: progress uuid")  # no mask: nothing is switched
    s.send("Q")
    assert s.ended() == 1


@pytest.mark.parametrize("signo", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it(view, signo):
    s = view()
    os.kill(s.pid, signo)
    assert s.ended() == 1


def test_other_terminals(view, airlock):
    s = view("--side-by-side", "--theme", "mono", "--no-color")
    s.wait(r"line 10 +\| +11 the caf")
    assert not re.search(rb"\x1b\[[0-9;]*3[0-7]m", s.raw)
    s.send("q")
    assert s.ended() == 1
    s = view("--side-by-side", env={"LANG": "C", "LC_ALL": "C"})
    s.wait(r"11 line 10 +\| +11 the caf")
    s.send("q")
    assert s.ended() == 1
    s = airlock.screen("diff", *view.pair, "--theme", "nosuch")
    assert s.ended() == 2 and "nosuch" in s.text()
    s = airlock.screen("diff", *view.pair, "--plain")  # coloured lines
    assert s.ended() == 1 and b"\x1b[31m-line 40" in s.raw and b"\x1b[32m+other" in s.raw
    s = airlock.screen("diff", *view.pair, "--plain", env={"NO_COLOR": "1"})
    assert s.ended() == 1 and b"\x1b[" not in s.raw and b"-line 40" in s.raw


def test_sessions_side_by_side(airlock):
    one = b.take(airlock, [b.created(), b.task("t"), *b.whole(1, "one()"), *b.whole(2, "two()")])
    two = b.take(airlock, [b.created(), b.task("t"), *b.whole(1, "one()")])
    s = airlock.screen("diff", one, two)
    s.wait("run 2: only in the first|only in the first")
    s.send("q")
    assert s.ended() == 1
    s = airlock.screen("diff", two, one)
    s.wait("only in the second")
    s.send("q")
    assert s.ended() == 1
    s = airlock.screen("diff", two, two)
    s.wait("code: identical")
    press(s, "]", "no difference below")
    s.send("q")
    assert s.ended() == 0
