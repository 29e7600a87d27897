#!/usr/bin/python3
"""Managed Agents on loopback: agents, environments, files, sessions with a gate, events. Standard library and bubblewrap only.

    server.py [--life S] [--keepalive S]

prints "PORT KEY" on the first line of stdout. Lines on stdin are JSON, each answered by one line:

    {"ask": "stats"}              what happened so far        {"ask": "forget"}   scripts, lies, faults, counts
    {"model": ["alter", "good"]}  what the model does the next times it is asked (session.py, say_*); "after": [...] behind a result
    {"lie": ["network"]}          what the server makes is other than asked for: tools network other-agent; or it does what it must
                                  not: denied-runs double cut-result other-run other-code
    {"record": true}              commands are decoded and recorded, not executed
    {"on": "POST /v1/sessions", "do": WHAT, "skip": N, "times": N, ...}   a fault: status (status, body, headers) · reset · after (do it,
                                  then reset) · cut (a stream, after `events` of them and `bytes` more)

Ends with its stdin.
"""
import argparse
import json
import os
import re
import secrets
import socket
import struct
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from session import NOW, Session, fresh

KEY = "sk-ant-test-" + secrets.token_hex(16)
BETA = "managed-agents-2026-04-01"


class Dropped(Exception):
    """The connection goes now, without another word."""


