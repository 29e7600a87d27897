"""control.py - the control plane of the test server: sandboxes that are made, listed, renewed, paused and killed. [e2b.md §2]"""
import re
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
SIZES = {"code-interpreter-big": (8, 4096)}  # cpus, MiB of memory
TEMPLATES = ("code-interpreter-v1", "base", "code-interpreter-big")
TEAM = "test-team"
MAKER = ThreadPoolExecutor(1)  # bubblewrap dies with the thread that started it


def stamp(t):
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(t)) + ".%06dZ" % (t % 1 * 1e6)


class Refusal(Exception):
    def __init__(self, status, message, error_code=None, headers=None):
        super().__init__(message)
        self.status, self.headers = status, headers
        self.body = {"code": status, "message": message, **({"error_code": error_code} if error_code else {})}


class Snapshot:
    """Files and the memory of the kernels, as far as it can be pickled. The start of a sandbox like any template."""
    def __init__(self, s, name):
        self.id = "%s/%s:default" % (TEAM, name) if name else "".join(secrets.choice(ALPHABET) for _ in range(20)) + ":default"
        self.name, self.source, self.template, self.body = name, s.id, s.template, s.body
        self.contexts = s.interpreter.save() if s.interpreter else []
        self.files = s.box.pack()

    def told(self):
        return {"snapshotID": self.id, "names": [self.id] if self.name else []}


class Sandbox:
    def __init__(self, server, body, timeout, secure, snapshot=None):
        body = {**body, "templateID": snapshot.template} if snapshot else body
        self.body = body
        self.id = "i" + "".join(secrets.choice(ALPHABET) for _ in range(20))
        self.template, self.metadata = body["templateID"], body.get("metadata") or {}
        self.started, self.end_at = time.time(), time.time() + timeout
        self.state, self.paused_at, self.transition, self.kept_memory = "running", None, None, True
        self.log = [(time.time(), "info", "Sandbox created")]
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
        if snapshot:
            self.box.unpack(snapshot.files)
            self.interpreter.restore(snapshot.contexts)

    def told(self):
        return {"templateID": "nlhz8vlwyupq845jsdg9", "sandboxID": self.id, "alias": self.template, "clientID": "6532622b",
                "envdVersion": "0.6.13", "envdAccessToken": self.token, "trafficAccessToken": self.traffic, "domain": None}

    def size(self):
        return SIZES.get(self.template, (2, 512))

    def note(self, message, level="info"):
        self.log.append((time.time(), level, message))

    def listed(self):
        return {"templateID": "nlhz8vlwyupq845jsdg9", "alias": self.template, "sandboxID": self.id, "clientID": "6532622b",
                "startedAt": stamp(self.started), "endAt": stamp(self.paused_at or self.end_at),
                "cpuCount": self.size()[0], "memoryMB": self.size()[1],
                "diskSizeMB": 10240, "metadata": self.metadata, "state": self.state, "envdVersion": "0.6.13"}


