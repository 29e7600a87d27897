"""What the crash tests share: the real program in a home of its own with the shim loaded, an ear outside the sandbox that hears
each execution, and the questions asked afterwards. Nothing here imports Airlock: it is judged by its files and its own commands."""
import ctypes
import errno
import json
import multiprocessing
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time

BINARY = os.environ.get("AIRLOCK", os.path.join(os.getcwd(), "build/airlock"))
SHIM = os.path.join(os.path.dirname(BINARY), "tests/crash/shim.so")
QUICK = os.environ.get("TORTURE") == "quick"
PAGE = struct.Struct("=iiQQQ32s")
DEADLINE = 60  # seconds until a program that should have ended counts as hanging

# Each block says its name outside its sandbox, by a pipe that is mounted read-only: an execution that nobody can take back.
BOOK = """# Count

Five runs; one fails on purpose.

## One
```python
with open("%(ear)s", "w") as f: f.write("one\\n")
n = 1
```
## Two
```python
with open("%(ear)s", "w") as f: f.write("two\\n")
print(n / 0)
```
```python
with open("%(ear)s", "w") as f: f.write("two again\\n")
n += 1; print("n is", n); table = list(range(2000))
```
- expect: stdout contains n is 2
## Three
```bash
echo three > %(ear)s; seq 1 20000
```
## Four
```python
with open("%(ear)s", "w") as f: f.write("four\\n")
open("result.txt", "w").write(str(n)); n
```
"""
SMALL = """# Twice

## One
```python
with open("%(ear)s", "w") as f: f.write("one\\n")
n = 1
```
## Two
```python
with open("%(ear)s", "w") as f: f.write("two\\n")
print(n + 1)
```
"""


def be_reaper():
    """What the program leaves behind becomes our child: nothing can hide."""
    ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)


class Result:
    def __init__(self):
        self.status = self.hung = None
        self.out = self.err = b""
        self.calls = self.mallocs = self.fired = 0
        self.what = ""
        self.marks, self.orphans = [], []

    def lines(self):
        """The whole lines of --json output: each was acknowledged."""
        whole = self.out[:self.out.rfind(b"\n") + 1]
        parsed = [json.loads(line) for line in whole.splitlines() if line.startswith(b"{")]
        return [e for e in parsed if "seq" in e]


def children_of(pid):
    try:
        with open("/proc/%d/task/%d/children" % (pid, pid)) as f:
            return [int(n) for n in f.read().split()]
    except OSError:
        return []


def words_of(pid):
    try:
        with open("/proc/%d/cmdline" % pid, "rb") as f:
            return f.read().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return ""


def remove(folder):
    """All of it, also while a program that was killed there still goes."""
    for _ in range(100):
        shutil.rmtree(folder, ignore_errors=True)
        if not os.path.lexists(folder):
            return
        time.sleep(0.05)
    raise OSError("%s can't be removed" % folder)


