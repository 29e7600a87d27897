"""The allow list of the local sandbox in the whole program: the gate says it, every attempt is on record and shown."""
import http.server
import threading

import pytest

RUNBOOK = """# net

Fetch.

## One

```python
import os, urllib.request
os.environ.pop("no_proxy"); os.environ.pop("NO_PROXY")
print(urllib.request.urlopen("http://127.0.0.1:%d/").read())
try: urllib.request.urlopen("https://not-listed.example/")
except OSError as e: print(e)
```
"""


class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"hello")

    def log_message(self, *args):
        pass


@pytest.fixture
def port():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1]
    server.shutdown()


def test_each_attempt_is_recorded_and_shown(airlock, port):
    (airlock.home / "net.md").write_text(RUNBOOK % port)
    s = airlock.screen("-p", "runbook:%s/net.md" % airlock.home, "-c", "network=allow:127.0.0.1:%d,*.pypi.org" % port, "go", rows=36, cols=120)
    s.wait(r"\[a\]|to decide")
    s.send("\x07")
    s.wait(r"network allow:\*\.pypi\.org,127\.0\.0\.1:%d" % port)
    s.settle(0.8)
    s.send("a")
    s.wait(r"net 1/2")
    s.wait(r"finished: done")
    s.wait("hello")
    s.send(":quit\r")
    s.ended()
    done, events = airlock.json("show", "last", "--json")
    net = [e for e in events if e["type"].startswith("network.")]
    assert [(e["type"], e.get("verdict"), e["host"], e["port"]) for e in net] == [
        ("network.asked", "allowed", "127.0.0.1", port),
        ("network.closed", None, "127.0.0.1", port),
        ("network.asked", "refused", "not-listed.example", 443),
    ]
    assert net[1]["sent_bytes"] > 50 and net[1]["received_bytes"] > 50 and net[0]["run"] == 1
    assert net[2]["why"] == "not on the allow list"
    started = next(i for i, e in enumerate(events) if e["type"] == "run.started")
    ended = next(i for i, e in enumerate(events) if e["type"] == "run.finished")
    assert started < events.index(net[0]) < events.index(net[2]) < ended
    shown = airlock.run("show", "last:1").stdout.decode()
    assert "net    refused CONNECT not-listed.example:443: not on the allow list" in shown
    plain = airlock.run("replay", "last", "--plain", "--idle-cap", "0").stdout.decode()
    assert "net    allowed HTTP 127.0.0.1:%d" % port in plain
    for form in "md", "html":
        text = airlock.run("export", "last", "--format", form).stdout.decode()
        assert "refused CONNECT not-listed.example:443" in text.replace("\\", "")
    assert airlock.run("verify", "last").returncode == 0


def test_it_is_no_place_for_a_lease(airlock):
    (airlock.home / "net.md").write_text(RUNBOOK % 1)
    done = airlock.run("run", "--plain", "-p", "runbook:%s/net.md" % airlock.home, "-c", "network=allow:a", "--lease", "runs=1", "go")
    assert "the network is not denied: not covered by the lease" in (done.stdout + done.stderr).decode()


def test_a_bad_item_is_named(airlock):
    for item in "a:0", "127.1", "http://a", "a,,b":
        done = airlock.run("exec", "-c", "network=allow:" + item, "-", input=b"")
        assert done.returncode in (2, 125) and b"takes deny|open|allow:HOST" in done.stderr, (item, done.stderr)


def test_the_light_is_green_where_the_list_is_the_only_way(airlock, port):
    (airlock.home / "net.md").write_text("# net\n\nFetch.\n\n## One\n\n```python\nprint(1)\n```\n")
    s = airlock.screen("-p", "runbook:%s/net.md" % airlock.home, "-c", "network=allow:127.0.0.1:%d" % port, "go", rows=36, cols=120)
    s.wait(r"\[a\]|to decide")
    s.send("\x07")
    s.wait(r"\[a\]")
    s.settle(0.8)
    s.send("a")
    s.wait(r"finished: done")
    s.send(":quit\r")
    s.ended()
    done, events = airlock.json("show", "last", "--json")
    probed = next(e for e in events if e["type"] == "sandbox.probed")
    assert next(p["result"] for p in probed["probes"] if p["name"] == "network") == "PASS"