class Control:
    def __init__(self, keepalive, v2=True, concurrent=20, transition=0.0):
        self.keepalive, self.v2, self.concurrent, self.slow = keepalive, v2, concurrent, transition
        self.sandboxes, self.snapshots, self.lock = {}, {}, threading.RLock()
        self.created = self.killed = 0
        threading.Thread(target=self.expire, daemon=True).start()

    def expire(self):
        while True:
            time.sleep(0.05)
            with self.lock:
                late = [s for s in self.sandboxes.values() if s.state == "running" and time.time() >= s.end_at and not s.transition]
            for s in late:
                self.pause(s, True) if s.auto_pause else self.remove(s)

    def remove(self, s):
        with self.lock:
            if self.sandboxes.pop(s.id, None) is None:
                raise Refusal(404, "Sandbox \"%s\" doesn't exist or you don't have access to it" % s.id)
            self.killed += 1
        threading.Thread(target=s.box.close, daemon=True).start()

    # -- from one state to another, one at a time

    def begin(self, s, what):
        with self.lock:
            if s.transition:
                raise Refusal(409, "Sandbox \"%s\" is being %s" % (s.id, s.transition))
            if s.state != "running":
                raise Refusal(409, "Sandbox \"%s\" is already paused" % s.id)
            s.transition = what
        time.sleep(self.slow)

    def pause(self, s, memory):
        self.begin(s, "paused")
        try:
            s.box.freeze()
            if not memory and s.interpreter:
                s.interpreter.reboot()
            s.state, s.paused_at, s.kept_memory = "paused", time.time(), memory
            s.note("Sandbox paused")
        finally:
            s.transition = None

    def need_room(self, more=1):
        if sum(1 for s in self.sandboxes.values() if s.state == "running") + more > self.concurrent:
            raise Refusal(429, "you have reached the maximum number of concurrent E2B sandboxes (%d). If you need more, please contact us"
                          % self.concurrent)

    def wake(self, s, timeout):
        with self.lock:
            self.need_room()
            s.transition = "resumed"
        try:
            time.sleep(self.slow)
            s.box.thaw()
            s.state, s.paused_at, s.started, s.end_at = "running", None, time.time(), time.time() + timeout
            s.note("Sandbox resumed")
        finally:
            s.transition = None

    def connect(self, s, timeout):
        for _ in range(300):  # waits for a transition
            if not s.transition:
                break
            time.sleep(0.02)
        if s.id not in self.sandboxes:
            raise Refusal(404, "Sandbox \"%s\" doesn't exist or you don't have access to it" % s.id)
        resumed = s.state == "paused"
        if resumed:
            self.wake(s, timeout)
        s.end_at = max(s.end_at, time.time() + timeout)
        return (201 if resumed else 200), s.told(), {}

    def snapshot(self, s, body):
        name = body.get("name")
        if name is not None and not re.fullmatch(r"[a-z0-9_-]{1,128}", name):
            raise Refusal(400, "validation error: invalid snapshot name")
        self.begin(s, "snapshotted")
        try:
            s.box.cut()
            snapshot = Snapshot(s, name)
            self.snapshots[snapshot.id] = snapshot
            s.note("Snapshot created")
        finally:
            s.transition = None
        return 201, snapshot.told(), {}

    def fork(self, s, body):
        timeout, count = self.seconds(body, 300), body.get("count", 1)
        if not isinstance(count, int) or not 1 <= count <= 100:
            raise Refusal(400, "validation error: count")
        self.begin(s, "snapshotted")
        try:
            s.box.cut()
            memory = Snapshot(s, None)
        finally:
            s.transition = None
        out = []
        for _ in range(count):
            try:
                out.append({"sandbox": self.make({**s.body, "metadata": s.metadata}, timeout, s.token is not None, memory).told()})
            except Refusal as r:
                out.append({"error": r.body})
        return 201, out, {}

    # -- made and found

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

    def make(self, body, timeout, secure, snapshot=None):
        with self.lock:
            self.need_room()
            s = Sandbox(self, body, timeout, secure, snapshot)
            self.sandboxes[s.id] = s
            self.created += 1
        return s

    @staticmethod
    def check_network(net):
        if any(c.isalpha() for a in net.get("allowOut", []) for c in a) and "0.0.0.0/0" not in net.get("denyOut", []):
            raise Refusal(400, "When specifying allowed domains in allow out, you must include 'ALL_TRAFFIC' in deny out")
        for cidr in net.get("denyOut", []):
            if any(c.isalpha() and c not in "abcdef" for c in cidr):
                raise Refusal(400, "invalid denied CIDR %s" % cidr)

    def create(self, body, version):
        template = body.get("templateID")
        if not isinstance(template, str):
            raise Refusal(400, "validation error: templateID is required")
        snapshot = self.snapshots.get(template)
        if template not in TEMPLATES and snapshot is None:
            raise Refusal(404, "template '%s' not found" % template)
        self.check_network(body.get("network") or {})
        if not all(isinstance(v, str) for v in (body.get("metadata") or {}).values()):
            raise Refusal(400, "validation error: metadata must be strings")
        if version == 2 and "secure" in body:
            raise Refusal(400, "validation error: unknown field secure")
        timeout = self.seconds(body, 300 if version == 2 else 15)
        return 201, self.make(body, timeout, version == 2 or body.get("secure", False), snapshot).told(), {}

    # -- lists

    @staticmethod
    def page(found, query):
        at, limit = int(query.get("nextToken", ["0"])[0]), int(query.get("limit", ["100"])[0])
        if not 1 <= limit <= 100:
            raise Refusal(400, "validation error: limit")
        return found[at:at + limit], ({"X-Next-Token": str(at + limit)} if at + limit < len(found) else {})

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
        page, headers = self.page(found, query)
        headers["X-Total-Running"] = str(sum(s.state == "running" for s in found))
        return 200, [s.listed() for s in page], headers

    def list_snapshots(self, query):
        source, name = query.get("sandboxID", [None])[0], query.get("name", [None])[0]
        found = [s for s in self.snapshots.values() if source in (None, s.source) and name in (None, s.name)]
        page, headers = self.page(found, query)
        return 200, [s.told() for s in page], headers

    @staticmethod
    def metric(s):
        cpus, mib = s.size()
        return {"timestamp": stamp(time.time()), "timestampUnix": int(time.time()), "cpuCount": cpus, "cpuUsedPct": 1.5,
                "memUsed": 100 << 20, "memCache": 10 << 20, "memTotal": mib << 20, "diskUsed": 1 << 30, "diskTotal": 10 << 30}

    @staticmethod
    def logs(s, query, version):
        limit = int(query.get("limit", ["1000"])[0])
        lines = s.log if query.get("direction", ["forward"])[0] == "forward" else s.log[::-1]
        wanted = query.get("search", [""])[0]
        lines = [x for x in lines if wanted in x[2]][:limit]
        entries = [{"timestamp": stamp(t), "message": m, "level": level, "fields": {}} for t, level, m in lines]
        if version == 2:
            return 200, {"logs": entries}, {}
        return 200, {"logs": [{"timestamp": x["timestamp"], "line": x["message"]} for x in entries], "logEntries": entries}, {}

    # -- one sandbox

    def look(self, s, action, query, version):
        if action == "":
            return 200, {**s.listed(), "network": s.network, "allowInternetAccess": s.internet, "envdAccessToken": s.token,
                         "domain": None, "lifecycle": {"autoResume": False, "onTimeout": "pause" if s.auto_pause else "kill"}}, {}
        if action == "metrics":
            return 200, [self.metric(s)] if s.state == "running" else [], {}
        if action == "logs":
            return self.logs(s, query, version)
        raise Refusal(405, "method not allowed")

    def set_timeout(self, s, body):
        if not isinstance(body.get("timeout"), int) or body["timeout"] < 0:
            raise Refusal(400, "validation error: timeout")
        if time.time() + body["timeout"] - s.started > MAX_HOURS * 3600:
            raise Refusal(400, "Max instance length exceeded")
        s.end_at = time.time() + body["timeout"]

    def set_network(self, s, body):
        """Replaces: what is not named is cleared. (What the box can reach stays as it was made.)"""
        self.check_network(body)
        kept = {k: v for k, v in s.network.items() if k in ("allowPublicTraffic", "maskRequestHost")}
        s.internet = body.get("allow_internet_access", True)
        s.network = {**kept, **{k: v for k, v in body.items() if k in ("allowOut", "denyOut", "rules", "egressProxy")}}

    def change(self, s, action, body, version):
        if action == "connect":
            if version == 1 and "timeout" not in body:
                raise Refusal(400, "validation error: timeout is required")
            return self.connect(s, self.seconds(body, 300))
        if action == "resume":
            if s.state != "paused":
                raise Refusal(409, "Sandbox \"%s\" is already running" % s.id)
            return 201, self.connect(s, self.seconds(body, 15))[1], {}
        if action == "pause":
            self.pause(s, body.get("memory", True))
            return 204, None, {}
        if s.transition or s.state != "running":
            raise Refusal(409, "Sandbox \"%s\" is being %s" % (s.id, s.transition or "paused"))
        if action == "snapshots":
            return self.snapshot(s, body)
        if action == "fork":
            return self.fork(s, body)
        if action == "timeout":
            self.set_timeout(s, body)
        elif action == "refreshes":
            s.end_at = max(s.end_at, time.time() + max(15, body.get("duration", 15)))
        else:
            raise Refusal(404, "not found")
        return 204, None, {}

    def act(self, s, method, action, query, body, version):
        if method == "GET":
            return self.look(s, action, query, version)
        if method == "DELETE" and action == "":
            self.remove(s)
            return 204, None, {}
        if method == "PUT" and action == "network":
            if s.state != "running":
                raise Refusal(409, "Sandbox \"%s\" is not running" % s.id)
            self.set_network(s, body)
            return 204, None, {}
        if method != "POST":
            raise Refusal(405, "method not allowed")
        return self.change(s, action, body, version)

    def templates(self, method, path):
        if method == "GET" and path[:1] == ["aliases"] and len(path) == 2:
            if path[1] not in TEMPLATES:
                raise Refusal(404, "template '%s' not found" % path[1])
            return 200, {"templateID": "nlhz8vlwyupq845jsdg9", "public": True}, {}
        if method == "DELETE" and len(path) == 1:
            if self.snapshots.pop(unquote(path[0]), None) is None:
                raise Refusal(404, "template '%s' not found" % path[0])
            return 204, None, {}
        raise Refusal(405, "method not allowed")

    def handle(self, h, target, body):
        """(status, JSON or None, headers)."""
        parts = urlsplit(target)
        query, path = parse_qs(parts.query), parts.path.strip("/").split("/")
        if path == ["health"]:
            return 204, None, {}
        if h.headers.get("X-API-Key") != KEY:
            raise Refusal(401, "Invalid API key format, please visit https://e2b.dev/docs/api-key to get your API key")
        version = 1
        if path[0] == "v2":
            if not self.v2 and h.command == "POST":
                raise Refusal(404, "no matching operation was found")
            version, path = 2, path[1:]
        if path[0] == "templates":
            return self.templates(h.command, path[1:])
        if path == ["snapshots"] and h.command == "GET":
            return self.list_snapshots(query)
        if path[0] != "sandboxes":
            raise Refusal(404, "no matching operation was found")
        if path[1:] == ["metrics"]:
            ids = query.get("sandbox_ids", [""])[0].split(",")
            return 200, {"sandboxes": {i: self.metric(self.sandboxes[i]) for i in ids if i in self.sandboxes}}, {}
        if len(path) == 1:
            if h.command == "POST":
                return self.create(body, version)
            if h.command == "GET":
                return self.list(query if version == 2 else {**query, "state": ["running"]})
            raise Refusal(405, "method not allowed")
        return self.act(self.find(path[1]), h.command, path[2] if len(path) > 2 else "", query, body, version)