class World:
    """A home, an ear, a shim."""

    def __init__(self):
        fast = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        self.root = tempfile.mkdtemp(prefix="airlock-crash.", dir=fast)
        self.outside = tempfile.mkdtemp(prefix="airlock-ear.")
        os.chmod(self.outside, 0o755)
        self.ear = os.path.join(self.outside, "ear")
        os.mkfifo(self.ear)
        os.chmod(self.ear, 0o666)
        self.ear_fd = os.open(self.ear, os.O_RDWR | os.O_NONBLOCK)
        self.home = os.path.join(self.root, "home")
        self.page = os.path.join(self.root, "page")
        self.sessions = os.path.join(self.home, "data/airlock/sessions")
        for name, text in (("book.md", BOOK), ("small.md", SMALL)):
            with open(os.path.join(self.outside, name), "w") as f:
                f.write(text % {"ear": self.ear})
        self.kept, self.id = {}, "last"
        self.reset()

    def keep(self, name, marks=()):
        """This home, to begin from again: with what was acknowledged and heard in it."""
        folder = os.path.join(self.root, "kept." + name)
        shutil.copytree(self.home, folder)
        self.kept[name] = (folder, self.run("show", "--json", self.id).lines(), list(marks))

    def reset(self, name=None):
        """An empty home, or one that was kept. Returns what was acknowledged and heard in it."""
        remove(self.home)
        acked, marks = [], []
        if name:
            folder, acked, marks = self.kept[name]
            shutil.copytree(folder, self.home)
        else:
            os.makedirs(os.path.join(self.home, "run"), mode=0o700)
        self.hear()
        return list(acked), list(marks)

    def close(self):
        os.close(self.ear_fd)
        shutil.rmtree(self.root, ignore_errors=True)
        shutil.rmtree(self.outside, ignore_errors=True)

    def hear(self):
        try:
            return os.read(self.ear_fd, 65536).decode().splitlines()
        except BlockingIOError:
            return []

    def env(self, shim):
        h = self.home
        e = {"HOME": h, "PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "LANG": "C.UTF-8", "TERM": "xterm-256color",
             "XDG_DATA_HOME": h + "/data", "XDG_CONFIG_HOME": h + "/config", "XDG_STATE_HOME": h + "/state",
             "XDG_RUNTIME_DIR": h + "/run"}
        if shim is not None:
            e.update({"LD_PRELOAD": SHIM, "SHIM_PAGE": self.page})
            e.update({"SHIM_" + k.upper(): str(v) for k, v in shim.items()})
        return e

    def words(self, *args):
        """`{book}` and `{small}` are runbooks, `{ear}` the folder of the pipe."""
        names = {"book": self.outside + "/book.md", "small": self.outside + "/small.md", "ear": self.outside, "home": self.home, "id": self.id}
        return [BINARY, *[a.format(**names) for a in args]]

    def run(self, *args, stdin=b"", shim=None, kill_after=None):
        r = Result()
        with open(self.page, "wb") as f:
            f.write(bytes(4096))
        paths = [os.path.join(self.root, n) for n in ("in", "out", "err")]
        with open(paths[0], "wb") as f:
            f.write(stdin)
        with open(paths[0], "rb") as i, open(paths[1], "wb") as o, open(paths[2], "wb") as e:
            child = subprocess.Popen(self.words(*args), stdin=i, stdout=o, stderr=e, env=self.env(shim), cwd=self.outside,
                                     start_new_session=True)
        os.write(_pids.fileno(), b"%d\n" % child.pid)
        try:
            r.status = child.wait(timeout=kill_after if kill_after is not None else DEADLINE)
        except subprocess.TimeoutExpired:
            r.hung = kill_after is None
            child.send_signal(signal.SIGKILL)
            r.status = child.wait()
        r.orphans = self.bury()
        with open(paths[1], "rb") as o, open(paths[2], "rb") as e:
            r.out, r.err = o.read(), e.read()
        with open(self.page, "rb") as f:
            _, _, r.calls, r.mallocs, r.fired, what = PAGE.unpack(f.read(PAGE.size))
        r.what = what.rstrip(b"\0").decode()
        r.marks = self.hear()
        return r

    def start(self, *args, stdin=b""):
        """The program, under way. Whoever calls waits for it, and sees to what is left."""
        child = subprocess.Popen(self.words(*args), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                 env=self.env(None), cwd=self.outside, start_new_session=True)
        os.write(_pids.fileno(), b"%d\n" % child.pid)
        child.stdin.write(stdin)
        child.stdin.close()
        return child

    def bury(self):
        """Wait for what outlived the program: the launcher, which kills the sandboxes. Returns whoever is still there then."""
        end = time.monotonic() + 10
        while time.monotonic() < end:
            try:
                pid, _ = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return []
            if pid == 0:
                time.sleep(0.002)
        left = []
        for pid in children_of(os.getpid()):
            left.append(words_of(pid)[:80])
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        return left or ["?"]


# ---- questions

WHOLE = re.compile(r"[0-9a-z]+\.(db|db\.gz|head)$")  # what lies in the folder of sessions when nothing is open


def events_of(w, session, problems):
    done = w.run("show", "--json", session)
    if done.status != 0:
        problems.append("show %s: exit %s: %s" % (session, done.status, done.err[:200]))
    return done.lines()


def ask_record(w, acked, marks, problems):
    """Everything acknowledged is there, the chain is whole, and code that was heard had been approved and started first."""
    verify = w.run("verify", "--all")
    if verify.status != 0:
        problems.append("verify --all: exit %s: %s%s" % (verify.status, verify.out[-300:], verify.err[-300:]))
    listed = w.run("sessions", "--json")
    if listed.status != 0:
        problems.append("sessions: exit %s: %s" % (listed.status, listed.err[:200]))
    ids = {e["session"] for e in acked} | {json.loads(line)["id"] for line in listed.out.splitlines()}
    there = {}
    for session in ids:
        there[session] = {e["seq"]: e for e in events_of(w, session, problems)}
    lost = [e for e in acked if there[e["session"]].get(e["seq"]) != e]
    if lost:
        problems.append("LOST %d acknowledged, the first %s" % (len(lost), json.dumps(lost[0])[:200]))
    every = [e for t in there.values() for e in t.values()]
    labels = [(e["session"], e["label"]) for e in every if e["type"] == "sandbox.creating"]
    if len(labels) > len(set(labels)):
        problems.append("two sandboxes with one label: %s" % sorted(labels))
    started = {(e["session"], e["run"]) for e in every if e["type"] == "run.started"}
    decided = {(e["session"], e["run"]) for e in every if e["type"] == "gate.decided" and e["decision"] == "approve"}
    proposed = {}
    for e in every:
        if e["type"] == "run.proposed":
            for mark in re.findall(r'"(\w[\w ]*)\\n"|echo (\w+) >', e["code"]):
                proposed.setdefault(mark[0] or mark[1], set()).add((e["session"], e["run"]))
    for mark in set(marks):
        runs = proposed.get(mark, set()) & started & decided
        if len(runs) < marks.count(mark):
            problems.append("RAN UNRECORDED: %r heard %d times, %d approved starts" % (mark, marks.count(mark), len(runs)))
    return every


