"""envd.py - port 49983 of a test sandbox: files over plain HTTP, processes and directories over Connect-JSON. [e2b.md §6, §7]"""
import base64
import json
import os
import queue
import struct
import threading
from urllib.parse import parse_qs, urlsplit

from box import Gone

CODES = {"canceled": 499, "unknown": 500, "invalid_argument": 400, "not_found": 404, "already_exists": 409, "permission_denied": 403,
         "resource_exhausted": 429, "failed_precondition": 400, "unimplemented": 501, "internal": 500, "unauthenticated": 401}


class Failure(Exception):
    def __init__(self, code, text):
        super().__init__(text)
        self.code, self.text = code, text


def home_path(path):
    path = "" if path is None else path
    if path.startswith("~/"):
        path = path[2:]
    return os.path.normpath(path if path.startswith("/") else "/home/user/" + path)


class Envd:
    def __init__(self, box, token, environment, pause):
        self.box, self.token, self.environment, self.pause = box, token, environment, pause
        self.processes, self.lock = {}, threading.Lock()

    def failure_of(self, e):
        return Failure({2: "not_found", 17: "already_exists", 20: "invalid_argument", 21: "invalid_argument"}.get(e.errno, "internal"), str(e))

    # -- files

    def download(self, h, query):
        path = home_path(query.get("path", [""])[0])
        try:
            m, fds = self.box.ask("read", path=path)
        except OSError as e:
            status = {2: 404, 21: 400, 20: 404, 40: 400}.get(e.errno, 400)
            return h.answer_json(status, {"code": status, "message": "path '%s': %s" % (path, e.strerror or e)})
        with os.fdopen(fds[0], "rb") as f:
            h.send_response(200)
            h.send_header("Content-Length", str(m["size"]))
            h.send_header("Content-Type", "application/octet-stream")
            h.send_header("Vary", "Accept-Encoding")
            h.end_headers()
            left = m["size"]
            while left > 0:
                data = f.read(min(left, 1 << 18))
                if not data:
                    break
                h.wfile.write(data)
                left -= len(data)

    def upload(self, h, query, body):
        kind = h.headers.get("Content-Type", "")
        files = []
        if kind == "application/octet-stream":
            files = [(query.get("path", [""])[0], body)]
        elif kind.startswith("multipart/form-data"):
            files = multipart(kind, body, query.get("path", [None])[0])
        if not files or not files[0][0]:
            return h.answer_json(400, {"code": 400, "message": "invalid content type or path"})
        out = []
        for path, data in files:
            path = home_path(path)
            try:
                _, fds = self.box.ask("write", path=path)
                with os.fdopen(fds[0], "wb") as f:
                    f.write(data)
            except OSError as e:
                status = 507 if e.errno == 28 else 400
                return h.answer_json(status, {"code": status, "message": str(e)})
            out.append({"path": path, "name": os.path.basename(path), "type": "file"})
        return h.answer_json(200, out)

    # -- RPC

    def unary(self, h, method, m):
        try:
            h.answer_json(200, self.call(method, m))
        except Failure as f:
            h.answer_json(CODES.get(f.code, 500), {"code": f.code, "message": f.text})

    def call(self, method, m):
        service, name = method.strip("/").split("/")
        if service == "filesystem.Filesystem":
            return self.filesystem(name, m)
        if service != "process.Process":
            raise Failure("unimplemented", method)
        if name == "List":
            return {"processes": [{"config": p.config, "pid": pid} for pid, p in self.processes.items()]}
        p = self.processes.get(m.get("process", {}).get("pid"))
        if p is None:
            raise Failure("not_found", "process with pid %s not found" % m.get("process"))
        if name == "SendSignal":
            self.box.kill(p.pid, {"SIGNAL_SIGTERM": 15, "SIGNAL_SIGKILL": 9}[m["signal"]])
        elif name == "SendInput":
            os.write(p.stdin, base64.b64decode(m["input"]["stdin"]))
        elif name == "CloseStdin":
            p.close_stdin()
        else:
            raise Failure("unimplemented", name)
        return {}

    def filesystem(self, name, m):
        try:
            if name == "ListDir":
                path = home_path(m.get("path"))
                if self.box.ask("stat", path=path)[0]["entry"]["type"] != "FILE_TYPE_DIRECTORY":
                    raise Failure("invalid_argument", "path is not a directory")
                entries = self.box.ask("list", path=path, depth=m.get("depth") or 1)[0]["entries"]
                return {"entries": entries} if entries else {}
            if name == "Stat":
                return {"entry": self.box.ask("stat", path=home_path(m.get("path")))[0]["entry"]}
            if name == "MakeDir":
                return {"entry": self.box.ask("mkdir", path=home_path(m.get("path")))[0]["entry"]}
        except OSError as e:
            raise self.failure_of(e) from None
        raise Failure("unimplemented", name)

    def start(self, h, m, timeout_ms):
        send = h.begin_stream("application/connect+json")

        def frame(message, flags=0):
            data = json.dumps(message).encode()
            send(struct.pack(">BI", flags, len(data)) + data)

        try:
            p = Process(self, m, timeout_ms)
        except Gone:
            raise
        except OSError as e:
            frame({"error": {"code": "invalid_argument", "message": str(e)}}, 2)
            return h.end_stream()
        with self.lock:
            self.processes[p.pid] = p
        try:
            frame({"event": {"start": {"pid": p.pid}}})
            while True:
                try:
                    event = p.events.get(timeout=self.pause)
                except queue.Empty:
                    frame({"event": {"keepalive": {}}})
                    continue
                if event is None:
                    break
                frame({"event": event})
            if p.late:
                frame({"error": {"code": "deadline_exceeded", "message": "context deadline exceeded"}}, 2)
            else:
                frame({"event": {"end": p.end()}})
                frame({}, 2)
            h.end_stream()
        finally:
            p.finish_later(self)


