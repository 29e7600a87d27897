"""memory.py - the k-th allocation fails, in turn, in every command: Airlock ends with a word, or goes on and gives the whole answer;
nothing acknowledged is lost, nothing runs that was not recorded, and the terminal is as it was. [threats §4 "OOM torture"]"""
import os
import pty
import select
import signal
import struct
import sys
import termios
import time
import fcntl

import harness
from harness import QUICK, ask_end, ask_leftovers, ask_record, ask_twice, count_line, run_cases, spread, world
from kill import GOES_ON, LEASE, SCENARIOS, make_before, start

# What only reads: what was there before, and the command. When it exits 0 it has to say what it says with enough memory.
READS = {
    "--version": (None, ["--version"]), "--help": (None, ["--help"]), "help man": (None, ["help", "man"]),
    "sessions --json": ("done", ["sessions", "--json"]), "sessions trash": ("trashed", ["sessions", "trash", "--json"]),
    "show": ("done", ["show", "last"]), "show --json": ("done", ["show", "--json", "last"]), "show run": ("done", ["show", "last:2"]),
    "show archived": ("archived", ["show", "--json", "last"]), "verify": ("done", ["verify", "last"]),
    "verify --all": ("done", ["verify", "--all"]), "search": ("done", ["search", "n + 1"]),
    "diff": ("done", ["diff", "last:1", "last:2"]), "tree": ("done", ["tree", "last"]), "stats": ("done", ["stats", "--json"]),
    "cost": ("done", ["cost", "last", "--json"]), "export md": ("done", ["export", "last", "--format", "md"]),
    "export html": ("done", ["export", "last", "--format", "html"]), "export ipynb": ("done", ["export", "last", "--format", "ipynb"]),
    "export jsonl": ("done", ["export", "last", "--format", "jsonl"]), "export cast": ("done", ["export", "last", "--format", "cast"]),
    "replay": ("done", ["replay", "last", "--json", "--speed", "64", "--idle-cap", "0.01"]),
    "frames": ("done", ["replay", "last", "--frames", "-", "--size", "100x30"]),
    "config": (None, ["config", "list"]), "sandboxes": ("done", ["sandboxes", "--json"]),
    "denied": (None, ["exec", "{ear}/../nothing.py"]),
}
ALL = 1 << 62
MANY = {"run": 150, "exec": 60, "resume": 80, "rerun": 60, "screen": 60}


def ask_ended(r, problems):
    ask_end(r, problems)
    if r.status < 0 or r.status == 134:
        problems.append("DIED of signal: exit %d: %s" % (r.status, r.err[-300:]))
    if r.status != 0 and not any(w in r.err + r.out for w in (b"airlock", b'"message"', b'"reason"', b'"error"', b"memory")):
        problems.append("exit %d without a word: %s" % (r.status, r.err[-200:]))
    if b"a bug" in r.err:
        problems.append("called a bug: %s" % r.err[-300:])


def shim_of(at):
    """Every third failure is for ever: memory does not come back at once."""
    return {"malloc": at, "for_ever": 1} if at % 3 == 0 else {"malloc": at}


def read_once(w, name, shim):
    before, argv = READS[name]
    if not w.kept:
        make_before(w)
    w.reset(before)
    return w.run(*argv, shim=shim)


answers = {}


def read_case(name, at):
    w = world()
    if name not in answers:
        answers[name] = read_once(w, name, {"malloc": ALL})
    r, problems = read_once(w, name, shim_of(at)), []
    ask_ended(r, problems)
    if r.fired and r.status == 0 and r.out != answers[name].out:
        problems.append("exit 0 with another answer: %r instead of %r" % (r.out[-150:], answers[name].out[-150:]))
    ask_leftovers(w, problems)
    return "%s: allocation %d" % (name, at), problems, {"failed allocations": int(r.fired > 0), "went on": int(r.status == 0)}


