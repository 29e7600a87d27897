#!/usr/bin/python3
"""An E2B on loopback: control plane, code interpreter that executes Python, envd. Standard library and bubblewrap only.

    server.py [--keepalive S] [--v1] [--concurrent N] [--life S] [--transition S]

prints "API-PORT DATA-PORT KEY" on the first line of stdout. Lines on stdin are JSON: a fault to come, answered "{}", or
{"ask": "stats"}, answered with what happened so far ("forget": the faults; "expire": every sandbox ends now; "cap": so many may
run, "to"; "sweep": nothing is left). Ends with its stdin.

A fault is {"on": "POST /execute", "do": WHAT, "skip": N, "times": N, ...}: the first matching requests after `skip` meet it.
WHAT: status (status, body, headers) · reset · hang · after (do it, then reset) · after-hang (do it, then never answer) ·
cut (at: bytes of the body, or writes: messages of a stream) · end (no more after `at` bytes, but the body ends well) · replay (file or body, split: bytes a chunk,
at?) · slow (split).
"""
import argparse
import json
import os
import re
import socket
import struct
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import control
import envd
from box import Box, Gone

PORT_CODE, PORT_ENVD = "49999", "49983"


class Dropped(Exception):
    """The connection goes now, without another word."""


class Faults:
    def __init__(self):
        self.list, self.lock, self.requests = [], threading.Lock(), []

    def add(self, fault):
        with self.lock:
            self.list.append({"skip": 0, "times": 1, **fault})

    def meet(self, method, path):
        name = re.sub(r"/i[a-z0-9]{20}", "/ID", "%s %s" % (method, path.split("?")[0]))
        with self.lock:
            self.requests.append(name)
            for f in self.list:
                if not re.fullmatch(f["on"], name):
                    continue
                if f["skip"] > 0:
                    f["skip"] -= 1
                    continue
                if f["times"] == 0:
                    continue
                f["times"] -= 1
                return f
        return None


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    fault = guard = None

    def log_message(self, *_):
        pass

    # -- answering

    def answer(self, status, body=b"", headers=None, kind=None):
        fault = self.fault
        if fault is not None and fault["do"] == "after":
            self.drop()
        if fault is not None and fault["do"] == "after-hang":
            self.hang()
        if fault is not None and fault["do"] == "cut":
            head = "HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n" % (status, max(len(body), fault["at"] + 1))
            self.wfile.write(head.encode() + body[:fault["at"]])
            self.drop()
        self.send_response(status)
        for k, v in (headers or {}).items():
            self.send_header(k, v)
        if kind:
            self.send_header("Content-Type", kind)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def answer_json(self, status, value, headers=None):
        body = b"" if value is None else json.dumps(value).encode()
        self.answer(status, body, headers, "application/json")

    def begin_stream(self, kind=None):
        """A writer of chunks, which the fault may bend."""
        fault = self.fault or {"do": ""}
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        if kind:
            self.send_header("Content-Type", kind)
        self.end_headers()
        if fault["do"] in ("after", "empty"):
            self.drop()
        if fault["do"] == "replay-cut" and fault["at"] == 0:
            self.drop()
        self.sent = self.writes = 0

        box, epoch = self.guard or (None, 0)

        def write(data):
            if self.writes == fault.get("writes"):  # "cut" and "end" between two messages
                fault["at"] = self.sent
            self.writes += 1
            if box is not None and box.epoch != epoch:  # it was paused
                self.connection.shutdown(socket.SHUT_RDWR)
                raise ConnectionResetError
            left = fault.get("at", 1 << 60) - self.sent if fault["do"] in ("cut", "end", "stall", "replay-cut") else len(data)
            data, over = data[:left], len(data) > left
            size = fault.get("split") or len(data) or 1
            for i in range(0, len(data), size):
                part = data[i:i + size]
                self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
            self.sent += len(data)
            if over:
                if fault["do"] == "end":
                    self.end_stream()
                    self.close_connection = True
                if fault["do"] == "stall":
                    self.hang()
                self.drop(linger=fault["do"] == "end")

        return write

    def end_stream(self):
        self.wfile.write(b"0\r\n\r\n")

    def drop(self, linger=False):
        self.close_connection = True
        if not linger:
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

    # -- routing

    def serve(self):
        size = int(self.headers.get("Content-Length") or 0)
        body = self.read_chunks() if self.headers.get("Transfer-Encoding") == "chunked" else self.rfile.read(size)
        try:
            self.fault = f = self.server.faults.meet(self.command, self.path)
            if f is not None and f["do"] == "status":
                self.fault = None
                return self.answer(f["status"], f.get("body", "").encode(), f.get("headers"))
            if f is not None and f["do"] == "reset":
                self.drop()
            if f is not None and f["do"] == "hang":
                self.hang()
            if f is not None and f["do"] in ("replay", "replay-cut"):
                return self.replay(f)
            if f is not None and f["do"] == "slow":
                time.sleep(f["seconds"])
            self.route(body)
        except (Dropped, BrokenPipeError, ConnectionResetError):
            self.close_connection = True
        except Gone:
            self.close_connection = True
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    do_GET = do_POST = do_PUT = do_DELETE = serve

    def read_chunks(self):
        body = b""
        while True:
            size = int(self.rfile.readline().split(b";")[0], 16)
            body += self.rfile.read(size)
            self.rfile.readline()
            if size == 0:
                return body

    def replay(self, f):
        data = f["body"].encode() if "body" in f else open(f["file"], "rb").read()
        write = self.begin_stream()
        size = f.get("split") or len(data) or 1
        for i in range(0, len(data), size):
            write(data[i:i + size])
        if not data:
            self.drop()
        self.end_stream()

    def route(self, body):
        if self.server.is_api:
            try:
                status, value, headers = self.server.control.handle(self, self.path, json.loads(body) if body else {})
            except control.Refusal as r:
                return self.answer_json(r.status, r.body, r.headers)
            return self.answer_json(status, value, headers)
        sandbox_id, port = self.headers.get("E2b-Sandbox-Id"), self.headers.get("E2b-Sandbox-Port")
        if not sandbox_id or not port:
            return self.answer(400, b"missing header", kind="text/plain")
        s = self.server.control.sandboxes.get(sandbox_id)
        if s is None or s.state != "running":
            return self.edge(502, sandbox_id, "The sandbox was not found")
        if s.traffic and port != PORT_ENVD and self.headers.get("E2B-Traffic-Access-Token") != s.traffic:
            return self.edge(403, sandbox_id, "Sandbox is secured with traffic access token. Token header 'e2b-traffic-access-token' is "
                             "missing")
        self.guard = (s.box, s.box.epoch)
        if port == PORT_ENVD:
            return envd.route(s.envd, self, self.path, body)
        if port == PORT_CODE and s.interpreter is not None:
            return self.interpreter(s.interpreter, body)
        return self.edge(502, sandbox_id, "The sandbox is running but port is not open", port=int(port))

    def edge(self, status, sandbox_id, message, **more):
        self.answer_json(status, {"sandboxId": sandbox_id, "message": message, **more, "code": status})

    # -- the interpreter's HTTP

    def interpreter(self, it, raw):
        parts = self.path.split("?")[0].strip("/").split("/")
        if parts == ["health"]:
            return self.answer_json(200, "OK")
        if parts == ["execute"] and self.command == "POST":
            return self.execute(it, raw)
        if parts[0] != "contexts":
            return self.answer_json(404, {"detail": "Not Found"})
        if len(parts) == 1:
            return self.contexts(it, raw)
        c = it.contexts.get(parts[1])
        if c is None:
            return self.answer(404, ("Context %s not found" % parts[1]).encode(), kind="text/plain; charset=utf-8")
        if self.command == "DELETE":
            c.stop()
            del it.contexts[c.id]
        else:
            c.start()
        return self.answer_json(200, None) if False else self.answer(200, b"null", kind="application/json")

    def contexts(self, it, raw):
        if self.command == "GET":
            return self.answer_json(200, [{"id": c.id, "language": c.language, "cwd": c.cwd} for c in it.contexts.values()])
        m = json.loads(raw or b"{}")
        c = it.create(m.get("language") or "python", m.get("cwd") or "/home/user")
        if c is None:
            return self.answer(500, b'Failed to create context: {"message": "Unhandled error"}', kind="text/plain; charset=utf-8")
        return self.answer_json(200, {"id": c.id, "language": c.language, "cwd": c.cwd})

    def execute(self, it, raw):
        try:
            m = json.loads(raw)
        except ValueError:
            return self.answer_json(422, {"detail": [{"type": "json_invalid", "loc": ["body", 0], "msg": "JSON decode error", "input": {}}]})
        if not isinstance(m.get("code"), str):
            return self.answer_json(422, {"detail": [{"type": "missing", "loc": ["body", "code"], "msg": "Field required", "input": m}]})
        c = it.find(m)
        if isinstance(c, tuple):
            return self.answer(c[0], c[1].encode(), kind="text/plain; charset=utf-8")
        write = self.begin_stream()
        it.execute(c, m, self.headers.get("X-Access-Token"), write, self.connection)
        return self.end_stream()


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, is_api, ctl, faults):
        super().__init__(("127.0.0.1", 0), Handler)
        self.is_api, self.control, self.faults = is_api, ctl, faults

    def handle_error(self, request, client_address):
        if os.environ.get("E2B_SERVER_DEBUG"):
            super().handle_error(request, client_address)


