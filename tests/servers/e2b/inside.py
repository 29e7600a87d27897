"""inside.py - pid 1 of a test sandbox: starts programs and opens files there, for envd and the interpreter outside.

One JSON object a message on a SEQPACKET socket (its descriptor is the argument), descriptors beside it. Answers carry the message's `n`; the end of a
child comes as {"ended": pid, "status": s}.
"""
import fcntl
import json
import os
import select
import signal
import socket
import stat
import sys
import tarfile

sock = socket.socket(fileno=int(sys.argv[1]))
children = set()


def say(message, fds=()):
    socket.send_fds(sock, [json.dumps(message).encode()], list(fds))


def spawn(m, fds):
    pid = os.fork()
    if pid == 0:
        try:
            os.setsid()
            sock.close()
            high = [fcntl.fcntl(fd, fcntl.F_DUPFD, 50) for fd in fds]
            for i, fd in enumerate(high):
                os.dup2(fd, i)
            os.closerange(len(high), 256)
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            os.chdir(m.get("cwd") or "/home/user")
            os.execvpe(m["argv"][0], m["argv"], m["env"])
        except OSError as e:
            os.write(2, ("%s: %s\n" % (m["argv"][0], e)).encode())
        os._exit(127)
    children.add(pid)
    return {"pid": pid}, ()


def entry(path, name):
    st = os.lstat(path)
    kind = "FILE_TYPE_DIRECTORY" if stat.S_ISDIR(st.st_mode) else "FILE_TYPE_SYMLINK" if stat.S_ISLNK(st.st_mode) else "FILE_TYPE_FILE"
    return {"name": name, "type": kind, "path": path, "size": str(st.st_size), "mode": st.st_mode & 0o7777,
            "permissions": stat.filemode(st.st_mode), "owner": "user", "group": "user", "modifiedTime": "2026-01-01T00:00:00Z"}


def walk(path, depth):
    out = []
    for name in sorted(os.listdir(path)):
        full = os.path.join(path, name)
        e = entry(full, name)
        out.append(e)
        if depth > 1 and e["type"] == "FILE_TYPE_DIRECTORY":
            out += walk(full, depth - 1)
    return out


def send_all(sig):
    """To every process but this one."""
    for name in os.listdir("/proc"):
        if name.isdigit() and int(name) != os.getpid():
            try:
                os.kill(int(name), sig)
            except OSError:
                pass


KEPT = ("/workspace", "/home/user", "/tmp")


def act(m, fds):
    op = m["op"]
    if op == "spawn":
        return spawn(m, fds)
    if op == "kill":
        os.kill(m["pid"], m["sig"])
    elif op == "read":
        fd = os.open(m["path"], os.O_RDONLY | os.O_NONBLOCK)
        st = os.fstat(fd)
        if not stat.S_ISREG(st.st_mode):
            os.close(fd)
            raise IsADirectoryError(21, "path '%s' is a directory" % m["path"])
        return {"size": st.st_size}, (fd,)
    elif op == "write":
        os.makedirs(os.path.dirname(m["path"]), exist_ok=True)
        return {}, (os.open(m["path"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NONBLOCK, 0o644),)
    elif op == "list":
        return {"entries": walk(m["path"], m["depth"])}, ()
    elif op == "stat":
        return {"entry": entry(m["path"], os.path.basename(m["path"]))}, ()
    elif op == "mkdir":
        os.makedirs(m["path"], exist_ok=True)
        return {"entry": entry(m["path"], os.path.basename(m["path"]))}, ()
    elif op == "freeze":
        send_all(signal.SIGSTOP)
    elif op == "thaw":
        send_all(signal.SIGCONT)
    elif op == "pack":
        fd = os.memfd_create("files")
        with os.fdopen(os.dup(fd), "wb") as f, tarfile.open(fileobj=f, mode="w|") as tar:
            for path in KEPT:
                if os.path.isdir(path):
                    tar.add(path, path[1:])
        return {}, (fd,)
    elif op == "unpack":
        with os.fdopen(os.dup(fds[0]), "rb") as f, tarfile.open(fileobj=f, mode="r:") as tar:
            tar.extractall("/")
    return {}, ()


def reap():
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        if pid in children:
            children.discard(pid)
            say({"ended": pid, "status": status})


def main():
    r, w = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(w)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    while True:
        ready, _, _ = select.select([sock, r], [], [])
        if r in ready:
            os.read(r, 512)
            reap()
        if sock not in ready:
            continue
        data, fds, _, _ = socket.recv_fds(sock, 1 << 20, 16)
        if not data:
            return
        m = json.loads(data)
        mine = ()
        try:
            answer, mine = act(m, fds)
        except OSError as e:
            answer = {"error": e.errno or 5, "text": str(e)}
        answer["n"] = m["n"]
        say(answer, mine)
        for fd in list(fds) + list(mine):
            os.close(fd)


main()
