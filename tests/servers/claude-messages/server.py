#!/usr/bin/python3
"""The Messages API with its code execution tool, on loopback: a model that does what it is told or, when asked, something else, and
containers that really execute (bubblewrap, tests/servers/e2b/box.py). Standard library only.

    server.py [--life S]

prints "PORT KEY" on the first line of stdout. Lines on stdin are JSON, each answered with a line: a trick to come ("{}"),
{"ask": "stats"}, {"ask": "forget"} (the tricks and the record), {"ask": "expire"} (every container ends), {"recite": true}
(from now on commands are written down and decoded, not executed), {"ask": "restart"} (every interpreter ends, files stay),
{"types": [T…]} (only these are known; []: all), {"cell_s": S} (how long a cell may run; 0: as there), {"words": ["thread"]} (how
interpreters are started). Ends with its stdin.

A trick is {"on": "POST /v1/messages", "do": WHAT, "skip": N, "times": N, ...}: the first matching requests after `skip` meet it.
WHAT, of any request: status (status, body, headers) · reset · hang · cut (at: bytes of the body) · split (step).
WHAT, of the model (model.py): alter · shorten · extra · twice · second · other-tool · client-tool · editor · words · refusal ·
pause (rounds) · max-tokens · error-result (code) · wrong-hash · other-token · no-begin · wrong-begin · no-proof · garbage · error-event (kind, after) ·
truncate (after) · unknown-block · other-result · two-results · caller · encrypted · no-container.
"""
import argparse
import json
import os
import re
import socket
import struct
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

sys.dont_write_bytecode = True

import model
from place import CELL_S, TYPES, Place, Refusal

KEY = "sk-ant-test-0123456789"


class Dropped(Exception):
    """The connection goes now, without another word."""


