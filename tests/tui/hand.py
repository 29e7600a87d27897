"""What tests do at the keyboard of the screen, and at the prompt line by line; and what the record says of it."""
import re


def start(airlock, *args, rows=36, cols=120, **kw):
    s = airlock.screen(*args, rows=rows, cols=cols, **kw)
    s.wait("a task, !code|a message")
    return s


def own(s, *lines):
    """Typed as fingers do, so that it runs unasked."""
    for line in lines:
        s.settle(0.1)
        s.line(line)


def press(s, keys, expected=None):
    """One key after the other, each on its own; then `expected` is on the screen."""
    for key in keys if isinstance(keys, (list, tuple)) else [keys]:
        s.send(key)
        s.settle(0.06)
    if expected:
        s.wait(expected, 8)


def say(s, line, expected):
    """A whole line at once; then `expected` (a regular expression) is on the screen, and was not before."""
    assert not re.search(expected, s.text()), "already there: " + expected
    s.send(line + "\r")
    s.wait(expected, 8)
    s.settle(0.05)


def paste(s, code="!print(6*7)"):
    """Pasted code, which waits at a gate, the prompt focused."""
    s.send("\x1b[200~" + code + "\x1b[201~")
    s.wait(re.escape(code[-8:]))
    s.send("\r")
    s.wait("to decide")


def at_line_gate(s):
    """The gate's own prompt stands there, line by line, and is armed (gate.arm_ms = 250)."""
    s.wait(r"gate( \((HIGH: )?a XX approves\))?> \s*\Z")
    s.settle(0.35)


def events(airlock, kind=None, which="last"):
    """Those of one type, or all, of a session that is there."""
    rows = airlock.record(which)
    assert rows, "no record of " + which
    return [e for e in rows if kind is None or e["type"] == kind]
