"""place.py - Anthropic's containers and files, for tests: bubblewrap without a network, one per container id, and what a command left in
its $OUTPUT_DIR."""
import base64
import hashlib
import json
import mimetypes
import os
import secrets
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2b"))

from box import Box, Gone  # noqa: E402

BOXES_MAX = 8
OUT_MAX = 4 << 20


class Refusal(Exception):
    def __init__(self, status, kind, message):
        super().__init__(message)
        self.status, self.kind, self.message = status, kind, message


def decode(command):
    """What a person approved, out of the command, by other code than Airlock's: (language, code, whole payload)."""
    head = "python3 - <<'AIRLOCK'\nP = "
    if not command.startswith(head) or not command.endswith("\nAIRLOCK"):
        return None
    payload = json.loads(command[len(head):].split("\n", 1)[0])
    return payload["language"], base64.b64decode(payload["code"], validate=True), payload


class Place:
    def __init__(self):
        self.lock, self.containers, self.files, self.commands, self.codes = threading.Lock(), {}, {}, [], []
        self.made, self.recites = 0, False

    def container(self, wanted):
        """(id, box): that one, or a new one."""
        with self.lock:
            if wanted:
                if wanted not in self.containers:
                    raise Refusal(400, "invalid_request_error", "container: the container has expired")
                return wanted, self.containers[wanted]
            while len(self.containers) >= BOXES_MAX:
                old = self.containers.pop(next(iter(self.containers)))
                if old is not None:
                    old.close()
            self.made += 1
            new = "container_011" + secrets.token_hex(10)
            self.containers[new] = None if self.recites else Box({}, False)
            return new, self.containers[new]

    def expire(self):
        with self.lock:
            for box in self.containers.values():
                if box is not None:
                    box.close()
            self.containers.clear()

    def run(self, box, command):
        """The content of a bash_code_execution_tool_result."""
        self.commands.append(command)
        known = decode(command)
        if known:
            self.codes.append(base64.b64encode(known[1]).decode())
        if box is None:
            return self.recite(known)
        made = "/tmp/outputs-" + secrets.token_hex(6)
        box.ask("mkdir", path=made)
        out, err, status = self.execute(box, command, made)
        return {"type": "bash_code_execution_result", "stdout": out, "stderr": err,
                "return_code": os.waitstatus_to_exitcode(status) & 0xff,
                "content": [{"type": "bash_code_execution_output", "file_id": f} for f in self.collect(box, made)]}

    def execute(self, box, command, made):
        pipes = [os.pipe(), os.pipe()]
        null = os.open("/dev/null", os.O_RDONLY)
        pid = box.spawn(["bash", "-c", command], [null, pipes[0][1], pipes[1][1]], env={"OUTPUT_DIR": made})
        for fd in (null, pipes[0][1], pipes[1][1]):
            os.close(fd)
        kept = [b"", b""]

        def drain(i):
            while True:
                data = os.read(pipes[i][0], 65536)
                if not data:
                    return
                kept[i] += data[:max(0, OUT_MAX - len(kept[i]))]

        readers = [threading.Thread(target=drain, args=(i,), daemon=True) for i in (0, 1)]
        for r in readers:
            r.start()
        status = box.status(pid)
        for r in readers:
            r.join(2)
        return kept[0].decode("utf-8", "replace"), kept[1].decode("utf-8", "replace"), status

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
    def recite(known):
        """What the runner would print about code that prints nothing and exits with 0."""
        if known is None:
            return {"type": "bash_code_execution_result", "stdout": "", "stderr": "", "return_code": 0, "content": []}
        told = {"code": 0, "late": False, "us": 1000, "sha256": hashlib.sha256(known[1]).hexdigest(), "root": "L3dvcmtzcGFjZQ==", "out": "",
                "out_bytes": 0, "err": "", "err_bytes": 0, "error": [], "value": "", "check": None, "exists": [], "files": [],
                "token": known[2]["token"]}
        return {"type": "bash_code_execution_result", "stdout": "\nAIRLOCK-RESULT " + json.dumps(told) + "\n", "stderr": "",
                "return_code": 0, "content": []}


__all__ = ["Gone", "Place", "Refusal", "decode"]
