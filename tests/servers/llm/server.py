#!/usr/bin/python3
"""A Messages API on loopback: scripted conversations, and faults by name. Standard library only.

    server.py SCENARIO [ARG]

prints its port on the first line of stdout and ends when its stdin does, or after LIFE seconds. Each request is checked by the
rules of the API (headers, order of calls and results); what breaks them is answered 400. Requests are written to the file named by
LLM_LOG, one JSON object a line, if that is set.
"""
import gzip
import json
import os
import socket
import sys
import threading
import time

LIFE = 120
KEY = "sk-ant-test-0123456789"
MODEL = "claude-opus-5-5"


def event(data):
    return ("event: %s\ndata: %s\n\n" % (data["type"], json.dumps(data))).encode()


def start(tokens=1000):
    return event({"type": "message_start", "message": {"id": "msg_1", "type": "message", "role": "assistant", "model": MODEL,
                  "content": [], "stop_reason": None, "usage": {"input_tokens": tokens, "output_tokens": 1}}})


def block(i, head, deltas):
    out = event({"type": "content_block_start", "index": i, "content_block": head})
    for d in deltas:
        out += event({"type": "content_block_delta", "index": i, "delta": d})
    return out + event({"type": "content_block_stop", "index": i})


def text(i, words):
    return block(i, {"type": "text", "text": "", "citations": None}, [{"type": "text_delta", "text": words}])


def thinking(i, words, signature):
    return block(i, {"type": "thinking", "thinking": "", "signature": ""},
                 [{"type": "thinking_delta", "thinking": words}, {"type": "signature_delta", "signature": signature}])


def call(i, call_id, name, value, size=7, raw=None):
    whole = raw if raw is not None else json.dumps(value)
    parts = [whole[k:k + size] for k in range(0, len(whole), size)]
    return block(i, {"type": "tool_use", "id": call_id, "name": name, "input": {}, "caller": {"type": "direct"}},
                 [{"type": "input_json_delta", "partial_json": p} for p in [""] + parts])


def end(stop, tokens=50, **more):
    return event({"type": "message_delta", "delta": {"stop_reason": stop, "stop_sequence": None, **more},
                  "usage": {"output_tokens": tokens}}) + event({"type": "message_stop"})


def execute(i, call_id, code, step="1", expect=(), language="python"):
    return call(i, call_id, "execute_code",
                {"language": language, "purpose": "find the answer", "step": step, "expect": list(expect), "code": code})


def plan(i, call_id, status="active"):
    return call(i, call_id, "update_plan", {"steps": [{"id": "1", "title": "Compute the answer", "status": status}]})


PROPOSAL = start() + thinking(0, "I think \u00e9\U0001f600.", "c2lnbmF0dXJl") + text(1, "Here is the code.") + \
    execute(2, "toolu_1", "print(6*7)  # \u00e9\U0001f600\n") + end("tool_use")
FINISH = start() + call(0, "toolu_f", "finish", {"answer": "It is 42.", "evidence": ["run 2 printed 42"]}) + end("tool_use")


# ---- what is answered: bytes of a stream, or (status, headers, body)

def conversation(turn):
    """Plan, a failed attempt, a second one that holds, an answer."""
    return [
        start() + thinking(0, "First a plan.", "c2lnMQ==") + text(1, "I will compute it.") + plan(2, "toolu_p1") + end("tool_use"),
        start() + execute(0, "toolu_a1", "print(6*7-1)\n", expect=["exit 0", "stdout contains 42"]) + end("tool_use"),
        start() + thinking(0, "Off by one.", "c2lnMg==") +
        execute(1, "toolu_a2", "answer = 6 * 7\nprint(answer)\n", expect=["exit 0", "stdout contains 42"]) + end("tool_use"),
        start() + plan(0, "toolu_p2", "done") + end("tool_use"),
        FINISH,
    ][min(turn, 4)]


def refusal(status, kind, message="Sorry", **headers):
    body = json.dumps({"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_body"}).encode()
    return status, {"content-type": "application/json", **{k.replace("_", "-"): v for k, v in headers.items()}}, body


def sse(body, **headers):
    return 200, {"content-type": "text/event-stream", **headers}, body


