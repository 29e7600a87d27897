"""faults.py - each system call of a scenario fails in turn, in each of the ways in which disks, tables of descriptors and locks fail.
Airlock ends by itself and says why, or goes on and does everything; what it acknowledged is there; what it could not record first
was not done. [AUD-4, APR-11, threats §4]"""
import errno
import sys

import harness
from harness import QUICK, ask_end, ask_leftovers, ask_record, ask_twice, count_line, run_cases, spread, world
from kill import GOES_ON, LEASE, SCENARIOS, start

# name: which calls (harness: SHIM_OPS), what they do, with which error, and every one after it?
FAULTS = {
    "ENOSPC once": ("wsn", "fail", errno.ENOSPC, 0),
    "ENOSPC for ever": ("wsn", "fail", errno.ENOSPC, 1),
    "EDQUOT for ever": ("wn", "fail", errno.EDQUOT, 1),
    "EIO once": ("wsnr", "fail", errno.EIO, 0),
    "EIO for ever": ("wsnr", "fail", errno.EIO, 1),
    "EROFS for ever": ("wn", "fail", errno.EROFS, 1),
    "EMFILE once": ("f", "fail", errno.EMFILE, 0),
    "EMFILE for ever": ("f", "fail", errno.EMFILE, 1),
    "EINTR": ("i", "fail", errno.EINTR, 0),
    "short once": ("wr", "short", 0, 0),
    "short for ever": ("wr", "short", 0, 1),
    "busy once": ("l", "fail", errno.EAGAIN, 0),
    "busy for ever": ("l", "fail", errno.EAGAIN, 1),
}
# The same of the launcher, which starts every process for it and has to say what it can't.
OF_LAUNCHER = {
    "launcher: EMFILE once": ("f", "fail", errno.EMFILE, 0),
    "launcher: EMFILE for ever": ("f", "fail", errno.EMFILE, 1),
    "launcher: EIO once": ("wx", "fail", errno.EIO, 0),
    "launcher: EINTR": ("i", "fail", errno.EINTR, 0),
    "launcher: short once": ("wx", "short", 0, 0),
}
EVERY = {**FAULTS, **OF_LAUNCHER}
HEARD = {"run": ["one", "two", "two again", "three", "four"], "exec": ["one"]}
MANY = {"run": 40, "exec": 20, "resume": 30, "rerun": 20}


def ask_told(name, r, problems):
    """It ended by itself; when that was not well, it said why, in words that begin with its name."""
    if r.status < 0 or r.status == 134:
        problems.append("DIED of signal %d: %s" % (-r.status, r.err[-300:]))
    told = b"airlock: " in r.err or any(word in r.out for word in (b'"message"', b'"reason"', b'"error"'))
    if r.status != 0 and not told:
        problems.append("exit %d without a word: %s" % (r.status, r.err[-200:]))
    if b"bug" in r.err:
        problems.append("called a bug: %s" % r.err[-300:])
    if r.status == 0 and name in HEARD and sorted(r.marks) != sorted(HEARD[name]):
        problems.append("exit 0, but ran %s: %s" % (r.marks, r.err[-200:]))


def ask_printed(name, r, w, problems):
    """Exit 0 means that everything was printed, too."""
    if r.status == 0 and name in HEARD:
        last = w.run("show", "--json", "last").lines()
        finished = [e for e in last if e["type"] in ("session.finished", "run.finished")]
        if finished and finished[-1] not in r.lines():
            problems.append("exit 0, but what was printed is cut short")


def who_of(fault):
    return "launcher" if fault in OF_LAUNCHER else "self"


def fault_case(name, fault, at):
    w = world()
    ops, do, number, for_ever = EVERY[fault]
    shim = {"ops": ops, "do": do, "errno": number, "at": at, "who": who_of(fault)}
    if for_ever:
        shim["for_ever"] = 1
    r, acked, marks = start(w, name, shim=shim)
    problems = []
    ask_end(r, problems)
    ask_told(name, r, problems)
    ask_printed(name, r, w, problems)
    ask_record(w, acked, marks, problems)
    if name in GOES_ON:
        again = w.run("resume", "last", "--plain", stdin=LEASE)
        ask_end(again, problems)
        marks += again.marks
        if again.status != 0 and acked:
            problems.append("resume: exit %s: %s" % (again.status, again.err[-300:]))
        ask_record(w, acked, marks, problems)
        w.run("sessions", "tag", "{id}", "later")  # the next writer tidies up, in the session that was there, too
    else:
        w.run("import", "{home}/out.jsonl") if name == "import" else w.run("sessions", "undelete", "{id}")
        again = w.run("sessions", "tag", "{id}", "later")  # the next writer tidies up
        if again.status != 0:
            problems.append("a writer afterwards: exit %s: %s" % (again.status, again.err[-300:]))
    twice = ask_twice(marks, 2 if name == "rerun" else 1, problems)
    ask_leftovers(w, problems)
    return "%s: %s from call %d (%s)" % (name, fault, at, r.what or "none"), problems, {
        "calls failed": int(r.fired > 0), "acknowledged events": len(acked), "double executions": twice,
        "ended well all the same": int(r.fired > 0 and r.status == 0),
        "cases that lost an acknowledged event": sum("LOST" in p for p in problems)}


def measure(w):
    sizes = {}
    for ops, who in {(EVERY[f][0], who_of(f)) for f in EVERY}:
        for name in SCENARIOS if who == "self" else ("exec",):
            sizes[name, ops, who] = start(w, name, shim={"ops": ops, "who": who})[0].calls
    return sizes


def jobs(sizes):
    for fault, (ops, *_) in FAULTS.items():
        if QUICK and fault == "busy for ever":
            continue
        for name in SCENARIOS if not QUICK else ("resume", "archive"):
            many = 3 if fault == "busy for ever" else MANY.get(name, 10)  # SQLite takes 10 s until it believes it
            for at in spread(sizes[name, ops, "self"], 1 if QUICK else many):
                yield fault_case, (name, fault, at)
    for fault, (ops, *_) in OF_LAUNCHER.items():
        for at in spread(sizes["exec", ops, "launcher"], 3 if QUICK else 60):
            yield fault_case, ("exec", fault, at)


def main():
    if not harness.can_run():
        return 0
    w = harness.World()
    try:
        sizes = measure(w)
    finally:
        w.close()
    sums, failed = run_cases(list(jobs(sizes)))
    for what in ("calls failed", "ended well all the same", "acknowledged events", "cases that lost an acknowledged event",
                 "double executions"):
        count_line(sums.get(what, 0), what)
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