def write_case(name, at):
    w = world()
    r, acked, marks = start(w, name, shim=shim_of(at))
    problems = []
    ask_ended(r, problems)
    ask_record(w, acked, marks, problems)
    if name in GOES_ON:
        again = w.run("resume", "last", "--plain", stdin=LEASE)
        ask_end(again, problems)
        marks += again.marks
        if again.status != 0 and acked:
            problems.append("resume: exit %s: %s" % (again.status, again.err[-300:]))
    else:
        w.run("import", "{home}/out.jsonl") if name == "import" else w.run("sessions", "undelete", "{id}")
        again = w.run("sessions", "tag", "{id}", "later")
        if again.status != 0:
            problems.append("a writer afterwards: exit %s: %s" % (again.status, again.err[-300:]))
    ask_record(w, acked, marks, problems)
    twice = ask_twice(marks, 2 if name == "rerun" else 1, problems)
    ask_leftovers(w, problems)
    return "%s: allocation %d" % (name, at), problems, {
        "failed allocations": int(r.fired > 0), "went on": int(r.status == 0), "double executions": twice,
        "cases that lost an acknowledged event": sum("LOST" in p for p in problems)}


# ---- the screen

def play(w, shim):
    """The program on a terminal of its own: a line of code, its gate, out again. Returns what went wrong, and the page."""
    w.reset()
    with open(w.page, "wb") as f:
        f.write(bytes(4096))
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
    before = termios.tcgetattr(slave)
    pid = os.fork()
    if pid == 0:
        try:
            os.setsid()
            fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
            for fd in range(3):
                os.dup2(slave, fd)
            os.closerange(3, 256)
            os.execve(harness.BINARY, [harness.BINARY], w.env(shim))
        finally:
            os._exit(127)
    seen, status, end = b"", None, time.monotonic() + harness.DEADLINE
    plan = [(b"a task, !code", b"!print(6*7)\r"), (b"exit 0", b"\x1b"), (None, b"Q"), (b"Quit?", b"y")]
    moved = time.monotonic()
    while time.monotonic() < end:
        if select.select([master], [], [], 0.05)[0]:
            try:
                seen += os.read(master, 65536)
            except OSError:
                pass
        if plan and (plan[0][0] is None or plan[0][0] in seen or time.monotonic() > moved + 4):
            time.sleep(0.1 if plan[0][0] is None else 0)
            for key in plan.pop(0)[1]:
                os.write(master, bytes([key]))
                time.sleep(0.012)
            moved = time.monotonic()
        done, raw = os.waitpid(pid, os.WNOHANG)
        if done:
            status = os.waitstatus_to_exitcode(raw)
            break
    problems = []
    if status is None:
        problems.append("HANGS: %r" % seen[-300:])
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    while select.select([master], [], [], 0)[0]:
        seen += os.read(master, 65536)
    if status is not None and termios.tcgetattr(slave) != before:
        problems.append("the terminal's modes are not what they were")
    if status is not None and seen.count(b"\x1b[?1049h") > seen.count(b"\x1b[?1049l"):
        problems.append("the screen was not given back: %r" % seen[-200:])
    if status is not None and (status < 0 or status == 134):
        problems.append("DIED: exit %d: %r" % (status, seen[-300:]))
    if status not in (0, None) and b"memory" not in seen and b"airlock:" not in seen:
        problems.append("exit %d without a word: %r" % (status, seen[-200:]))
    os.close(master)
    os.close(slave)
    problems += ["ORPHANS: %s" % left for left in w.bury()]
    with open(w.page, "rb") as f:
        page = harness.PAGE.unpack(f.read(harness.PAGE.size))
    return status, problems, page


def screen_case(at):
    w = world()
    status, problems, page = play(w, shim_of(at))
    ask_record(w, [], [], problems)
    return "screen: allocation %d" % at, problems, {"failed allocations": int(page[4] > 0), "went on": int(status == 0)}


# ---- which

def jobs(w):
    few = ("show --json", "export html", "search") if QUICK else READS
    for name in few:
        for at in spread(read_once(w, name, {"malloc": ALL}).mallocs, 3 if QUICK else 25):
            yield read_case, (name, at)
    for name in ("run", "archive") if QUICK else SCENARIOS:
        for at in spread(start(w, name, shim={"malloc": ALL})[0].mallocs, 3 if QUICK else MANY.get(name, 30)):
            yield write_case, (name, at)
    for at in spread(play(w, {"malloc": ALL})[2][3], 2 if QUICK else MANY["screen"]):
        yield screen_case, (at,)


def main():
    if not harness.can_run():
        return 0
    w = harness.World()
    try:
        todo = list(jobs(w))
    finally:
        w.close()
    sums, failed = run_cases(todo)
    count_line(len({args[0] if len(args) > 1 else "screen" for _, args in todo}), "commands and scenarios")
    for what in ("failed allocations", "went on", "cases that lost an acknowledged event", "double executions"):
        count_line(sums.get(what, 0), what)
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
