#!/usr/bin/python3
"""Scenarios at the gate of the real program, on a pty: each key in each state, type-ahead around the moment the gate appears,
resize, stop, end of the terminal at each step. The judge is the session's record, read by another process afterwards.

Usage: scenarios.py [quick]. Prints TAP. Each scenario is a process of its own in a home of its own."""
import concurrent.futures
import datetime
import json
import os
import pathlib
import shutil
import signal
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tui"))
from conftest import Airlock, find_canary  # noqa: E402

SIDE_BY_SIDE = 6
SILENCE = 0.5  # what a gate waits for before a key counts

BOOKS = {
    "plain": "print(6 * 7)\n",
    "high": "import shutil\nshutil.rmtree('/home')\n",
    "long": "".join("x%d = %d\n" % (i, i) for i in range(200)),
}


def book(home, kind):
    path = home / (kind + ".md")
    path.write_text("# gate\n\nA task.\n\n## step\n\nPurpose.\n\n```python\n%s```\n" % BOOKS[kind])
    return str(path)


class Gate:
    """The program with one gate, brought to a state by name."""

    def __init__(self, home, kind, wait=True):
        self.airlock = Airlock(home)
        (home / "run").mkdir(mode=0o700, exist_ok=True)
        self.keys = []  # (wall clock, bytes)
        self.s = self.airlock.screen("-p", "runbook:" + book(home, kind))
        if wait:
            self.s.wait(r"Gate . .*capsule")

    def send(self, keys):
        self.keys.append((time.time(), keys))
        self.s.send(keys)

    def type(self, keys, gap=0.015):
        for key in keys:
            self.send(key)
            time.sleep(gap)
            self.s.pump(0)

    def answer(self, word):
        """Each key once the one before was taken: on a busy machine they would arrive together, as a paste does."""
        for i, key in enumerate(word):
            time.sleep(0.02)  # and not faster than fingers
            self.send(key)
            if i + 1 < len(word):
                self.s.wait(r": ?" + word[: i + 1] + r"\s", 5)

    def armed(self):
        """Until the title no longer says that it has not the focus, or is not armed."""
        self.s.wait(r"Gate . .*capsule")
        self.s.wait_gone(r"not armed yet|\^G to decide")

    def press(self, key, shows):
        """Until the gate takes it: a frame may have come in halves, and then it was too early."""
        for _ in range(6):
            self.armed()
            self.send(key)
            try:
                return self.s.wait(shows, 2)
            except AssertionError:
                continue
        return self.s.wait(shows, 1)

    def hex(self):
        text = self.s.text()
        at = text.index("capsule ") + len("capsule ")
        return text[at : at + 2]

    def end(self):
        """Give a decision its 30 ms, then take the terminal away; what was decided is in the record."""
        end = time.monotonic() + 0.12
        while time.monotonic() < end:
            self.s.pump(0.02)
        if self.s.pid:
            os.kill(self.s.pid, signal.SIGCONT)
        os.close(self.s.fd)
        end = time.monotonic() + 20
        while self.s.pid and time.monotonic() < end:
            if os.waitpid(self.s.pid, os.WNOHANG)[0]:
                self.s.pid = None
            time.sleep(0.005)
        if self.s.pid:
            raise AssertionError("it did not end with its terminal")
        return self.airlock.json("show", "last", "--json")[1]


# ---- states: how to get there from an open gate ----
def arming(g):
    pass


def armed(g):
    g.armed()


def hex_asked(g):
    g.press("a", "two hex digits")


def unread_asked(g):
    g.press("a", "type unread")


def left(g):
    g.press("\t", r"\^G to decide")


def draft(g):
    left(g)
    g.send("i")
    g.type("word")
    g.s.wait("word")


def help_open(g):
    g.press("?", "Keys and commands")


def why_open(g):
    g.press("w", "trust the walls")


def denying(g):
    g.press("d", "your words go to the planner")


def expecting(g):
    g.press("E", r"\^G to decide")


def leasing(g):
    g.press("l", "runs=5")


def tiny(g):
    g.armed()
    g.s.resize(9, 39)
    g.s.wait("a gate waits")


STATES = {
    "plain": [arming, armed, left, draft, help_open, why_open, denying, expecting, leasing, tiny],
    "high": [armed, hex_asked],
    "long": [armed, unread_asked],
}

