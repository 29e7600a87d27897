"""interpreter.py - the code interpreter (port 49999): contexts that really execute Python, and their NDJSON streams. [e2b.md §5]"""
import codecs
import json
import os
import select
import signal
import socket
import threading
import time
import uuid

from box import PYTHON, Gone

KEYS = {"text/plain": "text", "text/html": "html", "text/markdown": "markdown", "image/svg+xml": "svg", "image/png": "png",
        "image/jpeg": "jpeg", "application/pdf": "pdf", "text/latex": "latex", "application/json": "json",
        "application/javascript": "javascript", "e2b/data": "data", "e2b/chart": "chart"}
LANGUAGES = {"js": "javascript", "ts": "typescript"}
KERNELS = {"python": [PYTHON, "-I", "/opt/test/kernel.py"], "javascript": ["/usr/bin/node", "/opt/test/kernel.js"]}


def result_of(data, main):
    out, extra = {"type": "result"}, {}
    for mime, value in data.items():
        if mime not in KEYS:
            extra[mime] = value
            continue
        if mime == "text/plain" and len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
            value = value[1:-1]
        out[KEYS[mime]] = value
    return {**out, "extra": extra, "is_main_result": main}


class Context:
    def __init__(self, box, language, cwd):
        self.id, self.box, self.language, self.cwd = str(uuid.uuid4()), box, language, cwd
        self.lock, self.pid, self.fresh = threading.Lock(), None, True
        self.pipes, self.ctl, self.busy = (), None, False

    def start(self):
        """A new interpreter process: all state is lost."""
        self.stop()
        mine, theirs = socket.socketpair()
        out_r, out_w = os.pipe()
        err_r, err_w = os.pipe()
        null = os.open(os.devnull, os.O_RDONLY)
        try:
            self.pid = self.box.spawn(KERNELS[self.language], (null, out_w, err_w, theirs.fileno()), self.cwd)
        finally:
            for fd in (null, out_w, err_w):
                os.close(fd)
            theirs.close()
        os.set_blocking(out_r, False)
        os.set_blocking(err_r, False)
        pipes = tuple(os.fdopen(fd, "rb", buffering=0) for fd in (out_r, err_r))
        self.ctl, self.pipes, self.fresh, self.pending = mine, pipes, True, b""

    def stop(self):
        """Wakes whoever reads. What is read from is closed with its last reader: a number that is closed under a select()
        comes back as another file."""
        pid, ctl = self.pid, self.ctl
        self.pid, self.ctl, self.pipes = None, None, ()
        if pid is not None:
            try:
                self.box.kill(pid, signal.SIGKILL)
            except Gone:
                pass
            ctl.shutdown(socket.SHUT_RDWR)

    def interrupt(self):
        if self.pid is not None:
            self.box.kill(self.pid, signal.SIGINT)


