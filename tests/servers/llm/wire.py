"""What the model servers have in common: HTTP on loopback, and the scenarios that mean the same in every dialect. Standard library
only."""
import gzip
import json
import os
import threading
import time

KEY = "sk-ant-test-0123456789"


def sse(body, **headers):
    return 200, {"content-type": "text/event-stream", **headers}, body


class Api:
    """A dialect gives PROPOSAL and FINISH (streams), LAST (where the proof of its end begins), conversation(turn), check(headers,
    body) and refusal(status, kind, message, **headers)."""

    def __init__(self, scenario, arg):
        self.scenario, self.arg, self.turn, self.lock = scenario, arg, 0, threading.Lock()
        self.log = open(os.environ["LLM_LOG"], "a") if os.environ.get("LLM_LOG") else None

    def answer(self, conn, headers, raw):
        with self.lock:
            turn, self.turn = self.turn, self.turn + 1
        body, self.size = json.loads(raw), len(raw)
        if self.log:
            seen = {k: v for k, v in headers.items() if KEY not in v}
            self.log.write(json.dumps({"turn": turn, "headers": seen, "body": body}) + "\n")
            self.log.flush()
        wrong = self.check(headers, body)
        if wrong:
            return self.send(conn, *wrong)
        self.system = json.dumps(body.get("system") or body["messages"][0])
        getattr(self, "do_" + self.scenario)(conn, turn)

    def send(self, conn, status, headers, body, length=None):
        head = "HTTP/1.1 %d X\r\nrequest-id: req_test\r\nconnection: close\r\n" % status
        for k, v in headers.items():
            head += "%s: %s\r\n" % (k, v)
        if length != -1:
            head += "content-length: %d\r\n" % (len(body) if length is None else length)
        conn.sendall(head.encode() + b"\r\n" + body)

    def stream(self, conn, body, step=0):
        conn.sendall(b"HTTP/1.1 200 OK\r\nrequest-id: req_test\r\ncontent-type: text/event-stream\r\n"
                     b"transfer-encoding: chunked\r\nconnection: close\r\n\r\n")
        step = step or len(body)
        for k in range(0, len(body), step):
            part = body[k:k + step]
            conn.sendall(b"%x\r\n%s\r\n" % (len(part), part))
        conn.sendall(b"0\r\n\r\n")

    def before_last(self):
        return self.PROPOSAL[:self.PROPOSAL.index(self.LAST)]

    # -- servers that behave

    def do_conversation(self, conn, turn):
        self.stream(conn, self.conversation(turn))

    def do_slow_code(self, conn, turn):
        """Half of the code, until the test says go on by a file."""
        if turn > 0:
            return self.stream(conn, self.FINISH)
        whole = self.slow_code()
        at = whole.index(b"seco")
        conn.sendall(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n")
        conn.sendall(b"%x\r\n%s\r\n" % (at, whole[:at]))
        until = time.monotonic() + 20
        while not os.path.exists(self.arg) and time.monotonic() < until:
            time.sleep(0.02)
        conn.sendall(b"%x\r\n%s\r\n0\r\n\r\n" % (len(whole) - at, whole[at:]))

    def proposal_then_finish(self, conn, turn, first, **kw):
        self.stream(conn, first if turn == 0 else self.FINISH, **kw)

    def do_proposal(self, conn, turn):
        self.proposal_then_finish(conn, turn, self.PROPOSAL)

    def do_bytes(self, conn, turn):
        self.proposal_then_finish(conn, turn, self.PROPOSAL, step=1)

    def do_crlf(self, conn, turn):
        self.proposal_then_finish(conn, turn, b"\xef\xbb\xbf: hi\r\n" + self.PROPOSAL.replace(b"\n", b"\r\n"))

    def do_gzip(self, conn, turn):
        self.send(conn, *sse(gzip.compress(self.PROPOSAL if turn == 0 else self.FINISH), **{"content-encoding": "gzip"}))

    def do_stays_open(self, conn, turn):
        self.send(conn, *sse(self.PROPOSAL if turn == 0 else self.FINISH), length=-1)
        time.sleep(20)

    def do_storm(self, conn, turn):
        n = int(self.arg or 2)
        if turn < n:
            return self.send(conn, *self.refusal(529, "overloaded_error", "Overloaded"))
        self.stream(conn, self.PROPOSAL if turn == n else self.FINISH)

    def do_rate(self, conn, turn):
        if turn == 0:
            return self.send(conn, *self.refusal(429, "rate_limit_error", "Slow down", retry_after="1"))
        self.stream(conn, self.PROPOSAL if turn == 1 else self.FINISH)

    def do_fails_once(self, conn, turn):
        if turn == 0:
            return self.send(conn, *self.refusal(int(self.arg), "api_error"))
        self.stream(conn, self.PROPOSAL if turn == 1 else self.FINISH)

    # -- nothing of what follows may lead to a proposal

    def do_cut(self, conn, turn):
        self.send(conn, *sse(self.PROPOSAL[:int(self.arg)]), length=len(self.PROPOSAL))

    def do_cut_each(self, conn, turn):
        """A new cut with every request, ARG bytes apart."""
        whole = self.PROPOSAL[:-1]
        self.send(conn, *sse(whole[:turn * int(self.arg) % len(whole)]), length=len(self.PROPOSAL))

    def do_short(self, conn, turn):
        self.stream(conn, self.before_last())

    def do_status(self, conn, turn):
        self.send(conn, *self.refusal(int(self.arg), "some_error", "no \x1b[31m" + KEY))

    def do_html(self, conn, turn):
        self.send(conn, 413, {"content-type": "text/html"}, b"<html>too large</html>")

    def do_html_200(self, conn, turn):
        self.send(conn, 200, {"content-type": "text/html"}, b"<html>log in first</html>")

    def do_no_body(self, conn, turn):
        self.send(conn, 500, {}, b"")

    def do_redirect(self, conn, turn):
        self.send(conn, 307, {"location": "http://127.0.0.1:9" + self.PATH}, b"")

    def do_latin1(self, conn, turn):
        self.stream(conn, self.PROPOSAL.replace(b"Here", b"Her\xff"))

    def do_no_http(self, conn, turn):
        conn.sendall(b"\x00\x01garbage\r\n\r\n")

    def do_closes(self, conn, turn):
        pass

    def do_hang(self, conn, turn):
        time.sleep(15)

    def do_stall(self, conn, turn):
        self.send(conn, *sse(self.PROPOSAL[:len(self.PROPOSAL) // 2]), length=len(self.PROPOSAL))
        time.sleep(15)

    def do_bomb(self, conn, turn):
        self.send(conn, *sse(gzip.compress(b": " + b" " * (60 << 20)), **{"content-encoding": "gzip"}))

    def do_bad_gzip(self, conn, turn):
        self.send(conn, *sse(gzip.compress(self.PROPOSAL)[:200], **{"content-encoding": "gzip"}))


def read_request(conn):
    data = b""
    while b"\r\n\r\n" not in data:
        got = conn.recv(65536)
        if not got:
            return None
        data += got
    head, _, body = data.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    headers = {k.lower(): v.strip() for k, v in (line.split(":", 1) for line in lines[1:])}
    while len(body) < int(headers.get("content-length", 0)):
        got = conn.recv(65536)
        if not got:
            return None
        body += got
    method, path, _ = lines[0].split(" ", 2)
    return method, path, headers, body