class Refusal(Exception):
    def __init__(self, status, kind, message):
        super().__init__(message)
        self.status, self.kind, self.message = status, kind, message


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def drop(self):
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raise Dropped

    def answer(self, status, body, headers=None):
        self.send_response(status)
        for k, v in {"request-id": fresh("req"), "Content-Type": "application/json", **(headers or {})}.items():
            self.send_header(k, v)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def serve(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        srv = self.server
        try:
            f = self.fault = srv.meet(self.command, self.path)
            if f is not None and f["do"] == "status":
                return self.answer(f["status"], f.get("body", "").encode(), f.get("headers"))
            if f is not None and f["do"] == "reset":
                self.drop()
            self.check()
            value = self.route(body)
            if f is not None and f["do"] == "after":
                self.drop()
            if value is not None:
                self.answer(200, json.dumps(value).encode())
        except Refusal as r:
            self.answer(r.status, json.dumps({"type": "error", "error": {"type": r.kind, "message": r.message}, "request_id": "req_x"}).encode())
        except (Dropped, BrokenPipeError, ConnectionResetError):
            self.close_connection = True
        return None

    do_GET = do_POST = do_DELETE = serve

    def check(self):
        given = self.headers.get("x-api-key") or (self.headers.get("authorization") or "").removeprefix("Bearer ")
        if given != KEY:
            raise Refusal(401, "authentication_error", "invalid x-api-key")
        if self.headers.get("anthropic-version") not in ("2023-06-01", "2026-10-21"):
            raise Refusal(400, "invalid_request_error", "anthropic-version: header is required")
        if not self.path.startswith("/v1/files") and BETA not in (self.headers.get("anthropic-beta") or "").split(","):
            raise Refusal(400, "invalid_request_error", "this endpoint needs anthropic-beta: " + BETA)

    # -- routing

    def route(self, raw):
        url = urlsplit(self.path)
        parts, query = url.path.strip("/").split("/")[1:], parse_qs(url.query)
        if parts == ["files"] and self.command == "POST":
            return self.upload(raw)
        body = json.loads(raw) if raw else {}
        name = self.command.lower() + "_" + "_".join(p if i % 2 == 0 else "x" for i, p in enumerate(parts))
        handler = getattr(self, name.replace("events_x", "events_stream") if parts[-1] == "stream" else name, None)
        if handler is None:
            raise Refusal(404, "not_found_error", "no such path")
        return handler(parts, query, body)

    def upload(self, raw):
        boundary = re.search("boundary=([^;]+)", self.headers["Content-Type"]).group(1).strip('"').encode()
        for part in raw.split(b"--" + boundary)[1:-1]:
            head, _, data = part.partition(b"\r\n\r\n")
            if b'name="file"' in head:
                file_id = fresh("file")
                self.server.files[file_id] = data[:-2]
                return {"id": file_id, "type": "file", "filename": "x", "mime_type": "text/plain", "size_bytes": len(data) - 2, "created_at": NOW,
                        "downloadable": False, "expires_at": None}
        raise Refusal(400, "invalid_request_error", "file: Field required")

    def delete_files_x(self, parts, _query, _body):
        if self.server.files.pop(parts[1], None) is None:
            raise Refusal(404, "not_found_error", "no such file")
        return {"id": parts[1], "type": "file_deleted"}

    # -- agents, environments

    def post_agents(self, _parts, _query, body):
        tools = []
        for t in body.get("tools", []):
            default = {"enabled": True, "permission_policy": {"type": "always_allow"}, **t.get("default_config", {})}
            tools.append({"type": t["type"], "default_config": default,
                          "configs": [{"enabled": default["enabled"], "permission_policy": default["permission_policy"], **c} for c in t.get("configs", [])]})
        agent = {"id": fresh("agent"), "type": "agent", "version": 1, "name": body["name"], "model": {"id": body["model"], "speed": "standard"},
                 "system": body.get("system"), "description": None, "tools": tools, "mcp_servers": [], "skills": [], "multiagent": None,
                 "metadata": body.get("metadata", {}), "created_at": NOW, "updated_at": NOW, "archived_at": None}
        self.server.agents[agent["id"]] = agent
        return agent

    def post_agents_x_archive(self, parts, _query, _body):
        agent = self.server.agents.pop(parts[1], None)
        if agent is None:
            raise Refusal(404, "not_found_error", "no such agent")
        return {**agent, "archived_at": NOW}

    def post_environments(self, _parts, _query, body):
        net = {"type": "unrestricted", **body.get("config", {}).get("networking", {})}
        if net["type"] == "limited":
            net = {"allowed_hosts": [], "allow_package_managers": False, "allow_mcp_servers": False, **net}
        if "network" in self.server.lies:
            net = {"type": "unrestricted"}
        env = {"id": fresh("env"), "type": "environment", "name": body["name"], "metadata": body.get("metadata", {}), "created_at": NOW,
               "config": {"type": "cloud", "networking": net, "packages": {}}}
        self.server.environments[env["id"]] = env
        return env

    def delete_environments_x(self, parts, _query, _body):
        if self.server.environments.pop(parts[1], None) is None:
            raise Refusal(404, "not_found_error", "no such environment")
        return {"id": parts[1], "type": "environment_deleted"}

    # -- sessions

    def post_sessions(self, _parts, _query, body):
        ref, srv = body["agent"], self.server
        agent = srv.agents.get(ref if isinstance(ref, str) else ref["id"])
        if agent is None or body["environment_id"] not in srv.environments:
            raise Refusal(404, "not_found_error", "no such agent or environment")
        for f in body.get("resources", []):
            if f["file_id"] not in srv.files:
                raise Refusal(400, "invalid_request_error", "no such file")
        s = Session(srv, body, agent)
        srv.sessions[s.id] = s
        srv.created += 1
        for ev in body.get("initial_events", []):
            s.take(ev)
        return s.show()

    def session(self, parts):
        s = self.server.sessions.get(parts[1])
        if s is None:
            raise Refusal(404, "not_found_error", "no such session")
        return s

    def get_sessions(self, _parts, query, _body):
        agent, page = query.get("agent_id", [None])[0], int(query.get("page", ["0"])[0])
        found = [s.show() for s in self.server.sessions.values() if agent in (None, s.agent["id"])]
        more = len(found) > page + 2  # small pages, to be read to their end
        return {"data": found[page:page + 2], "next_page": str(page + 2) if more else None, "prev_page": None}

    def get_sessions_x(self, parts, _query, _body):
        return self.session(parts).show()

    def delete_sessions_x(self, parts, _query, _body):
        s = self.session(parts)
        if s.status == "running":
            raise Refusal(400, "invalid_request_error", "session is running: interrupt it first")
        del self.server.sessions[s.id]
        s.close()
        return {"id": s.id, "type": "session_deleted"}

    def post_sessions_x_archive(self, parts, _query, _body):
        return {**self.session(parts).show(), "archived_at": NOW}

    # -- events

    def post_sessions_x_events(self, parts, _query, body):
        s = self.session(parts)
        for ev in body["events"]:
            s.take(ev)
        return {"data": [{**ev, "id": fresh("sevt")} for ev in body["events"]]}

    def get_sessions_x_events(self, parts, query, _body):
        s, page, limit = self.session(parts), int(query.get("page", ["0"])[0]), min(int(query.get("limit", ["20"])[0]), 5)
        events = list(s.events) if query.get("order", ["asc"])[0] == "asc" else list(reversed(s.events))
        more = len(events) > page + limit
        return {"data": events[page:page + limit], "next_page": str(page + limit) if more else None}

    def get_sessions_x_events_stream(self, parts, _query, _body):
        s, f = self.session(parts), self.fault
        at = len(s.events)
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        told = 0
        while not s.ended:
            with s.changed:
                s.changed.wait_for(lambda: len(s.events) > at or s.ended, self.server.keepalive)
                fresh_ones = s.events[at:]
                at = len(s.events)
            if not fresh_ones:
                self.wfile.write(b"d\r\n: keepalive\n\n\r\n")
            for ev in fresh_ones:
                data = ("event: %s\ndata: %s\n\n" % (ev["type"], json.dumps(ev))).encode()
                if f is not None and f["do"] == "cut" and told == f["events"]:
                    part = data[:f.get("bytes", 0)]
                    if part:
                        self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
                        self.wfile.flush()
                        time.sleep(0.02)
                    self.drop()
                size = self.server.split or len(data)
                for i in range(0, len(data), size):
                    part = data[i:i + size]
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
                told += 1
        self.wfile.write(b"0\r\n\r\n")


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, keepalive):
        super().__init__(("127.0.0.1", 0), Handler)
        self.keepalive = keepalive
        self.lock, self.faults, self.split = threading.Lock(), [], 0
        self.agents, self.environments, self.files, self.sessions = {}, {}, {}, {}
        self.forget()

    def handle_error(self, request, client_address):
        if os.environ.get("CLAUDE_SERVER_DEBUG"):
            super().handle_error(request, client_address)

    def forget(self):
        self.faults, self.requests, self.lies, self.scripts = [], [], [], {"first": [], "after": []}
        self.executed, self.codes, self.confirmed, self.created, self.recording, self.split = [], [], [], 0, False, 0

    def next_word(self, where):
        with self.lock:
            return self.scripts[where].pop(0) if self.scripts[where] else "good"

    def meet(self, method, path):
        name = "%s %s" % (method, re.sub(r"/(sesn|env|agent|file)_[^/]+", "/ID", path.split("?")[0]))
        with self.lock:
            self.requests.append(name)
            for f in self.faults:
                if re.fullmatch(f["on"], name):
                    if f["skip"] > 0:
                        f["skip"] -= 1
                    elif f["times"] > 0:
                        f["times"] -= 1
                        return f
        return None

    def stats(self):
        return {"alive": {s.id: s.body.get("metadata", {}) for s in self.sessions.values()}, "created": self.created, "executed": self.executed,
                "codes": self.codes, "confirmed": self.confirmed, "requests": self.requests, "agents": len(self.agents),
                "environments": len(self.environments), "files": len(self.files),
                "budgets": [s.body.get("budget") for s in self.sessions.values()]}


def obey(server, m):
    if m.get("ask") == "stats":
        return server.stats()
    if m.get("ask") == "forget":
        server.forget()
    elif "model" in m or "after" in m:
        server.scripts = {"first": list(m.get("model", [])), "after": list(m.get("after", []))}
    elif "lie" in m:
        server.lies = m["lie"]
    elif "record" in m:
        server.recording = m["record"]
    elif "split" in m:
        server.split = m["split"]
    else:
        with server.lock:
            server.faults.append({"skip": 0, "times": 1, **m})
    return {}


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--life", type=float, default=280)
    p.add_argument("--keepalive", type=float, default=5.0)
    a = p.parse_args()
    server = Server(a.keepalive)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    end = threading.Timer(a.life, os._exit, [3])
    end.daemon = True
    end.start()
    print(server.server_port, KEY, flush=True)
    for line in sys.stdin:
        print(json.dumps(obey(server, json.loads(line))), flush=True)
    for s in list(server.sessions.values()):
        s.close()
    os._exit(0)


main()
