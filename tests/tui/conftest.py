"""What the whole-program tests share: the binary in a home of its own, on a pipe or on a terminal with a screen model."""
import base64
import fcntl
import gzip
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import threading
import time

import pyte
import pytest

BINARY = os.environ.get("AIRLOCK", os.path.join(os.getcwd(), "build/airlock"))


class Model(pyte.Screen):
    """pyte's screen, and what it lacks of what ncurses uses: scrolling by n lines, repeating a character."""

    def scroll_up(self, count=1):
        self._scroll(count or 1, down=False)

    def scroll_down(self, count=1):
        self._scroll(count or 1, down=True)

    def _scroll(self, count, down):
        top, bottom = self.margins or (0, self.lines - 1)
        x, y = self.cursor.x, self.cursor.y
        for _ in range(count):
            self.cursor.y = top if down else bottom
            self.reverse_index() if down else self.index()
        self.cursor.x, self.cursor.y = x, y

    def repeat(self, count=1):
        self.draw(self.last * (count or 1))

    def draw(self, data):
        self.last = data[-1:]
        super().draw(data)


class Stream(pyte.ByteStream):
    csi = {**pyte.ByteStream.csi, "S": "scroll_up", "T": "scroll_down", "b": "repeat"}
    events = pyte.ByteStream.events | {"scroll_up", "scroll_down", "repeat"}


class Screen:
    """The program on a pty; what it draws is kept by a VT emulator. Waits are for states, never for durations."""

    def __init__(self, argv, env, rows=24, cols=80):
        self.screen = Model(cols, rows)
        self.stream = Stream(self.screen)
        self.raw = b""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            try:
                os.execvpe(argv[0], argv, env)
            finally:
                os._exit(127)  # the copy of the test runner must never go on
        self.resize(rows, cols)

    def resize(self, rows, cols):
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))
        self.screen.resize(rows, cols)

    def pump(self, timeout=0.05):
        ready, _, _ = select.select([self.fd], [], [], timeout)
        if not ready:
            return False
        try:
            data = os.read(self.fd, 65536)
        except OSError:
            return False
        self.raw += data
        self.stream.feed(data)
        return bool(data)

    def text(self):
        return "\n".join(self.screen.display)

    def wait(self, what, timeout=20):
        """Until `what` (a regular expression) is on the screen."""
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            if re.search(what, self.text()):
                return self.text()
            self.pump()
        raise AssertionError("not on the screen: %r\n%s" % (what, self.text()))

    def wait_gone(self, what, timeout=20):
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            if not re.search(what, self.text()):
                return
            self.pump()
        raise AssertionError("still on the screen: %r\n%s" % (what, self.text()))

    def until(self, holds, timeout=20):
        """Until holds() is true: of what is not words on the screen."""
        end = time.monotonic() + timeout
        while not holds():
            assert time.monotonic() < end, self.text()
            self.pump()

    def settle(self, quiet=0.3, timeout=10):
        """Until nothing has been written for `quiet` seconds."""
        end = time.monotonic() + timeout
        last = time.monotonic()
        while time.monotonic() < end and time.monotonic() - last < quiet:
            if self.pump(0.02):
                last = time.monotonic()

    def send(self, keys):
        os.write(self.fd, keys if isinstance(keys, bytes) else keys.encode())

    def type(self, keys):
        """One key press after the other, as fingers do."""
        for key in keys:
            self.send(key)
            time.sleep(0.012)
            self.pump(0)

    def line(self, text):
        """At the prompt, where each key is seen: faster than that, on a busy machine, is a paste."""
        for key in text:
            self.send(key)
            self.pump(0.3)
            time.sleep(0.012)
        self.send("\r")

    def ended(self, timeout=10):
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            self.pump(0.02)
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.pid = None
                while self.pump(0.05):  # what it wrote last
                    pass
                return os.waitstatus_to_exitcode(status)
        raise AssertionError("still running\n" + self.text())

    def close(self):
        if self.pid:
            try:
                os.kill(self.pid, signal.SIGKILL)
                os.waitpid(self.pid, 0)
            except (OSError, ChildProcessError):
                pass
        try:
            os.close(self.fd)
        except OSError:
            pass


