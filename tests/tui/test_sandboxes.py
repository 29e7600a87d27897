"""`airlock sandboxes` against a server that says anything: whose each sandbox is, ending, pausing, ignoring, looking, and refusals."""
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

A, B, C, D, E, F = ("%sbx0000000000000000x" % c for c in "abcdef")


class Account:
    """What the server has, and what it was asked."""

    def __init__(self):
        self.items, self.snapshots, self.refuse, self.asked = [], [], {}, []

    def add(self, ident, label, state="running", **more):
        self.items.append({"sandboxID": ident, "state": state, "templateID": "base", "cpuCount": 2, "memoryMB": 512,
                           "startedAt": "2026-11-22T10:00:00Z", "endAt": "2026-11-22T11:00:00Z", "metadata": {"airlock": label} if label else {}, **more})


def handler(account):
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *args):
            pass

        def answer(self, status, body=None):
            data = json.dumps(body if body is not None else {"code": status, "message": "the server's reason"}).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def handle_one(self, method):
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            path = self.path.split("?")[0]
            account.asked.append(method + " " + path)
            for pattern, status in account.refuse.items():
                if re.search(pattern, method + " " + path):
                    return self.answer(status)
            if path.endswith("/snapshots"):
                return self.answer(200, account.snapshots)
            if re.search(r"sandboxes/?$", path):
                return self.answer(200, account.items)
            if path.endswith("/metrics"):
                return self.answer(200, [{"cpuUsedPct": 12.5, "cpuCount": 2, "memUsed": 64 << 20, "memTotal": 512 << 20, "diskUsed": 1 << 20, "diskTotal": 9 << 20}])
            if path.endswith("/logs"):
                return self.answer(200, {"logs": [{"timestamp": "10:00", "level": "info", "line": "up \x1b[2J"}], "logEntries": []})
            return self.answer(204, {})

        def do_GET(self):
            self.handle_one("GET")

        def do_POST(self):
            self.handle_one("POST")

        def do_DELETE(self):
            self.handle_one("DELETE")

    return Handler


@pytest.fixture
def account(airlock):
    a = Account()
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler(a))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = "http://127.0.0.1:%d" % server.server_port
    airlock.env.update({"E2B_API_KEY": "e2b_" + "0" * 40, "E2B_API_URL": url, "E2B_SANDBOX_URL": url})
    yield a
    server.shutdown()
    server.server_close()


@pytest.fixture
def ended(airlock, account):
    """A session here that nobody holds any more."""
    airlock.run("exec", "-", input=b"print(1)")
    return airlock.json("sessions", "--json")[1][0]["id"]


def sandboxes(airlock, *args, code=0):
    done = airlock.run("sandboxes", *args)
    assert done.returncode == code, (args, done)
    return done.stdout.decode() + done.stderr.decode()


def last(airlock, ident):
    return airlock.json("show", "--json", ident)[1][-1]


def fill(account, ended):
    account.add(A, ended + "-1")
    account.add(B, "01jd0000000000000000000000-1")
    account.add(C, "somebody-elses")
    account.add(D, "")
    account.add(E, ended + "-2", state="paused", cpuCount=None, endAt="")
    account.snapshots = [{"snapshotID": "team/airlock-%s-1:v1" % ended}, {"snapshotID": "team/mine"}]


def test_whose_each_of_them_is(airlock, account, ended):
    assert sandboxes(airlock) == "nothing is running\n"
    fill(account, ended)
    rows = {r["id"]: r for r in airlock.json("sandboxes", "--json")[1]}
    assert {k: r["whose"] for k, r in rows.items()} == {
        A: "left over", B: "of elsewhere", C: "of elsewhere", D: "not Airlock's", E: "left over",
        "team/airlock-%s-1:v1" % ended: "kept", "team/mine": "not Airlock's"}
    assert rows[A]["session"] == ended and rows[C].get("session") is None and rows[A]["nanousd_hour"] > 0
    text = sandboxes(airlock)
    assert re.search(r"^e2b +%s +running +left over +%s +\$\d\.\d{3}/h +ends 2026" % (A, ended), text, re.M), text
    assert re.search(r"^e2b +%s +running +not Airlock's +- +\$" % D, text, re.M)
    assert re.search(r"^e2b +team/mine +snapshot +not Airlock's +- +\?$", text, re.M)
    assert "2 left over by sessions that ended here: airlock resume goes on with one" in text