KEYS = {
    "Enter": "\r", "LF": "\n", "Space": " ", "y": "y", "Y": "Y", "A": "A", "1": "1", "n": "n", "q": "q", "^A": "\x01",
    "^D": "\x04", "^M^J": "\r\n", "NUL": "\0", "Alt-a": "\x1ba", "F1": "\x1bOP", "F5": "\x1b[15~", "Up": "\x1b[A",
    "CSI u of a": "\x1b[97u", "paste of a": "\x1b[200~a\x1b[201~", "paste of a and Enter": "\x1b[200~a\r\x1b[201~",
    "open paste": "\x1b[200~a", "five a at once": "aaaaa", "two a at once": "aa", "a and ? at once": "a?", "a and ^L at once": "a\x0c", "unread at once": "aunread",
    "click": "\x1b[<0;5;5M", "wheel": "\x1b[<65;5;5M", "colour report": "\x1b]11;rgb:aaaa/aaaa/aaaa\x07",
    "device report": "\x1b[?62;22c", "DCS": "\x1bPaaa\x1b\\", "APC": "\x1b_aa\x1b\\", "Cyrillic a": "\u0430",
    "broken UTF-8": b"\xff\xe0a", "focus event": "\x1b[I",
}

# ---- what happens to the program between two keys ----


def resize(g):
    g.s.resize(30, 100)


def resize_there_and_back(g):
    g.s.resize(30, 100)
    g.s.resize(24, 80)


def resize_tiny(g):
    g.s.resize(5, 20)


def stop_and_type(g):
    os.kill(g.s.pid, signal.SIGSTOP)
    time.sleep(0.05)
    g.send("a")
    time.sleep(0.6)
    os.kill(g.s.pid, signal.SIGCONT)


def continued(g):
    os.kill(g.s.pid, signal.SIGCONT)
    time.sleep(0.02)


def redraw(g):
    g.send("\x0c")


def terminated(g):
    os.kill(g.s.pid, signal.SIGTERM)


def hung_up(g):
    os.kill(g.s.pid, signal.SIGHUP)


EVENTS = [resize, resize_there_and_back, resize_tiny, stop_and_type, continued, terminated, hung_up]


def decided(events, what):
    return [e for e in events if e["type"] == "gate.decided" and e["decision"] == what]


def approvals(events):
    """By the keys of the gate. (Enter after `l` grants the lease that was asked for: that is `by` lease.)"""
    return [e for e in decided(events, "approve") + decided(events, "dry-run") if e["by"] == "person"]


# ---- scenarios: each returns None, or what went wrong ----
def nothing_approves(g):
    got = approvals(g.end())
    return "approved: %s" % json.dumps(got[0]) if got else None


def approves(g, what="approve"):
    got = decided(g.end(), what)
    return None if len(got) == 1 and got[0]["by"] == "person" else "not approved by these keys"


def state_and_key(kind, state, key):
    def run(home):
        g = Gate(home, kind)
        state(g)
        g.send(key)
        return nothing_approves(g)

    return run


def slow_pieces(kind, state, sequence):
    """A sequence byte by byte, 8 ms apart: still one sequence."""

    def run(home):
        g = Gate(home, kind)
        state(g)
        g.type(sequence, 0.008)
        return nothing_approves(g)

    return run


def state_and_event(kind, state, event, key):
    def run(home):
        g = Gate(home, kind)
        state(g)
        event(g)
        try:
            g.send(key)
        except OSError:
            pass  # it is gone
        return nothing_approves(g)

    return run


def key_and_event(kind, key, event):
    """The key was good; then, before it stood alone, this."""

    def run(home):
        g = Gate(home, kind)
        g.armed()
        g.send(key)
        event(g)
        return nothing_approves(g) if event is not continued else None

    return run


def opened_at(events):
    at = next(e["at"] for e in events if e["type"] == "gate.opened")
    return datetime.datetime.strptime(at, "%Y-%m-%dT%H:%M:%S.%f%z").timestamp()


def type_ahead(kind, key, offset, every):
    """`key` at `offset` after the start (again and again until then, if `every`), whatever is on the screen by then. The gate
    opens somewhere in between; a press less than SILENCE after the record of its opening is never fresh."""

    def run(home):
        g = Gate(home, kind, wait=False)
        began = time.monotonic()
        while every and time.monotonic() - began < offset:
            g.send(key)
            time.sleep(every)
            g.s.pump(0)
        rest = offset - (time.monotonic() - began)
        end = time.monotonic() + max(rest, 0)
        while time.monotonic() < end:
            g.s.pump(0.01)
        g.send(key)
        g.s.wait(r"Gate . .*capsule")
        events = g.end()
        if not approvals(events):
            return None
        last = g.keys[-1][0] - opened_at(events)
        gaps = [b[0] - a[0] for a, b in zip(g.keys, g.keys[1:])] or [last]
        if last < SILENCE or min(last, gaps[-1]) < SILENCE:
            return "approved by a key %.3f s after the gate opened, %.3f s after the one before" % (last, gaps[-1])
        return None

    return run


