"""box.py - a place for a test sandbox: bubblewrap with everything private, and inside.py as its pid 1."""
import json
import os
import shutil
import signal
import socket
import subprocess
import threading

HERE = os.path.dirname(os.path.abspath(__file__))
PYTHON = "/usr/bin/python3"
ENV = {"PATH": "/usr/bin:/bin", "HOME": "/home/user", "USER": "user", "LOGNAME": "user", "LANG": "C.UTF-8"}


class Gone(Exception):
    pass


class Box:
    all = []  # those under way as well: none may be left

    def __init__(self, env, network):
        self.env = {**ENV, **env}
        mine, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        for s in (mine, theirs):
            s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 21)
        argv = ["bwrap", "--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--die-with-parent", "--as-pid-1",
                "--cap-add", "CAP_KILL", "--ro-bind", "/usr", "/usr", "--symlink", "usr/bin", "/bin", "--symlink", "usr/lib", "/lib",
                "--symlink", "usr/lib64", "/lib64", "--symlink", "usr/sbin", "/sbin", "--ro-bind", "/etc", "/etc", "--proc", "/proc",
                "--dev", "/dev", "--tmpfs", "/tmp", "--dir", "/home/user", "--ro-bind", HERE, "/opt/test", "--clearenv",
                "--setenv", "PATH", "/usr/bin:/bin"]
        if not network:
            argv.append("--unshare-net")
        if os.geteuid() != 0:  # root's are kept; in there it is root that a sandbox's daemon works for
            argv += ["--uid", "0", "--gid", "0", "--cap-add", "ALL"]
        fd = theirs.fileno()
        self.process = subprocess.Popen(argv + [PYTHON, "-IS", "/opt/test/inside.py", str(fd)], stdin=subprocess.DEVNULL,
                                        pass_fds=(fd,), start_new_session=True)
        Box.all.append(self)
        theirs.close()
        self.sock, self.n, self.lock, self.waiting, self.ended = mine, 0, threading.Lock(), {}, {}
        self.changed = threading.Condition()
        self.alive, self.epoch = True, 0  # epoch: one more each time its connections are cut
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        while True:
            try:
                data, fds, _, _ = socket.recv_fds(self.sock, 1 << 21, 16)
            except OSError:
                data = b""
            with self.changed:
                if not data:
                    self.alive = False
                    self.changed.notify_all()
                    return
                m = json.loads(data)
                if "ended" in m:
                    self.ended[m["ended"]] = m["status"]
                else:
                    self.waiting[m["n"]] = (m, fds)
                self.changed.notify_all()

    def ask(self, op, fds=(), **more):
        """(answer, fds). OSError as it happened inside; Gone when the sandbox is."""
        with self.lock:
            self.n += 1
            n = self.n
            try:
                socket.send_fds(self.sock, [json.dumps({"op": op, "n": n, **more}).encode()], list(fds))
            except OSError:
                raise Gone from None
        with self.changed:
            while n not in self.waiting:
                if not self.alive:
                    raise Gone
                self.changed.wait()
            m, got = self.waiting.pop(n)
        if "error" in m:
            raise OSError(m["error"], m["text"])
        return m, got

    def spawn(self, argv, fds, cwd=None, env=None):
        return self.ask("spawn", fds, argv=argv, cwd=cwd, env={**self.env, **(env or {})})[0]["pid"]

    def status(self, pid, timeout=None):
        """The wait status of a child; None when it still runs."""
        with self.changed:
            self.changed.wait_for(lambda: pid in self.ended or not self.alive, timeout)
            return self.ended.get(pid, 9 if not self.alive else None)

    def kill(self, pid, sig):
        try:
            self.ask("kill", pid=pid, sig=sig)
        except OSError:
            pass

    def cut(self):
        """Connections do not survive a pause."""
        self.epoch += 1

    def freeze(self):
        self.cut()
        self.ask("freeze")

    def thaw(self):
        self.ask("thaw")

    def pack(self):
        """Its files, as bytes."""
        _, fds = self.ask("pack")
        with os.fdopen(fds[0], "rb") as f:
            f.seek(0)
            return f.read()

    def unpack(self, data):
        fd = os.memfd_create("files")
        try:
            with os.fdopen(os.dup(fd), "wb") as f:
                f.write(data)
            os.lseek(fd, 0, os.SEEK_SET)
            self.ask("unpack", (fd,))
        finally:
            os.close(fd)

    def close(self):
        if self in Box.all:
            Box.all.remove(self)
        try:  # the group: one that was only just started has a child that does not know yet whom to die with
            os.killpg(self.process.pid, signal.SIGKILL)
        except OSError:
            pass
        self.process.wait()
        try:
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


def missing():
    return None if shutil.which("bwrap") else "bubblewrap"
