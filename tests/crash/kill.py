"""kill.py - Airlock, and in turn its launcher, killed at each system call that changes something: what was acknowledged is there,
what ran had been recorded first, nothing runs twice after a resume, nothing is left behind. [AUD-1, AUD-3, threats §4]"""
import os
import random
import signal
import sys
import time

import harness
from harness import QUICK, ask_end, ask_leftovers, ask_record, ask_twice, children_of, count_line, run_cases, spread, words_of, world

RUN = ["run", "--json", "-c", "files.mount={ear}:ro", "--lease", "runs=9", "-p"]
LEASE = b":lease runs=9\n"
OPS = {"self": "wsnx", "launcher": "wsnxf"}
EXEC = b'with open("EAR", "w") as f: f.write("one\\n")\nfor i in range(40): print("x" * 8000)\n'

# name: what was there before, the command, what it reads. 
SCENARIOS = {
    "run": (None, RUN + ["runbook:{book}"], b""),
    "exec": (None, ["exec", "--json", "-c", "files.mount={ear}:ro", "--lease", "runs=1", "-"], EXEC),
    "resume": ("killed", ["resume", "last", "--plain"], LEASE),
    "rerun": ("done", ["rerun", "last", "--json", "--lease", "runs=9"], b""),
    "fork": ("done", ["fork", "last:1", "--plain"], b"!py n += 1\n:quit\n"),
    "rename": ("done", ["sessions", "rename", "last", "a new name"], b""),
    "tag": ("done", ["sessions", "tag", "last", "one", "two"], b""),
    "rm": ("done", ["sessions", "rm", "last"], b""),
    "undelete": ("trashed", ["sessions", "undelete", "{id}"], b""),
    "archive": ("done", ["sessions", "archive", "last"], b""),
    "unarchive": ("archived", ["sessions", "unarchive", "last"], b""),
    "export": ("done", ["export", "last", "--format", "jsonl", "-o", "{home}/out.jsonl", "--force"], b""),
    "import": ("exported", ["import", "{home}/out.jsonl"], b""),
}
GOES_ON = ("run", "exec", "resume", "rerun", "fork")  # afterwards the session is resumed, under a lease