def test_ending(airlock, account, ended):
    fill(account, ended)
    assert sandboxes(airlock, "reap", C) == "ended e2b %s\n" % C  # by name: anything but what is in use
    assert last(airlock, ended)["type"] != "sandbox.closed"
    assert "no sandbox nosuch runs: see airlock sandboxes" in sandboxes(airlock, "reap", "nosuch", code=3)
    text = sandboxes(airlock, "reap")
    assert text == "ended e2b %s\nended e2b %s\n" % (A, E)
    assert [p for p in account.asked if p.startswith("DELETE")] == ["DELETE /sandboxes/" + i for i in (C, A, E)]
    event = last(airlock, ended)
    assert (event["type"], event["id"], event["by"], event["confirmed"]) == ("sandbox.closed", E, "reaper", True)
    account.items = account.items[:1]
    done, rows = airlock.json("sandboxes", "reap", "--json")
    assert [(r["id"], r["reaped"]) for r in rows] == [(A, "ended")]
    assert "ended e2b team/" in sandboxes(airlock, "reap", "team/airlock-%s-1:v1" % ended)
    account.items = []
    assert sandboxes(airlock, "reap") == "nothing was left over\n"
    assert sandboxes(airlock, "reap", "--json") == ""
    assert airlock.run("verify", ended).returncode == 0


def test_pausing_and_leaving_alone(airlock, account, ended):
    fill(account, ended)
    text = sandboxes(airlock, "adopt", A)
    assert text == "paused e2b %s: it costs nothing; airlock resume %s goes on with it\n" % (A, ended)
    assert (last(airlock, ended)["type"], last(airlock, ended)["by"]) == ("sandbox.paused", "adopted")
    account.items[0]["state"] = "paused"
    assert "%s is kept already: there is no session here that it could be kept for" % A in sandboxes(airlock, "adopt", A, code=3)
    for verb in ("adopt", "ignore"):
        assert "is not of a session here" in sandboxes(airlock, verb, D, code=3)
        assert "no sandbox nosuch runs" in sandboxes(airlock, verb, "nosuch", code=3)
    account.items[0]["state"] = "running"
    assert sandboxes(airlock, "ignore", A) == "left to itself: e2b %s, ends 2026-11-22T11:00:00Z\n" % A
    assert sandboxes(airlock, "ignore", E) == "left to itself: e2b %s\n" % E
    assert (last(airlock, ended)["type"], last(airlock, ended)["by"]) == ("sandbox.closed", "ignored")


def test_looking(airlock, account, ended):
    fill(account, ended)
    text = sandboxes(airlock, "show", A)
    assert "cpu 12.5% of 2, memory 64 of 512 MiB, disk 1 of 9 MiB\n" in text and "\x1b" not in text
    assert "no sandbox nosuch runs" in sandboxes(airlock, "show", "nosuch", code=3)
    account.refuse = {"metrics|logs": 500}
    assert "airlock: " in sandboxes(airlock, "show", A, code=3)


def test_refusals(airlock, account, ended):
    fill(account, ended)
    account.refuse = {"DELETE": 500, "pause": 401}
    assert "the server's reason" in sandboxes(airlock, "reap", A, code=3)
    sandboxes(airlock, "adopt", A, code=3)
    assert last(airlock, ended)["type"] not in ("sandbox.closed", "sandbox.paused")  # nothing was done, nothing is told
    account.refuse = {"GET": 401}
    text = sandboxes(airlock, code=3)
    assert "airlock: e2b" in text
    account.refuse = {}
    account.items = {"no": "list"}
    assert "the list of sandboxes is no list" in sandboxes(airlock, code=3)


def test_without_a_key(airlock):
    assert sandboxes(airlock) == "no provider of remote sandboxes has a key here: see airlock providers\n"
    assert sandboxes(airlock, "reap") == "nothing was left over\n"
