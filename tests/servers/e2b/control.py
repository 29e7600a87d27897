"""control.py - the control plane of the test server: sandboxes that are made, listed, renewed, paused and killed. [e2b.md §2]"""
import secrets
import string
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import parse_qs, unquote, unquote_plus, urlsplit

from box import Box
from envd import Envd
from interpreter import Interpreter

KEY = "e2b_" + "0123456789abcdef" * 2 + "01234567"
ALPHABET = string.ascii_lowercase + string.digits
MAX_HOURS = 1
MAKER = ThreadPoolExecutor(1)  # bubblewrap dies with the thread that started it


def stamp(t):
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(t)) + ".%06dZ" % (t % 1 * 1e6)


class Refusal(Exception):
    def __init__(self, status, message, error_code=None):
        super().__init__(message)
        self.status = status
        self.body = {"code": status, "message": message, **({"error_code": error_code} if error_code else {})}


class Sandbox:
    def __init__(self, server, body, timeout, secure):
        self.id = "i" + "".join(secrets.choice(ALPHABET) for _ in range(20))
        self.template, self.metadata = body["templateID"], body.get("metadata") or {}
        self.started, self.end_at = time.time(), time.time() + timeout
        self.state, self.paused_at = "running", None
        self.auto_pause = body.get("autoPause", False)
        self.network = body.get("network") or {}
        self.internet = body.get("allow_internet_access", True)
        env = body.get("envVars") or {}
        self.token = secrets.token_hex(16) if secure else None
        self.traffic = secrets.token_hex(16) if self.network.get("allowPublicTraffic") is False else None
        deny = self.internet is False or "0.0.0.0/0" in self.network.get("denyOut", [])
        self.box = MAKER.submit(Box, env, not deny).result()
        # Without the right token envd's refusal is taken for the map. [e2b.md §4.2]
        wrong = {"code": "401", "message": "unauthorized access, please provide a valid access token or method signing if supported"}
        self.environment = lambda token: env if token == self.token or self.token is None else wrong
        self.interpreter = Interpreter(self.box, server.keepalive, self.environment) if self.template.startswith("code-interpreter") else None
        self.envd = Envd(self.box, self.token, self.environment, server.keepalive)

    def told(self):
        return {"templateID": "nlhz8vlwyupq845jsdg9", "sandboxID": self.id, "alias": self.template, "clientID": "6532622b",
                "envdVersion": "0.6.13", "envdAccessToken": self.token, "trafficAccessToken": self.traffic, "domain": None}

    def listed(self):
        return {"templateID": "nlhz8vlwyupq845jsdg9", "alias": self.template, "sandboxID": self.id, "clientID": "6532622b",
                "startedAt": stamp(self.started), "endAt": stamp(self.paused_at or self.end_at), "cpuCount": 2, "memoryMB": 512,
                "diskSizeMB": 10240, "metadata": self.metadata, "state": self.state, "envdVersion": "0.6.13"}


