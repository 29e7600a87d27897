"""What the whole-program tests share: the binary in a home of its own, on a pipe or on a terminal with a screen model."""
import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
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
        self.type(text)
        self.send("\r")

    def ended(self, timeout=10):
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            self.pump(0.02)
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.pid = None
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

    def screen(self, *args, rows=24, cols=80, env=None):
        s = Screen([BINARY, *args], {**self.env, **(env or {})}, rows, cols)
        self.screens.append(s)
        return s


CANARY = b"sk-ant-test-0123456789"  # the key that every test with a planner gives in the environment


def find_canary(home):
    """After every test, whatever it was: no file of the program's holds the key. [SEC-4]"""
    for folder, _, names in os.walk(home):
        for name in names:
            path = os.path.join(folder, name)
            if os.path.isfile(path) and not os.path.islink(path):
                with open(path, "rb") as f:
                    assert CANARY not in f.read(), path


@pytest.fixture
def airlock(tmp_path):
    a = Airlock(tmp_path)
    (tmp_path / "run").mkdir(mode=0o700)
    yield a
    for s in a.screens:
        s.close()
    find_canary(tmp_path)