def make_before(w):
    """Homes in the states that scenarios begin from, made by the program itself."""
    def step(*args, **kw):
        r = w.run(*args, **kw)
        assert r.status == 0, (args, r.status, r.err)
        return r
    w.reset()
    done = step(*RUN, "runbook:{small}", shim={"ops": "wsnx"})
    w.id = done.lines()[0]["session"]
    w.keep("done", done.marks)
    step("export", "last", "--format", "jsonl", "-o", "{home}/out.jsonl")
    w.keep("exported", done.marks)
    step("sessions", "archive", "last")
    w.keep("archived", done.marks)
    w.reset("done")
    step("sessions", "rm", "last")
    w.keep("trashed", done.marks)
    done_id = w.id
    w.reset()
    r = w.run(*RUN, "runbook:{small}", shim={"ops": "wsnx", "at": done.calls * 2 // 3, "do": "kill"})
    assert r.status == -9 and r.marks, (r.status, r.marks)
    w.id = r.lines()[0]["session"]
    w.keep("killed", r.marks)
    w.id = done_id


def start(w, name, before_run=lambda: None, **how):
    """Run a scenario. Returns how it went, what had been acknowledged and heard before and during."""
    before, argv, stdin = SCENARIOS[name]
    if not w.kept:
        make_before(w)
    acked, marks = w.reset(before)
    before_run()
    r = w.run(*argv, stdin=stdin.replace(b"EAR", w.ear.encode()), **how)
    return r, acked + (r.lines() if "--json" in argv else []), marks + r.marks


def examine(w, name, r, acked, marks):
    problems = []
    ask_end(r, problems)
    ask_record(w, acked, marks, problems)
    if name in GOES_ON:
        again = w.run("resume", "last", "--plain", stdin=LEASE)
        ask_end(again, problems)
        marks += again.marks
        if again.status != 0 and acked:
            problems.append("resume: exit %s: %s" % (again.status, again.err[-300:]))
    elif name == "import":
        again = w.run("import", "{home}/out.jsonl")  # clears what was left of the one that died
        if again.status != 0:
            problems.append("import again: exit %s: %s" % (again.status, again.err[-300:]))
    else:
        w.run("sessions", "undelete", "{id}")
        again = w.run("sessions", "tag", "{id}", "later")  # a writer
        if again.status != 0:
            problems.append("tag: exit %s: %s" % (again.status, again.err[-300:]))
    ask_record(w, acked, marks, problems)
    twice = ask_twice(marks, 2 if name == "rerun" else 1, problems)
    ask_leftovers(w, problems)
    return problems, {"acknowledged events": len(acked), "executions heard": len(marks), "double executions": twice,
                      "cases that lost an acknowledged event": sum("LOST" in p for p in problems)}


def kill_case(name, who, how, at):
    w = world()
    r, acked, marks = start(w, name, shim={"ops": OPS[who], "at": at, "do": how, "who": who})
    problems, figures = examine(w, name, r, acked, marks)
    if r.fired:
        figures["kill points"] = 1
    return "%s: %s %s at call %d (%s)" % (name, who, how, at, r.what or "its end"), problems, figures


def control_case():
    """The questions can be answered with no: an event that was never written, an execution too many."""
    w = world()
    make_before(w)
    acked, marks = w.reset("done")
    forged = {**acked[-1], "seq": acked[-1]["seq"] + 1}
    problems = []
    ask_record(w, acked + [forged], marks + ["one"], problems)
    ask_twice(marks + ["one"], 1, problems)
    missed = [word for word in ("LOST", "RAN UNRECORDED", "RAN TWICE") if not any(word in p for p in problems)]
    return "control: what is wrong is seen", ["not seen: %s" % missed] if missed else [], {}


def random_case(name, number, seconds):
    w = world()
    r, acked, marks = start(w, name, kill_after=seconds)
    problems, figures = examine(w, name, r, acked, marks)
    figures["random kills"] = int(r.status == -9)
    return "%s: kill -9 after %.0f ms (%d)" % (name, seconds * 1000, number), problems, figures


def is_asleep(pid):
    """bubblewrap's child before it became the guest."""
    return words_of(pid).endswith("bwrap --args 3 -- /sbx/guest")


def wait_until(what, seconds=20):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = what()
        if found:
            return found
    return None


def reap():
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def asleep_case(number, micros, both):
    """The launcher is killed so long after it started bubblewrap, alone or with Airlock: what bubblewrap then leaves asleep is
    ended by Airlock, or else by the next one."""
    w, problems = world(), []
    w.reset()
    child = w.start("exec", "--lease", "runs=1", "-", stdin=b"print(1)\n")
    launcher = wait_until(lambda: (children_of(child.pid) or [0])[0])
    seen = launcher and wait_until(lambda: any("bwrap" in words_of(p) for p in children_of(launcher)) or child.poll() is not None)
    end = time.monotonic() + micros / 1e6
    while time.monotonic() < end:
        pass
    for pid in [launcher] + [child.pid] * both:
        try:
            os.kill(pid, signal.SIGKILL)
        except (ProcessLookupError, TypeError):
            pass
    child.wait()
    if both:
        time.sleep(0.05)  # what dies by itself has died then
        reap()
    slept = sum(is_asleep(p) for p in children_of(os.getpid()))
    if both:
        w.start("exec", "--lease", "runs=1", "-", stdin=b"print(2)\n").wait()
    if not seen or not wait_until(lambda: reap() or not children_of(os.getpid()), 10):
        problems.append("LEFT: %s" % [words_of(p) for p in children_of(os.getpid())] if seen else "no bubblewrap was seen")
    w.bury()
    return ("asleep: launcher%s killed %d us after bubblewrap was started (%d)" % (" and self" if both else "", micros, number), problems,
            {"launchers killed while bubblewrap started": 1, "bubblewraps left asleep for a next one to end": slept * both})


def measure(w):
    """How many calls each scenario makes."""
    return {(name, who): start(w, name, shim={"ops": OPS[who], "who": who})[0].calls for name in SCENARIOS for who in OPS}


def jobs(sizes):
    yield control_case, ()
    for (name, who), calls in sizes.items():
        if who == "self":
            for at in spread(calls, 3 if QUICK else 10 ** 6):
                yield kill_case, (name, who, "kill", at)
            for at in spread(calls, 0 if QUICK else 60):
                yield kill_case, (name, who, "half", at)
        elif name in ("run", "resume"):
            for at in spread(calls, 2 if QUICK else 10 ** 6):
                yield kill_case, (name, who, "kill", at)
    for number, micros in enumerate(spread(4000, 2 if QUICK else 60)):
        for both in (False, True):
            yield asleep_case, (number, micros, both)
    pick = random.Random(20261122)
    for number in range(4 if QUICK else 300):
        yield random_case, (pick.choice(("run", "exec", "resume", "rerun")), number, pick.uniform(0.01, 0.3))


def main():
    if not harness.can_run():
        return 0
    w = harness.World()
    try:
        sizes = measure(w)
    finally:
        w.close()
    sums, failed = run_cases(list(jobs(sizes)))
    for what in ("kill points", "random kills", "acknowledged events", "cases that lost an acknowledged event", "executions heard",
                 "double executions", "launchers killed while bubblewrap started", "bubblewraps left asleep for a next one to end"):
        count_line(sums.get(what, 0), what)
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