class Interpreter:
    """Of one sandbox."""
    def __init__(self, box, keepalive, environment):
        self.box, self.keepalive, self.environment = box, keepalive, environment
        self.contexts, self.lock, self.defaults = {}, threading.Lock(), {}
        self.executed = 0
        self.made = []  # codes that were executed

    def create(self, language, cwd):
        language = language.strip().lower()
        language = LANGUAGES.get(language, language)
        if language not in KERNELS or not os.path.exists(KERNELS[language][0]):
            return None
        c = Context(self.box, language, cwd)
        c.start()
        with self.lock:
            self.contexts[c.id] = c
        return c

    def order(self, c, message):
        """Something of our own to a kernel, between two cells; False: it has none that could."""
        with c.lock:
            if c.language != "python" or c.pid is None:
                return False
            c.ctl.sendall(json.dumps(message).encode() + b"\n")
            self.stream(c, c.ctl, lambda data: None, None)
        return True

    def save(self):
        """What a snapshot keeps of the contexts: (id, language, cwd, whether it is the language's default, path of its dump or None)."""
        out = []
        for c in list(self.contexts.values()):
            path = "/tmp/.kernel-" + c.id
            out.append((c.id, c.language, c.cwd, self.defaults.get(c.language) is c, path if self.order(c, {"dump": path}) else None))
        return out

    def restore(self, saved):
        for context_id, language, cwd, is_default, path in saved:
            c = Context(self.box, language, cwd)
            c.id = context_id
            c.start()
            c.fresh = False
            self.contexts[c.id] = c
            if is_default:
                self.defaults[language] = c
            if path is not None:
                self.order(c, {"load": path})

    def reboot(self):
        """Nothing but the files was kept: every context is a new one."""
        for c in list(self.contexts.values()):
            c.stop()
        self.contexts, self.defaults = {}, {}

    def find(self, body):
        """Context, or (status, text)."""
        if body.get("context_id") and body.get("language"):
            return 400, "Only one of context_id or language can be provided"
        if body.get("context_id"):
            return self.contexts.get(body["context_id"]) or (404, "Context %s not found" % body["context_id"])
        language = (body.get("language") or "python").strip().lower()
        with self.lock:
            c = self.defaults.get(language)
        if c is None:
            c = self.create(language, "/home/user")
            if c is None:
                return 500, "Failed to create context: " + json.dumps({"message": "Unhandled error", "reason": language})
            self.defaults[language] = c
        return c

    def preamble(self, c, body, token):
        """The server prepends generated source lines, unescaped. [e2b.md §5.4]"""
        lines = ""
        if c.language != "python":
            return lines
        if c.fresh:
            lines = "".join("os.environ['%s'] = '%s'\n" % kv for kv in self.environment(token).items())
        lines += "".join("os.environ['%s'] = '%s'\n" % kv for kv in (body.get("env_vars") or {}).items())
        c.fresh = False
        return "import os\n" + lines if lines else ""

    def execute(self, c, body, token, write, client):
        """Write the stream; OSError of `write` means that the client is gone."""
        with c.lock:
            if c.pid is None:
                c.start()
            code = self.preamble(c, body, token) + body["code"]
            self.executed += 1
            self.made.append(body["code"])
            ours, c.busy = c.ctl, True
            try:
                ours.sendall(json.dumps({"code": code}).encode() + b"\n")
                self.stream(c, ours, write, client)
            except (BrokenPipeError, ConnectionResetError) as e:
                if getattr(e, "of_client", False):
                    self.leave(c, ours)
                    raise
                self.tell_restart(c, ours, write)
            except Exception:  # a fault dropped the connection
                self.leave(c, ours)
                raise

    def tell_restart(self, c, ours, write):
        time.sleep(0.05)
        if c.ctl is ours:
            c.start()
            self.tell(write, {"type": "error", "name": "ContextRestarting", "value": "Context was restarted", "traceback": ""})
        else:
            self.tell(write, {"type": "error", "name": "WebSocketError", "traceback": "",
                              "value": "The connections was lost, rerun the code to get the results"})
            self.tell(write, {"type": "error", "name": "UnexpectedEndOfExecution", "traceback": "",
                              "value": "Connection to the execution was closed before the execution was finished"})
        self.tell(write, {"type": "end_of_execution"})

    @staticmethod
    def tell(write, message):
        try:
            write((json.dumps(message) + "\n").encode())
        except OSError as e:
            e.of_client = True
            raise

    def leave(self, c, ours):
        """The client has gone: interrupt, and read to the end of the cell, so that the next one finds a free kernel."""
        if c.busy and c.ctl is ours:
            c.interrupt()
            self.stream(c, ours, lambda data: None, None)

    def output(self, pipes, decoders, write, i):
        while True:
            data = pipes[i].read(1 << 16)
            if data is None:
                return
            text = decoders[i].decode(data)
            if text:
                now = time.strftime("%Y-%m-%dT%H:%M:%S.000000+00:00", time.gmtime())
                self.tell(write, {"type": ("stdout", "stderr")[i], "text": text, "timestamp": now})
            if len(data) < 1 << 16:
                return

    def stream(self, c, ours, write, client):
        decoders = [codecs.getincrementaldecoder("utf-8")("replace") for _ in range(2)]
        pipes = c.pipes
        if c.ctl is not ours:
            raise BrokenPipeError
        watch = [ours, *pipes]
        quiet = time.monotonic()
        while True:
            while b"\n" in c.pending:  # some may be left from before the client went away
                line, c.pending = c.pending.split(b"\n", 1)
                for i in range(2):
                    self.output(pipes, decoders, write, i)
                message = json.loads(line)
                c.busy = "done" not in message
                if self.message(message, write):
                    return
            ready, _, _ = select.select(watch, [], [], max(0.0, quiet + self.keepalive - time.monotonic()))
            if c.ctl is not ours:
                raise BrokenPipeError
            if not ready:
                if client is not None and is_gone(client):
                    e = BrokenPipeError()
                    e.of_client = True
                    raise e
                self.tell(write, {"type": "keepalive"})
            quiet = time.monotonic()
            for i in range(2):
                if pipes[i] in ready:
                    self.output(pipes, decoders, write, i)
            if ours not in ready:
                continue
            data = ours.recv(1 << 20)
            if not data:
                for i in range(2):
                    self.output(pipes, decoders, write, i)
                raise BrokenPipeError
            c.pending += data

    def message(self, m, write):
        if "count" in m:
            self.tell(write, {"type": "number_of_executions", "execution_count": m["count"]})
        elif "data" in m:
            self.tell(write, result_of(m["data"], m["main"]))
        elif "error" in m:
            self.tell(write, {"type": "error", **m["error"]})
        elif "done" in m:
            self.tell(write, {"type": "end_of_execution"})
            return True
        return False


def is_gone(client):
    try:
        return client.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True