def person(kind, what, key="a", before=None):
    """As it should be: then it does approve."""

    def run(home):
        g = Gate(home, kind)
        g.armed()
        if before:
            before(g)
            g.s.settle(0.2)
            g.armed()
        g.send(key)
        if kind == "long":
            g.s.wait("type unread")
            g.answer("unread")
        if kind == "high":
            g.s.wait("two hex digits")
            g.answer(g.hex())
        g.s.wait_gone(r"\[a\]|type unread|two hex digits|Gate . .*capsule", 10)
        return approves(g, what)

    return run


def all_scenarios():
    out = []
    for kind, states in STATES.items():
        for state in states:
            for name, key in KEYS.items():
                out.append(("%s, %s: %s" % (kind, state.__name__, name), state_and_key(kind, state, key)))
            for name in ("paste of a and Enter", "colour report", "click"):
                out.append(("%s, %s: %s in pieces" % (kind, state.__name__, name), slow_pieces(kind, state, KEYS[name])))
    for kind, key in (("plain", "a"), ("plain", "r"), ("high", "a"), ("long", "a")):
        for ms in range(0, 2001, 100 if kind != "plain" else 50):
            out.append(("%s: %s %d ms after the start" % (kind, key, ms), type_ahead(kind, key, ms / 1000, 0)))
        for ms in range(0, 2001, 250):
            out.append(("%s: %s held for %d ms from the start" % (kind, key, ms), type_ahead(kind, key, ms / 1000, 0.03)))
    for event in EVENTS:
        for kind, state in (("plain", arming), ("plain", armed), ("high", hex_asked), ("long", unread_asked)):
            if event is continued and state is arming:
                continue
            for key in ("a", "r"):
                if event is continued and state is armed:
                    continue  # within the same 20 ms: which came first is not for us to say
                out.append(("%s, %s, %s, then %s" % (kind, state.__name__, event.__name__, key),
                            state_and_event(kind, state, event, key)))
        for key in ("a", "r"):
            out.append(("plain, armed, %s, at once %s" % (key, event.__name__), key_and_event("plain", key, event)))
    for kind in BOOKS:
        for key, what in (("a", "approve"), ("r", "dry-run")):
            out.append(("%s: a person presses %s" % (kind, key), person(kind, what, key)))
        for before in (resize, redraw, continued):
            out.append(("%s: %s, then a person approves" % (kind, before.__name__), person(kind, "approve", "a", before)))
    return out


def sample(scenarios, count):
    """Some of each kind, the persons included."""
    people = [s for s in scenarios if "person" in s[0]][:3]
    step = max(1, len(scenarios) // count)
    return scenarios[::step][:count] + people


def play(name):
    run = dict(all_scenarios())[name]
    home = pathlib.Path(tempfile.mkdtemp(prefix="airlock-gate-"))
    try:
        wrong = run(home)
        find_canary(home)
    except Exception as e:  # a scenario that could not be played is a failure of it
        wrong = "%s: %s" % (type(e).__name__, str(e)[:80] + "…" + str(e)[-900:])
    finally:
        shutil.rmtree(home, ignore_errors=True)
    return name, wrong


def play_all(scenarios):
    """In processes of their own: a terminal must not be held open by a neighbour's child."""
    with concurrent.futures.ProcessPoolExecutor(SIDE_BY_SIDE) as pool:
        return list(pool.map(play, [name for name, _ in scenarios]))


def main():
    scenarios = all_scenarios()
    if "quick" in sys.argv[1:]:
        scenarios = sample(scenarios, 36)
    bad = 0
    print("1..%d" % len(scenarios))
    for i, (name, wrong) in enumerate(play_all(scenarios)):
        print("%s %d - %s" % ("not ok" if wrong else "ok", i + 1, name))
        if wrong:
            bad += 1
            print("\n".join("# " + line for line in wrong.splitlines()))
    print("# count %d scenarios at the gate of the real program" % len(scenarios))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
