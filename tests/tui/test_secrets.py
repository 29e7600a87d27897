"""The key of a planner, by every way into a sink: words of the person, of the model, of the server, output, names, errors.
What each test leaves behind, and what its children show of themselves, is searched after it (conftest.py). [SEC-4, SEC-6]"""
import http.server
import json
import os
import signal
import threading

import pytest

from conftest import CANARY, forms, holds_canary

KEY = CANARY.decode()
ENV = {"ANTHROPIC_API_KEY": KEY}
# The key is put together inside, as code that looks for secrets would.
CODE = """
import base64
k = %r + %r
print(k)
print(base64.b64encode(k.encode()).decode(), k.encode().hex(), base64.b64encode(b'xy' + k.encode()).decode())
globals()['v_' + k.replace('-', '_')] = k
open('f-' + k, 'w').write(k)
exec(k.split('-')[0] + '=k')
raise ValueError(k)
"""


class Echo(http.server.BaseHTTPRequestHandler):
    """A server that says the key back, in an error or in the words of a model."""

    how = "error"

    def log_message(self, *_):
        pass

    def do_POST(self):
        self.rfile.read(int(self.headers.get("content-length", 0)))
        key = self.headers.get("x-api-key", "")
        if self.how == "error":
            self.answer(401, "application/json", json.dumps(
                {"type": "error", "error": {"type": "authentication_error", "message": "no such key: " + key}}))
            return
        half = len(key) // 2
        events = [("message_start", {"message": {"id": "m", "type": "message", "role": "assistant", "model": "claude-x",
                                                 "content": [], "stop_reason": None,
                                                 "usage": {"input_tokens": 1, "output_tokens": 1}}}),
                  ("content_block_start", {"index": 0, "content_block": {"type": "text", "text": ""}})]
        for piece in ("Your key is ", key[:half], key[half:], ", all of it."):
            events.append(("content_block_delta", {"index": 0, "delta": {"type": "text_delta", "text": piece}}))
        events += [("content_block_stop", {"index": 0}),
                   ("message_delta", {"delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 9}}),
                   ("message_stop", {})]
        self.answer(200, "text/event-stream", "".join(
            "event: %s\ndata: %s\n\n" % (t, json.dumps({"type": t, **e})) for t, e in events))

    def answer(self, status, kind, text):
        body = text.encode()
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def server(request):
    handler = type("Handler", (Echo,), {"how": request.param})
    s = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=s.serve_forever, daemon=True).start()
    yield {**ENV, "ANTHROPIC_BASE_URL": "http://127.0.0.1:%d" % s.server_address[1]}
    s.shutdown()
    s.server_close()


def no_key(*outputs):
    for out in outputs:
        assert not holds_canary(out), out


def test_the_search_finds_what_it_looks_for():
    assert all(holds_canary(b"x" + form + b"y") for form in forms(CANARY))
    assert len(forms(CANARY)) == 6


def test_output_errors_names_and_exports(airlock):
    code = CODE % (KEY[:9], KEY[9:])
    done = airlock.run("exec", "--lease", "runs=1", "-", input=code.encode(), env=ENV)
    assert done.returncode == 1
    assert b"[secret:ANTHROPIC_API_KEY]" in done.stdout
    no_key(done.stdout, done.stderr)
    for form in ("md", "html", "ipynb", "jsonl", "cast"):
        done = airlock.run("export", "last", "--format", form, env=ENV)
        assert done.returncode == 0, done.stderr
        no_key(done.stdout, done.stderr)
    for args in (("show", "last"), ("show", "last", "--json"), ("replay", "last", "--plain"), ("search", "secret"),
                 ("sessions", "--json"), ("verify", "last")):
        done = airlock.run(*args, env=ENV)
        no_key(done.stdout, done.stderr)


def test_code_that_holds_it_is_not_proposed(airlock):
    airlock.watch.by_hand = True
    for args, text in ((["-"], "print(%r)" % KEY), (["--expect", "stdout contains " + KEY, "-"], "print(1)")):
        done = airlock.run("exec", "--lease", "runs=1", *args, input=text.encode(), env=ENV)
        assert done.returncode != 0 and b"holds secret ANTHROPIC_API_KEY" in done.stderr, (done.stdout, done.stderr)
        no_key(done.stdout, done.stderr)


def test_words_of_the_person(airlock):
    done = airlock.run("exec", "--lease", "runs=1", "-", input=b"print(1)", env=ENV)
    assert done.returncode == 0
    airlock.watch.by_hand = True  # what is tested is what becomes of it
    for args in (("rename", "last", "my " + KEY), ("tag", "last", KEY)):
        done = airlock.run("sessions", *args, env=ENV)
        no_key(done.stdout, done.stderr)
    s = airlock.screen(env=ENV)
    s.wait("a task, !code")
    s.send("\x1b[200~!print(6*7)\x1b[201~")
    s.wait(r"print\(6\*7\)")
    s.send("\r")
    s.wait(r"to decide|\[a\]")
    s.send("\x07")
    s.wait(r"\[a\]")
    s.settle(0.7)
    s.send("d")
    s.wait("your words go to the planner")
    s.type("because " + KEY)
    s.send("\r")
    s.wait("denied")
    s.line("a task with " + KEY)
    s.settle(0.5)
    s.line(":quit")
    s.settle(0.3)


@pytest.mark.parametrize("server", ["error"], indirect=True)
def test_a_server_that_says_it_in_an_error(airlock, server):
    done = airlock.run("run", "-p", "anthropic", "--plain", "task", env=server)
    assert done.returncode != 0
    assert b"no such key" in done.stdout + done.stderr
    no_key(done.stdout, done.stderr)
    s = airlock.screen("-p", "anthropic", "task", env=server, rows=30, cols=120)
    s.wait("no such key")
    no_key(s.raw)


@pytest.mark.parametrize("server", ["words"], indirect=True)
def test_a_server_that_says_it_as_a_model(airlock, server):
    done = airlock.run("run", "-p", "anthropic", "--plain", "task", env=server)
    no_key(done.stdout, done.stderr)
    s = airlock.screen("-p", "anthropic", "task", env=server, rows=30, cols=120)
    s.wait("ready +local")
    s.send("\x1b")
    s.settle(0.2)
    s.send("8")
    s.wait("all of it")
    no_key(s.raw)


def environment_of(pid):
    """As another process of this user sees it; only root is let in."""
    try:
        with open("/proc/%d/environ" % pid, "rb") as f:
            return f.read()
    except PermissionError:
        assert os.geteuid() != 0
        return b""


def test_no_core_and_nothing_to_read_in_memory_of_others(airlock):
    s = airlock.screen(env=ENV)
    s.wait("a task, !code")
    with open("/proc/%d/limits" % s.pid) as f:
        core = next(line for line in f if line.startswith("Max core file size"))
    assert core.split()[4:6] == ["0", "0"]
    assert not holds_canary(environment_of(s.pid))
    children = [int(p) for p in open("/proc/%d/task/%d/children" % (s.pid, s.pid)).read().split()]
    assert children  # the launcher
    for pid in children:
        assert not holds_canary(environment_of(pid))
    os.kill(s.pid, signal.SIGABRT)
    assert s.ended() == -signal.SIGABRT
    no_key(s.raw)