class Control:
    def __init__(self, keepalive, v2=True, concurrent=20):
        self.keepalive, self.v2, self.concurrent = keepalive, v2, concurrent
        self.sandboxes, self.lock = {}, threading.Lock()
        self.created = self.killed = 0
        threading.Thread(target=self.expire, daemon=True).start()

    def expire(self):
        while True:
            time.sleep(0.05)
            with self.lock:
                for s in list(self.sandboxes.values()):
                    if s.state == "running" and time.time() >= s.end_at:
                        self.pause(s) if s.auto_pause else self.remove(s)

    def remove(self, s):
        self.sandboxes.pop(s.id, None)
        self.killed += 1
        threading.Thread(target=s.box.close, daemon=True).start()

    def pause(self, s):
        s.state, s.paused_at = "paused", time.time()

    def find(self, sandbox_id):
        s = self.sandboxes.get(sandbox_id.split("-")[0])
        if s is None:
            raise Refusal(404, "Sandbox \"%s\" doesn't exist or you don't have access to it" % sandbox_id)
        return s

    @staticmethod
    def seconds(body, dflt):
        t = body.get("timeout", dflt)
        if not isinstance(t, int) or t <= 0:
            raise Refusal(400, "validation error: timeout must be greater than 0")
        if t > MAX_HOURS * 3600:
            raise Refusal(400, "Timeout cannot be greater than %d hours" % MAX_HOURS)
        return t

    def create(self, body, version):
        if not isinstance(body.get("templateID"), str):
            raise Refusal(400, "validation error: templateID is required")
        if body["templateID"] not in ("code-interpreter-v1", "base", "code-interpreter-big"):
            raise Refusal(404, "template '%s' not found" % body["templateID"])
        net = body.get("network") or {}
        if any(c.isalpha() for a in net.get("allowOut", []) for c in a) and "0.0.0.0/0" not in net.get("denyOut", []):
            raise Refusal(400, "When specifying allowed domains in allow out, you must include 'ALL_TRAFFIC' in deny out")
        if not all(isinstance(v, str) for v in (body.get("metadata") or {}).values()):
            raise Refusal(400, "validation error: metadata must be strings")
        if version == 2 and "secure" in body:
            raise Refusal(400, "validation error: unknown field secure")
        timeout = self.seconds(body, 300 if version == 2 else 15)
        with self.lock:
            if sum(1 for s in self.sandboxes.values() if s.state == "running") >= self.concurrent:
                raise Refusal(429, "you have reached the maximum number of concurrent E2B sandboxes (%d). If you need more, please contact "
                              "us" % self.concurrent)
        s = Sandbox(self, body, timeout, version == 2 or body.get("secure", False))
        with self.lock:
            self.sandboxes[s.id] = s
            self.created += 1
        return 201, s.told(), {}

    def list(self, query):
        wanted = {}
        for text in query.get("metadata", []):
            for pair in unquote_plus(text).split("&"):
                if pair.count("=") != 1:
                    raise Refusal(400, "invalid metadata filter")
                k, v = pair.split("=")
                wanted[unquote(k)] = unquote(v)
        states = query.get("state", ["running,paused"])[0].split(",")
        with self.lock:
            found = [s for s in self.sandboxes.values() if s.state in states and all(s.metadata.get(k) == v for k, v in wanted.items())]
        found.sort(key=lambda s: s.started, reverse=query.get("order", ["desc"])[0] == "desc")
        at, limit = int(query.get("nextToken", ["0"])[0]), int(query.get("limit", ["100"])[0])
        if not 1 <= limit <= 100:
            raise Refusal(400, "validation error: limit")
        headers = {"X-Total-Running": str(len(found))}
        if at + limit < len(found):
            headers["X-Next-Token"] = str(at + limit)
        return 200, [s.listed() for s in found[at:at + limit]], headers

    def connect(self, s, body):
        timeout = self.seconds(body, 300)
        with self.lock:
            resumed = s.state == "paused"
            if resumed:
                s.state, s.paused_at, s.started, s.end_at = "running", None, time.time(), time.time() + timeout
            s.end_at = max(s.end_at, time.time() + timeout)
        return (201 if resumed else 200), s.told(), {}

    def act(self, s, method, action, body):
        if method == "GET" and action == "":
            return 200, {**s.listed(), "network": s.network, "allowInternetAccess": s.internet, "envdAccessToken": s.token,
                         "domain": None, "lifecycle": {"autoResume": False, "onTimeout": "pause" if s.auto_pause else "kill"}}, {}
        if method == "DELETE" and action == "":
            with self.lock:
                self.remove(s)
            return 204, None, {}
        if method == "GET" and action == "metrics":
            return 200, [{"timestampUnix": int(time.time()), "cpuCount": 2, "cpuUsedPct": 1.5, "memUsed": 100 << 20, "memTotal": 512 << 20,
                          "diskUsed": 1 << 30, "diskTotal": 10 << 30}], {}
        if method == "POST" and action == "connect":
            return self.connect(s, body)
        if s.state != "running":
            raise Refusal(409, "Sandbox \"%s\" is not running" % s.id)
        if method == "POST" and action == "timeout":
            if not isinstance(body.get("timeout"), int) or body["timeout"] < 0:
                raise Refusal(400, "validation error: timeout")
            if time.time() + body["timeout"] - s.started > MAX_HOURS * 3600:
                raise Refusal(400, "Max instance length exceeded")
            s.end_at = time.time() + body["timeout"]
        elif method == "POST" and action == "refreshes":
            s.end_at = max(s.end_at, time.time() + max(15, body.get("duration", 15)))
        elif method == "POST" and action == "pause":
            with self.lock:
                self.pause(s)
        elif method == "PUT" and action == "network":
            s.network = {**s.network, **body}
        else:
            raise Refusal(404, "not found")
        return 204, None, {}

    def handle(self, h, target, body):
        """(status, JSON or None, headers)."""
        if h.headers.get("X-API-Key") != KEY:
            raise Refusal(401, "Invalid API key format, please visit https://e2b.dev/docs/api-key to get your API key")
        parts = urlsplit(target)
        query, path = parse_qs(parts.query), parts.path.strip("/").split("/")
        version = 1
        if path[0] == "v2":
            if not self.v2 and h.command == "POST":
                raise Refusal(404, "no matching operation was found")
            version, path = 2, path[1:]
        if path[0] != "sandboxes":
            raise Refusal(404, "no matching operation was found")
        if len(path) == 1:
            if h.command == "POST":
                return self.create(body, version)
            if h.command == "GET" and version == 2:
                return self.list(query)
            raise Refusal(405, "method not allowed")
        return self.act(self.find(path[1]), h.command, path[2] if len(path) > 2 else "", body)