class Api:
    def __init__(self, scenario, arg):
        self.scenario, self.arg, self.turn, self.lock = scenario, arg, 0, threading.Lock()
        self.log = open(os.environ["LLM_LOG"], "a") if os.environ.get("LLM_LOG") else None

    # -- the rules of the API

    def check(self, headers, body):
        if headers.get("x-api-key") != KEY and headers.get("authorization") != "Bearer " + KEY:
            return refusal(401, "authentication_error", "invalid x-api-key")
        if "anthropic-version" not in headers:
            return refusal(400, "invalid_request_error", "anthropic-version: header is required")
        problem = self.check_body(body)
        return refusal(400, "invalid_request_error", problem) if problem else None

    def check_body(self, body):
        names = [t["name"] for t in body["tools"]]
        if names != ["execute_code", "update_plan", "finish"] or any("type" in t for t in body["tools"]):
            return "tools: only the three client tools"
        if not body.get("stream") or not body.get("max_tokens"):
            return "stream, max_tokens"
        if body["tool_choice"] != {"type": "auto", "disable_parallel_tool_use": True}:
            return "tool_choice"
        if any(k in body for k in ("temperature", "top_p", "top_k")):
            return "sampling parameters"
        open_calls, role = [], "assistant"
        for m in body["messages"]:
            if m["role"] == role:
                return "roles must alternate"
            role = m["role"]
            if not m["content"]:
                return "messages: content must not be empty"
            results = [b["tool_use_id"] for b in m["content"] if b["type"] == "tool_result"]
            if role == "user" and results != open_calls:
                return "`tool_use` ids were found without `tool_result` blocks immediately after: %s" % open_calls
            if role == "user" and [b["type"] for b in m["content"]][:len(results)] != ["tool_result"] * len(results):
                return "results come first"
            if any(b["type"] == "text" and not b["text"] for b in m["content"]):
                return "text content blocks must be non-empty"
            for b in m["content"]:
                if b["type"] == "thinking" and b["signature"] not in ("c2lnMQ==", "c2lnMg==", "c2lnbmF0dXJl"):
                    return "`thinking` blocks cannot be modified"
            open_calls = [b["id"] for b in m["content"] if b["type"] == "tool_use"] if role == "assistant" else []
        if role != "user" and self.scenario != "pause_turn":
            return "This model does not support assistant message prefill."
        return None

    # -- scenarios

    def answer(self, conn, headers, raw):
        with self.lock:
            turn, self.turn = self.turn, self.turn + 1
        body = json.loads(raw)
        if self.log:
            self.log.write(json.dumps({"turn": turn, "body": body}) + "\n")
            self.log.flush()
        wrong = self.check(headers, body)
        if wrong:
            return self.send(conn, *wrong)
        getattr(self, "do_" + self.scenario)(conn, turn)

    def send(self, conn, status, headers, body, length=None):
        head = "HTTP/1.1 %d X\r\nrequest-id: req_test\r\nconnection: close\r\n" % status
        for k, v in headers.items():
            head += "%s: %s\r\n" % (k, v)
        if length != -1:
            head += "content-length: %d\r\n" % (len(body) if length is None else length)
        conn.sendall(head.encode() + b"\r\n" + body)

    def stream(self, conn, body, step=0, wait=0.0):
        conn.sendall(b"HTTP/1.1 200 OK\r\nrequest-id: req_test\r\ncontent-type: text/event-stream\r\n"
                     b"transfer-encoding: chunked\r\nconnection: close\r\n\r\n")
        step = step or len(body)
        for k in range(0, len(body), step):
            part = body[k:k + step]
            conn.sendall(b"%x\r\n%s\r\n" % (len(part), part))
            if wait:
                time.sleep(wait)
        conn.sendall(b"0\r\n\r\n")

    def do_conversation(self, conn, turn):
        self.stream(conn, conversation(turn))

    def do_slow_code(self, conn, turn):
        """Half of the code, until the test says go on by a file."""
        whole = start() + text(0, "Writing it.") + execute(1, "toolu_1", "first_half = 1\nsecond_half = 2\nprint(first_half)\n") + \
            end("tool_use")
        if turn > 0:
            return self.stream(conn, FINISH)
        at = whole.index(b"second_half"[:4])
        conn.sendall(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n")
        conn.sendall(b"%x\r\n%s\r\n" % (at, whole[:at]))
        until = time.monotonic() + 20
        while not os.path.exists(self.arg) and time.monotonic() < until:
            time.sleep(0.02)
        conn.sendall(b"%x\r\n%s\r\n0\r\n\r\n" % (len(whole) - at, whole[at:]))

    def proposal_then_finish(self, conn, turn, first, **kw):
        self.stream(conn, first if turn == 0 else FINISH, **kw)

    def do_proposal(self, conn, turn):
        self.proposal_then_finish(conn, turn, PROPOSAL)

    def do_bytes(self, conn, turn):
        self.proposal_then_finish(conn, turn, PROPOSAL, step=1)

    def do_crlf(self, conn, turn):
        self.proposal_then_finish(conn, turn, b"\xef\xbb\xbf: hi\r\n" + PROPOSAL.replace(b"\n", b"\r\n"))

    def do_pings(self, conn, turn):
        self.proposal_then_finish(conn, turn, PROPOSAL.replace(b"event: content", event({"type": "ping"}) * 30 + b"event: content"))

    def do_unknown(self, conn, turn):
        new = event({"type": "brand_new", "x": 1}) + block(9, {"type": "mystery", "data": [1]}, [{"type": "mystery_delta", "q": 2}])
        server = block(8, {"type": "server_tool_use", "id": "srvtoolu_1", "name": "execute_code", "input": {}},
                       [{"type": "input_json_delta", "partial_json": '{"code":"evil()"}'}])
        i = PROPOSAL.index(b"event: message_delta")
        self.proposal_then_finish(conn, turn, PROPOSAL[:i] + new + server + PROPOSAL[i:])

    def do_parallel(self, conn, turn):
        two = start() + execute(0, "toolu_1", "print(1)\n") + execute(1, "toolu_2", "print(2)\n") + end("tool_use")
        self.proposal_then_finish(conn, turn, two)

    def do_gzip(self, conn, turn):
        self.send(conn, *sse(gzip.compress(PROPOSAL if turn == 0 else FINISH), **{"content-encoding": "gzip"}))

    def do_stays_open(self, conn, turn):
        self.send(conn, *sse(PROPOSAL if turn == 0 else FINISH), length=-1)
        time.sleep(20)

    def do_storm(self, conn, turn):
        n = int(self.arg or 2)
        if turn < n:
            return self.send(conn, *refusal(529, "overloaded_error", "Overloaded"))
        self.stream(conn, PROPOSAL if turn == n else FINISH)

    def do_rate(self, conn, turn):
        if turn == 0:
            return self.send(conn, *refusal(429, "rate_limit_error", "Slow down", retry_after="1"))
        self.stream(conn, PROPOSAL if turn == 1 else FINISH)

    def do_fails_once(self, conn, turn):
        if turn == 0:
            return self.send(conn, *refusal(int(self.arg), "api_error"))
        self.stream(conn, PROPOSAL if turn == 1 else FINISH)

    # -- nothing of what follows may lead to a proposal

    def do_cut(self, conn, turn):
        """A new cut with every request, from the ARG-th byte on, `step` apart."""
        self.send(conn, *sse(PROPOSAL[:int(self.arg)]), length=len(PROPOSAL))

    def do_cut_each(self, conn, turn):
        at = turn * int(self.arg)
        whole = PROPOSAL[:-1]
        self.send(conn, *sse(whole[:at % len(whole)]), length=len(PROPOSAL))

    def do_short(self, conn, turn):
        self.stream(conn, PROPOSAL[:PROPOSAL.index(b"event: message_delta")])

    def do_no_stop_event(self, conn, turn):
        self.stream(conn, PROPOSAL[:PROPOSAL.index(b"event: message_stop")])

    def do_status(self, conn, turn):
        self.send(conn, *refusal(int(self.arg), "some_error", "no \x1b[31m" + KEY))

    def do_html(self, conn, turn):
        self.send(conn, 413, {"content-type": "text/html"}, b"<html>too large</html>")

    def do_redirect(self, conn, turn):
        self.send(conn, 307, {"location": "http://127.0.0.1:9/v1/messages"}, b"")

    def do_malformed(self, conn, turn):
        self.stream(conn, PROPOSAL.replace(b'"index": 2', b'"index": 2,,', 1))

    def do_latin1(self, conn, turn):
        self.stream(conn, PROPOSAL.replace(b"Here is", b"Here \xff"))

    def do_no_http(self, conn, turn):
        conn.sendall(b"\x00\x01garbage\r\n\r\n")

    def do_hang(self, conn, turn):
        time.sleep(15)

    def do_stall(self, conn, turn):
        self.send(conn, *sse(PROPOSAL[:len(PROPOSAL) // 2]), length=len(PROPOSAL))
        time.sleep(15)

    def do_endless_line(self, conn, turn):
        self.send(conn, *sse(start() + b"data: " + b"x" * (3 << 20)), length=-1)

    def do_endless_code(self, conn, turn):
        head = event({"type": "content_block_start", "index": 0, "content_block": {"type": "tool_use", "id": "t", "name": "execute_code", "input": {}}})
        more = event({"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": "x" * 200000}})
        self.send(conn, *sse(start() + head), length=-1)
        for _ in range(100):
            conn.sendall(more)

    def do_bomb(self, conn, turn):
        self.send(conn, *sse(gzip.compress(b": " + b" " * (60 << 20)), **{"content-encoding": "gzip"}))

    def do_error_event(self, conn, turn):
        i = PROPOSAL.index(b"event: message_delta")
        kind = self.arg or "invalid_request_error"
        self.stream(conn, PROPOSAL[:i] + event({"type": "error", "error": {"type": kind, "message": "Overloaded"}}))

    def do_max_tokens(self, conn, turn):
        i = PROPOSAL.rindex(b"event: content_block_stop")
        self.stream(conn, PROPOSAL[:i] + end("max_tokens"))

    def do_refusal(self, conn, turn):
        self.stream(conn, PROPOSAL[:PROPOSAL.index(b"event: message_delta")] +
                    end("refusal", stop_details={"type": "refusal", "category": "cyber", "explanation": None}))

    def do_stop(self, conn, turn):
        """A call, and a stop reason that is not tool_use."""
        self.stream(conn, PROPOSAL[:PROPOSAL.index(b"event: message_delta")] + end(self.arg))

    def do_context(self, conn, turn):
        self.stream(conn, start() + text(0, "...") + end("model_context_window_exceeded"))

    def do_pause_turn(self, conn, turn):
        self.stream(conn, start() + text(0, "still at it") + end("pause_turn"))

    def do_empty(self, conn, turn):
        self.stream(conn, start() + end("end_turn", 2))

    def do_after_end(self, conn, turn):
        self.stream(conn, PROPOSAL + execute(5, "toolu_9", "evil()"))

    def do_no_reason(self, conn, turn):
        self.stream(conn, PROPOSAL.replace(b'"stop_reason": "tool_use"', b'"stop_reason": null'))

    def do_two_reasons(self, conn, turn):
        i = PROPOSAL.index(b"event: message_delta")
        self.stream(conn, PROPOSAL[:i] + end("end_turn").split(b"event: message_stop")[0] + PROPOSAL[i:])

    def do_open_block(self, conn, turn):
        i = PROPOSAL.rindex(b"event: content_block_stop")
        self.stream(conn, PROPOSAL[:i] + end("tool_use"))

    def do_no_start(self, conn, turn):
        self.stream(conn, PROPOSAL[len(start()):])

    def do_twice(self, conn, turn):
        self.stream(conn, PROPOSAL[:PROPOSAL.index(b"event: message_delta")] + execute(2, "toolu_2", "evil()") + end("tool_use"))

    def do_same_id(self, conn, turn):
        self.stream(conn, PROPOSAL[:PROPOSAL.index(b"event: message_delta")] + execute(3, "toolu_1", "evil()") + end("tool_use"))

    def do_bad_call(self, conn, turn):
        """Calls that can't be read: the model is told, nothing opens."""
        bad = ['{"language":"python","purpose":"x","code":"evil(', '[1]', '{"language":"python","purpose":"x"}',
               '{"language":"python","purpose":"x","code":7}', '{"language":"python","purpose":"x","code":""}',
               '{"language":"python","purpose":"x","code":"evil()","sudo":true}']
        if turn < len(bad):
            return self.stream(conn, start() + call(0, "toolu_b%d" % turn, "execute_code", None, raw=bad[turn]) + end("tool_use"))
        if turn == len(bad):
            return self.stream(conn, start() + call(0, "toolu_x", "bash", {"command": "evil"}) + end("tool_use"))
        self.stream(conn, FINISH)

    def do_plans_only(self, conn, turn):
        self.stream(conn, start() + plan(0, "toolu_p%d" % turn) + end("tool_use"))


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
    return headers, body


def serve(api, conn):
    try:
        conn.settimeout(30)
        request = read_request(conn)
        if request:
            api.answer(conn, *request)
    except OSError:
        pass
    finally:
        conn.close()


def main():
    api = Api(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "")
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
    threading.Timer(LIFE, lambda: os._exit(0)).start()
    while True:
        conn, _ = listener.accept()
        threading.Thread(target=serve, args=(api, conn), daemon=True).start()


if __name__ == "__main__":
    main()