class Tricks:
    def __init__(self):
        self.list, self.lock, self.requests, self.bodies = [], threading.Lock(), [], []

    def add(self, trick):
        with self.lock:
            self.list.append({"skip": 0, "times": 1, "on": "POST /v1/messages", **trick})

    def meet(self, name, body):
        with self.lock:
            self.requests.append(name)
            self.bodies.append(body)
            for t in self.list:
                if not re.fullmatch(t["on"], name) or t["times"] == 0:
                    continue
                if t["skip"] > 0:
                    t["skip"] -= 1
                    continue
                t["times"] -= 1
                return t
        return {"do": ""}

    def forget(self):
        with self.lock:
            self.list.clear()
            self.requests.clear()
            self.bodies.clear()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def answer(self, status, body=b"", headers=None, kind="application/json"):
        self.send_response(status)
        self.send_header("request-id", "req_test")
        for k, v in (headers or {}).items():
            self.send_header(k, v)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.trick["do"] == "cut":
            self.wfile.write(body[:self.trick["at"]])
            self.drop()
        self.wfile.write(body)

    def answer_json(self, status, value, headers=None):
        self.answer(status, json.dumps(value).encode(), headers)

    def refuse(self, status, kind, message, **headers):
        self.answer_json(status, {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_test"}, headers)

    def drop(self):
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raise Dropped

    def hang(self):
        self.connection.settimeout(60)
        try:
            while self.connection.recv(4096):
                pass
        except OSError:
            pass
        self.drop()

    def begin_stream(self):
        self.send_response(200)
        for k, v in {"request-id": "req_test", "Content-Type": "text/event-stream", "Transfer-Encoding": "chunked"}.items():
            self.send_header(k, v)
        self.end_headers()
        left = self.trick["at"] if self.trick["do"] == "cut" else 1 << 60

        def write(data):
            nonlocal left
            step = self.trick["step"] if self.trick["do"] == "split" else len(data)
            for i in range(0, len(data), step):
                part = data[i:i + step][:left]
                left -= len(part)
                if part:
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
                if left == 0:
                    self.drop()

        return write

    def serve(self):
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = self.path.split("?")[0]
        name = "%s %s" % (self.command, re.sub(r"/(file|claude)[_-][A-Za-z0-9_.-]+", "/ID", path))
        try:
            self.trick = t = self.server.tricks.meet(name, raw.decode("utf-8", "replace"))
            if t["do"] == "status":
                return self.answer(t["status"], t.get("body", "").encode(), t.get("headers"))
            if t["do"] == "reset":
                self.drop()
            if t["do"] == "hang":
                self.hang()
            self.route(path, raw)
        except (Dropped, BrokenPipeError, ConnectionResetError):
            self.close_connection = True
        except Refusal as r:
            self.refuse(r.status, r.kind, r.message)

    do_GET = do_POST = do_DELETE = serve

    def route(self, path, raw):
        if self.headers.get("x-api-key") != KEY and self.headers.get("authorization") != "Bearer " + KEY:
            raise Refusal(401, "authentication_error", "invalid x-api-key")
        if "anthropic-version" not in self.headers:
            raise Refusal(400, "invalid_request_error", "anthropic-version: header is required")
        parts = path.strip("/").split("/")[1:]
        if parts[0] == "models" and self.command == "GET":
            return self.models(parts[1:])
        if parts[0] == "files" and len(parts) > 1:
            return self.files(parts[1:])
        if parts == ["messages"] and self.command == "POST":
            return self.messages(json.loads(raw))
        raise Refusal(404, "not_found_error", "Not found")

    def models(self, rest):
        known = self.server.models
        if not rest:
            return self.answer_json(200, {"data": list(known.values()), "has_more": False, "first_id": None, "last_id": None})
        if rest[0] not in known:
            raise Refusal(404, "not_found_error", "model: " + rest[0])
        return self.answer_json(200, known[rest[0]])

    def files(self, rest):
        f = self.server.place.files.get(rest[0])
        if f is None:
            raise Refusal(404, "not_found_error", "File not found")
        if self.command == "DELETE":
            del self.server.place.files[rest[0]]
            return self.answer_json(200, {"id": rest[0], "type": "file_deleted"})
        if rest[1:] == ["content"]:
            return self.answer(200, f["data"], kind="application/octet-stream")
        return self.answer_json(200, {"id": rest[0], "type": "file", "filename": f["name"], "mime_type": f["mime"],
                                      "size_bytes": len(f["data"]), "created_at": "2026-11-22T00:00:00Z", "downloadable": True,
                                      "expires_at": None})

    def messages(self, body):
        model.check(body, self.server.models, self.server.place.types)
        said = model.Answer(body, self.server.place, self.trick)
        if not body.get("stream"):
            raise Refusal(400, "invalid_request_error", "this server streams")
        write = self.begin_stream()
        try:
            said.speak(write)
        except model.Silence:
            if self.trick["do"] != "error-event":  # a reset may overtake what was written
                self.drop()
        self.wfile.write(b"0\r\n\r\n")


def capabilities(repl):
    yes, no = {"supported": True}, {"supported": False}
    return {"code_execution": yes if repl else no, "server_tools": {"supported": True, "code_execution": yes}, "effort": {**yes, "low": yes}}


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.tricks, self.place = Tricks(), Place()
        self.models = {m: {"id": m, "type": "model", "display_name": m, "capabilities": capabilities(m != "claude-haiku-4-5")}
                       for m in ("claude-haiku-5-5", "claude-opus-5-5", "claude-haiku-4-5")}
        self.models["claude-old-1"] = {"id": "claude-old-1", "type": "model", "display_name": "old", "capabilities": {
            "code_execution": {"supported": False}, "server_tools": {"supported": False, "code_execution": {"supported": False}}}}
        self.place.models = self.models

    def handle_error(self, request, client_address):
        if os.environ.get("CLAUDE_SERVER_DEBUG"):
            super().handle_error(request, client_address)


def obey(server, m):
    place = server.place
    if m.get("ask") == "stats":
        return {"requests": server.tricks.requests, "bodies": server.tricks.bodies, "commands": place.commands, "codes": place.codes,
                "containers": list(place.containers), "made": place.made, "files": sorted(place.files)}
    if m.get("ask") == "forget":
        server.tricks.forget()
        place.commands.clear()
        place.codes.clear()
    elif m.get("ask") == "expire":
        place.expire()
    elif m.get("ask") == "restart":
        place.restart()
    elif "recite" in m:
        place.recites = m["recite"]
    elif "types" in m:
        place.types = m["types"] or TYPES
    elif "cell_s" in m:
        place.cell_s = m["cell_s"] or CELL_S
    elif "words" in m:
        place.words = m["words"]
    else:
        server.tricks.add(m)
    return {}


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--life", type=float, default=280)
    p.add_argument("--keepalive", default=None, help="of other servers: nothing here")
    a = p.parse_args()
    server = Server()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    end = threading.Timer(a.life, os._exit, [3])
    end.daemon = True
    end.start()
    print(server.server_port, KEY, flush=True)
    for line in sys.stdin:
        print(json.dumps(obey(server, json.loads(line))), flush=True)
    server.place.expire()
    os._exit(0)


main()
