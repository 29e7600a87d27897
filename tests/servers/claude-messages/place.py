"""place.py - Anthropic's containers and files, for tests: bubblewrap without a network, one per container id, with a shell for each command
and an interpreter that stays for cells, and what they left in $OUTPUT_DIR."""
import base64
import concurrent.futures
import hashlib
import json
import mimetypes
import os
import secrets
import socket
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2b"))

from box import Box, Gone  # noqa: E402

BOXES_MAX = 8
OUT_MAX = 4 << 20
BASH, REPL = "bash_code_execution", "code_execution"
TYPES = ["code_execution_20250825", "code_execution_20260120", "code_execution_20260521"]
STAYS = TYPES[1:]  # the interpreter does
CELL_S = 90


class Refusal(Exception):
    def __init__(self, status, kind, message):
        super().__init__(message)
        self.status, self.kind, self.message = status, kind, message


def decode(text):
    """What a person approved, out of a command or a cell, by other code than Airlock's: (code, whole payload)."""
    for head, tail in (("python3 - <<'AIRLOCK'\nP = ", "\nAIRLOCK"), ("P = ", "\n")):
        if text.startswith(head) and text.endswith(tail):
            payload = json.loads(text[len(head):].split("\n", 1)[0])
            return base64.b64decode(payload["code"], validate=True), payload
    return None


class Container:
    def __init__(self, recites):
        self.box, self.life, self.pid, self.sock = None if recites else Box({}, False), "", 0, None

    def close(self):
        if self.sock is not None:
            self.sock.close()
        if self.box is not None:
            self.box.close()

    def start(self, words):
        """Its interpreter."""
        mine, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        for sock in (mine, theirs):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 21)
        with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "repl.py")) as f:
            text = f.read()
        null = os.open("/dev/null", os.O_RDWR)
        self.pid = self.box.spawn(["python3", "-c", text] + words, [null, null, null, theirs.fileno()])
        os.close(null)
        theirs.close()
        self.sock = mine

    def end(self):
        self.sock.close()
        self.sock = None