def ask_twice(marks, limit, problems):
    twice = sorted({m for m in marks if marks.count(m) > limit})
    if twice:
        problems.append("RAN TWICE: %s" % twice)
    return len(twice)


def listing(folder):
    return os.listdir(folder) if os.path.isdir(folder) else []


def ask_leftovers(w, problems):
    """A listing an hour later takes away what a killed process left; then only sessions lie there."""
    old = time.time() - 3600
    for name in listing(w.sessions):
        os.utime(os.path.join(w.sessions, name), (old, old))
    if os.path.isdir(w.sessions):
        os.utime(w.sessions, (old, old))
    w.run("sessions")
    left = [n for n in listing(w.sessions) if not WHOLE.match(n)]
    left += [n for n in listing(os.path.dirname(w.sessions)) if n not in ("sessions", "index.db")]
    if left:
        problems.append("left behind: %s" % left)


def ask_end(r, problems):
    if r.hung:
        problems.append("HANGS")
    if r.orphans:
        problems.append("ORPHANS: %s" % r.orphans)


def groups_of_the_dead():
    """Control groups of our Airlocks that are gone; the next sandbox takes them away."""
    left = []
    _pids.seek(0)
    ours = set(_pids.read().split())
    with open("/proc/self/cgroup") as f:
        places = [line.rstrip().split(":", 2)[1:] for line in f]
    for controllers, path in places:
        for mount in {controllers, "unified", ""}:
            for name in listing("/sys/fs/cgroup/%s%s" % (mount, path)):
                m = re.match(r"airlock-(\d+)-", name)
                if m and m.group(1) in ours and not os.path.exists("/proc/" + m.group(1)):
                    left.append(name)
    return left


# ---- many cases, two at a time

_world = None
_pids = tempfile.TemporaryFile("a+", prefix="airlock-crash-pids.")  # of the programs of all worlds


def _begin():
    global _world
    be_reaper()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _world = World()
    multiprocessing.util.Finalize(_world, _world.close, exitpriority=10)


def world():
    return _world


def _guarded(job):
    case, args = job
    try:
        return case(*args)
    except Exception as e:  # a case that can't be asked about has failed
        import traceback
        return "%s %s" % (case.__name__, args), ["%r\n%s" % (e, traceback.format_exc())], {}


def run_cases(jobs):
    """Each job (function, arguments) → (name, problems, figures). Prints TAP; returns the sums of the figures."""
    sums, failed, number = {}, 0, 0
    with multiprocessing.get_context("fork").Pool(2, _begin) as pool:
        for name, problems, figures in pool.imap_unordered(_guarded, jobs, chunksize=4):
            number += 1
            failed += bool(problems)
            print("%sok %d - %s" % ("not " if problems else "", number, name), flush=True)
            for p in problems:
                for line in str(p).splitlines():
                    print("#   " + line, flush=True)
            for key, n in figures.items():
                sums[key] = sums.get(key, 0) + n
        pool.close()
        pool.join()
    if can_run():
        problems = groups_of_the_dead()
        for _ in range(3):  # a number may have come round again meanwhile: for as long as that one lives
            if problems and can_run():
                problems = groups_of_the_dead()
        number += 1
        failed += bool(problems)
        print("%sok %d - control groups of killed processes are taken away%s" % (
            "not " if problems else "", number, "\n#   left: %s" % problems[:9] if problems else ""), flush=True)
    return sums, failed


def spread(count, wanted):
    """`wanted` of the numbers 1…count, evenly, the first and the last among them."""
    if count <= wanted or wanted == 0:
        return list(range(1, min(count, wanted) + 1))
    if wanted == 1:
        return [(count + 1) // 2]
    return sorted({1 + round(i * (count - 1) / (wanted - 1)) for i in range(wanted)})


def count_line(n, what):
    print("# count %d %s" % (n, what), flush=True)


def can_run():
    """Does the sandbox work here at all? A machine without one says so."""
    be_reaper()
    w = World()
    try:
        r = w.run("exec", "--lease", "runs=1", "-c", "files.mount={ear}:ro", "-",
                  stdin=("open(%r, 'w').write('here')" % w.ear).encode())
        if r.marks != ["here"]:
            print("ok 1 - the crash harness # SKIP no local sandbox here: %s" % r.err.decode(errors="replace").strip()[:160])
            return False
        return True
    finally:
        w.close()