class Process:
    def __init__(self, envd, m, timeout_ms):
        c = m["process"]
        self.config, self.box, self.late = c, envd.box, False
        self.events = queue.Queue(64)
        out_r, out_w = os.pipe()
        err_r, err_w = os.pipe()
        in_r, self.stdin = os.pipe()
        if m.get("stdin", True) is False:
            self.close_stdin()
        env = {**envd.environment(envd.token), **c.get("envs", {})}
        cwd = home_path(c.get("cwd", ""))
        try:
            envd.box.ask("stat", path=cwd)
            self.pid = envd.box.spawn([c["cmd"], *c.get("args", [])], (in_r, out_w, err_w), cwd, env)
        finally:
            for fd in (in_r, out_w, err_w):
                os.close(fd)
        self.open = 2
        self.lock = threading.Lock()
        for fd, name in ((out_r, "stdout"), (err_r, "stderr")):
            threading.Thread(target=self.read, args=(fd, name), daemon=True).start()
        if timeout_ms:
            t = threading.Timer(timeout_ms / 1000, self.expire)
            t.daemon = True
            t.start()

    def expire(self):
        if self.box.status(self.pid, 0) is None:
            self.late = True
            self.box.kill(self.pid, 9)

    def close_stdin(self):
        if self.stdin >= 0:
            os.close(self.stdin)
        self.stdin = -1

    def read(self, fd, name):
        while True:
            data = os.read(fd, 32 << 10)
            if not data:
                break
            self.events.put({"data": {name: base64.b64encode(data).decode()}})
        os.close(fd)
        with self.lock:
            self.open -= 1
            last = self.open == 0
        if last:
            self.status = self.box.status(self.pid)
            self.events.put(None)

    def end(self):
        s = self.status
        if os.WIFSIGNALED(s):
            word = {9: "killed", 15: "terminated", 2: "interrupt", 11: "segmentation fault"}.get(os.WTERMSIG(s), "signal %d" % os.WTERMSIG(s))
            return {"exitCode": -1, "status": "signal: " + word, "error": "signal: " + word}
        code = os.WEXITSTATUS(s)
        out = {"exited": True, "status": "exit status %d" % code}
        if code:
            out.update(exitCode=code, error="exit status %d" % code)
        return out

    def finish_later(self, envd):
        def drain():
            while self.open > 0 or not self.events.empty():
                try:
                    if self.events.get(timeout=1) is None:
                        break
                except queue.Empty:
                    pass
            envd.processes.pop(self.pid, None)
        threading.Thread(target=drain, daemon=True).start()


def multipart(kind, body, path):
    boundary = kind.split("boundary=", 1)[1].strip('"').encode()
    files = []
    for part in body.split(b"--" + boundary)[1:-1]:
        head, data = part[2:].split(b"\r\n\r\n", 1)
        text = head.decode()
        if 'name="file"' in text:
            name = path if path is not None else text.split('filename="', 1)[1].split('"', 1)[0]
            files.append((name, data[:-2]))
    return files


def route(envd, h, target, body):
    """One request to port 49983."""
    parts = urlsplit(target)
    query = parse_qs(parts.query)
    if parts.path == "/health":
        return h.answer(204)
    if envd.token and h.headers.get("X-Access-Token") != envd.token and "signature" not in query:
        return h.answer_json(401, {"code": 401, "message": "unauthorized access, please provide a valid access token or method signing if "
                                   "supported"})
    if parts.path == "/envs":
        return h.answer_json(200, envd.environment(envd.token))
    if parts.path == "/files":
        return envd.download(h, query) if h.command == "GET" else envd.upload(h, query, body)
    if h.command != "POST":
        return h.answer_json(404, {"code": 404, "message": "not found"})
    if h.headers.get("Content-Type") == "application/connect+json":
        flags, size = struct.unpack(">BI", body[:5])
        assert flags == 0 and size == len(body) - 5
        return envd.start(h, json.loads(body[5:]), int(h.headers.get("Connect-Timeout-Ms") or 0))
    return envd.unary(h, parts.path, json.loads(body or b"{}"))