class Place:
    def __init__(self):
        # One thread for all of them: a box dies with the thread that made it, and those of requests end with their connections.
        self.maker = concurrent.futures.ThreadPoolExecutor(1)
        self.lock, self.containers, self.files, self.commands, self.codes = threading.Lock(), {}, {}, [], []
        self.made, self.recites, self.types, self.words, self.cell_s, self.models = 0, False, TYPES, [], CELL_S, {}

    def stays(self, body):
        """Is there an interpreter that stays, for this request?"""
        can = self.models[body["model"]]["capabilities"]["code_execution"]["supported"]
        return can and any(t.get("type") in STAYS for t in body.get("tools", []))

    def container(self, wanted):
        """(id, box): that one, or a new one."""
        with self.lock:
            if wanted:
                if wanted not in self.containers:
                    raise Refusal(400, "invalid_request_error", "container: the container has expired")
                return wanted, self.containers[wanted]
            while len(self.containers) >= BOXES_MAX:
                self.containers.pop(next(iter(self.containers))).close()
            self.made += 1
            new = "container_011" + secrets.token_hex(10)
            self.containers[new] = self.maker.submit(Container, self.recites).result()
            return new, self.containers[new]

    def expire(self):
        with self.lock:
            for c in self.containers.values():
                c.close()
            self.containers.clear()

    def restart(self):
        """Every interpreter ends; files stay."""
        with self.lock:
            for c in self.containers.values():
                c.life = ""
                if c.sock is not None:
                    c.box.kill(c.pid, 9)
                    c.end()

    def run(self, c, tool, text):
        """The content of a result of `tool`."""
        self.commands.append(text)
        known = decode(text)
        if known:
            self.codes.append(base64.b64encode(known[0]).decode())
        if c.box is None:
            return self.recite(c, tool, known)
        made = "/tmp/outputs-" + secrets.token_hex(6)
        c.box.ask("mkdir", path=made)
        out, err, code = (self.cell if tool == REPL else self.shell)(c, text, made)
        return {"type": tool + "_result", "stdout": out, "stderr": err, "return_code": code,
                "content": [{"type": tool + "_output", "file_id": f} for f in self.collect(c.box, made)]}

    def shell(self, c, command, made):
        null = os.open("/dev/null", os.O_RDONLY)
        kept, ends, readers = self.drains()
        pid = c.box.spawn(["bash", "-c", command], [null, *ends], env={"OUTPUT_DIR": made})
        for fd in (null, *ends):
            os.close(fd)
        status = c.box.status(pid)
        return (*self.drained(kept, readers), os.waitstatus_to_exitcode(status) & 0xff)

    def cell(self, c, text, made):
        if c.sock is None:
            c.start(self.words)
        kept, ends, readers = self.drains()
        socket.send_fds(c.sock, [json.dumps({"code": text, "output": made}).encode()], ends)
        for fd in ends:
            os.close(fd)
        c.sock.settimeout(self.cell_s)
        try:
            answer = c.sock.recv(1 << 16)
        except TimeoutError:
            c.box.kill(c.pid, 9)
            kept[1] += b"detection_timeout"
            answer = b""
        except OSError:
            answer = b""
        if answer:
            code = json.loads(answer)["code"]
        else:  # it died
            c.end()
            code = os.waitstatus_to_exitcode(c.box.status(c.pid) or 0)
            code = 128 - code if code < 0 else code
        return (*self.drained(kept, readers), code)

    @staticmethod
    def drains():
        """Two bytearrays, the descriptors whose output goes there, the threads that see to it."""
        pipes, kept = [os.pipe(), os.pipe()], [bytearray(), bytearray()]

        def drain(i):
            while True:
                data = os.read(pipes[i][0], 65536)
                if not data:
                    os.close(pipes[i][0])
                    return
                kept[i] += data[:max(0, OUT_MAX - len(kept[i]))]

        readers = [threading.Thread(target=drain, args=(i,), daemon=True) for i in (0, 1)]
        for t in readers:
            t.start()
        return kept, [p[1] for p in pipes], readers

    @staticmethod
    def drained(kept, readers):
        for t in readers:
            t.join(2)
        return [bytes(k).decode("utf-8", "replace") for k in kept]

    def collect(self, box, made):
        ids = []
        for e in box.ask("list", path=made, depth=1)[0]["entries"]:
            if e["type"] != "FILE_TYPE_FILE":
                continue
            fd = box.ask("read", path=e["path"])[1][0]
            with os.fdopen(fd, "rb") as f:
                data = f.read(64 << 20)
            new = "file_011" + secrets.token_hex(8)
            self.files[new] = {"name": e["name"], "mime": mimetypes.guess_type(e["name"])[0] or "application/octet-stream", "data": data}
            ids.append(new)
        return ids

    @staticmethod
    def recite(c, tool, known):
        """What the runner would print about code that prints nothing and exits with 0."""
        out = ""
        if known is not None:
            told = {"code": 0, "late": False, "us": 1000, "sha256": hashlib.sha256(known[0]).hexdigest(), "root": "L3dvcmtzcGFjZQ==", "out": "",
                    "out_bytes": 0, "err": "", "err_bytes": 0, "error": [], "value": "", "check": None, "exists": [], "files": [],
                    "token": known[1]["token"]}
            if tool == REPL:
                out = "\nAIRLOCK-BEGIN " + json.dumps({"sha256": told["sha256"], "token": told["token"]}) + "\n"
                if known[1]["life"] not in ("", c.life):
                    out, told = "", {"lost": True, "sha256": told["sha256"], "token": told["token"]}
                else:
                    c.life = c.life if known[1]["life"] else told["token"]
                    told.update(vars=[], vars_more=0)
            out += "\nAIRLOCK-RESULT " + json.dumps(told) + "\n"
        return {"type": tool + "_result", "stdout": out, "stderr": "", "return_code": 0, "content": []}


__all__ = ["Gone", "Place", "Refusal", "decode"]