class Airlock:
    def __init__(self, home):
        self.home = home
        self.env = {
            "HOME": str(home), "PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8",
            "TERM": "xterm-256color", "XDG_DATA_HOME": str(home / "data"), "XDG_CONFIG_HOME": str(home / "config"),
            "XDG_STATE_HOME": str(home / "state"), "XDG_RUNTIME_DIR": str(home / "run"),
        }
        for key in ("ASAN_OPTIONS", "UBSAN_OPTIONS"):
            if key in os.environ:
                self.env[key] = os.environ[key]
        self.screens = []

    def run(self, *args, input=None, env=None, timeout=60, cwd=None):
        return subprocess.run([BINARY, *args], input=input, capture_output=True, timeout=timeout, cwd=cwd or self.home,
                              env={**self.env, **(env or {})},
                              **({} if input is not None else {"stdin": subprocess.DEVNULL}))

    def json(self, *args, **kw):
        done = self.run(*args, **kw)
        return done, [json.loads(line) for line in done.stdout.decode().splitlines()]

    def record(self, which="last"):
        """Its events. What is no decision is on disk a moment later: read until nothing is added."""
        before, now = None, self.json("show", "--json", which)[1]
        while before != now:
            time.sleep(0.15)
            before, now = now, self.json("show", "--json", which)[1]
        return now

    def screen(self, *args, rows=24, cols=80, env=None):
        s = Screen([BINARY, *args], {**self.env, **(env or {})}, rows, cols)
        self.screens.append(s)
        return s


CANARY = b"sk-ant-test-0123456789"  # the key that every test with a planner gives in the environment


def forms(key):
    """The key as it may stand in a file: itself, and as hexadecimal or base64 of it alone or behind one or two bytes."""
    out = [key, key.hex().encode(), key.hex().upper().encode()]
    for skip in range(3):
        text = base64.b64encode(b"\0" * skip + key)
        out.append(text[(8 * skip + 5) // 6 : len(text) // 4 * 4 - 4])
    return out


def holds_canary(data):
    return any(form in data for form in forms(CANARY))


def find_canary(home):
    """After every test, whatever it was: no file of the program's holds the key, and no core was written. [SEC-4, SEC-6]"""
    for folder, _, names in os.walk(home):
        for name in names:
            path = os.path.join(folder, name)
            if os.path.isfile(path) and not os.path.islink(path):
                assert not re.fullmatch(r"core(\.\d+)?", name), path
                with open(path, "rb") as f:
                    data = f.read()
                if name.endswith(".gz"):
                    data += gzip.decompress(data)
                assert not holds_canary(data), path


class Watch(threading.Thread):
    """What any process could see of the test's children while they run: arguments, environment, limits."""

    def __init__(self):
        super().__init__(daemon=True)
        self.over = threading.Event()
        self.by_hand = False  # a test gives it as an argument itself, as a person might
        self.seen, self.found, self.late = set(), [], {}

    def children(self, pid):
        try:
            for task in os.listdir("/proc/%d/task" % pid):
                with open("/proc/%d/task/%s/children" % (pid, task)) as f:
                    for child in map(int, f.read().split()):
                        yield child
                        yield from self.children(child)
        except OSError:
            return

    def look(self, pid):
        def read(what):
            try:
                with open("/proc/%d/%s" % (pid, what), "rb") as f:
                    return f.read()
            except OSError:
                return b""

        self.seen.add(pid)
        if not self.by_hand and holds_canary(read("cmdline")):
            self.found.append("the arguments of %d: %r" % (pid, read("cmdline")))
        # The program itself was given it there, and wipes it first thing in main().
        if not holds_canary(read("environ")):
            self.late.pop(pid, None)
        elif time.monotonic() - self.late.setdefault(pid, time.monotonic()) > 1 and os.readlink(
                "/proc/%d/exe" % pid) != sys.executable:
            self.found.append("the environment of %d: %r" % (pid, read("cmdline")))

    def run(self):
        while not self.over.wait(0.1):
            for pid in self.children(os.getpid()):
                try:
                    self.look(pid)
                except OSError:
                    pass

    def end(self):
        self.over.set()
        self.join()
        assert self.found == []


@pytest.fixture
def airlock(tmp_path):
    a = Airlock(tmp_path)
    (tmp_path / "run").mkdir(mode=0o700)
    watch = Watch()
    watch.start()
    a.watch = watch
    yield a
    for s in a.screens:
        s.close()
    watch.end()
    find_canary(tmp_path)