def stats(ctl, faults):
    alive = {s.id: s.metadata for s in ctl.sandboxes.values()}
    made = [c for s in list(ctl.sandboxes.values()) if s.interpreter for c in s.interpreter.made]
    return {"alive": alive, "states": {s.id: s.state for s in ctl.sandboxes.values()}, "snapshots": list(ctl.snapshots),
            "created": ctl.created, "killed": ctl.killed, "codes": made, "requests": faults.requests,
            "networks": {s.id: [s.internet, s.network] for s in ctl.sandboxes.values()}}


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--keepalive", type=float, default=5.0)
    p.add_argument("--v1", action="store_true")
    p.add_argument("--concurrent", type=int, default=20)
    p.add_argument("--life", type=float, default=280)
    p.add_argument("--transition", type=float, default=0.0)
    a = p.parse_args()
    faults, ctl = Faults(), control.Control(a.keepalive, not a.v1, a.concurrent, a.transition)
    servers = [Server(True, ctl, faults), Server(False, ctl, faults)]
    for s in servers:
        threading.Thread(target=s.serve_forever, daemon=True).start()
    end = threading.Timer(a.life, os._exit, [3])
    end.daemon = True
    end.start()
    print(servers[0].server_port, servers[1].server_port, control.KEY, flush=True)
    for line in sys.stdin:
        m = json.loads(line)
        if m.get("ask") == "stats":
            print(json.dumps(stats(ctl, faults)), flush=True)
        elif m.get("ask") == "forget":
            with faults.lock:
                faults.list.clear()
                faults.requests.clear()
            print("{}", flush=True)
        elif m.get("ask") == "cap":
            ctl.concurrent = m["to"]
            print("{}", flush=True)
        elif m.get("ask") == "sweep":
            for s in list(ctl.sandboxes.values()):
                ctl.remove(s)
            ctl.snapshots.clear()
            print("{}", flush=True)
        elif m.get("ask") == "expire":
            for s in ctl.sandboxes.values():
                s.end_at = 0
            while any(s.state == "running" for s in ctl.sandboxes.values()):
                time.sleep(0.01)
            print("{}", flush=True)
        else:
            faults.add(m)
            print("{}", flush=True)
    control.MAKER.shutdown(wait=True, cancel_futures=True)
    for b in list(Box.all):
        b.close()
    os._exit(0)


main()
