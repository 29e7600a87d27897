"""A real browser without a window, driven over its debugging pipe: what a page does when a person opens it."""
import json
import os
import select
import shutil
import subprocess
import time


def find():
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


class Browser:
    def __init__(self, home):
        to_r, self.to = os.pipe()
        self.source, from_w = os.pipe()

        def hand_over():  # the pipe is expected at 3 and 4
            a, b = os.dup(to_r), os.dup(from_w)
            os.dup2(a, 3), os.dup2(b, 4)
        self.proc = subprocess.Popen(
            [find(), "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
             "--remote-debugging-pipe", "--user-data-dir=%s" % home, "about:blank"],
            pass_fds=(3, 4), preexec_fn=hand_over, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env={"HOME": str(home), "PATH": os.environ["PATH"], "LANG": "C.UTF-8"})
        os.close(to_r), os.close(from_w)
        self.held, self.count, self.events = b"", 0, []

    def close(self):
        os.close(self.to), os.close(self.source)
        self.proc.kill()
        self.proc.wait()

    def message(self, timeout=30):
        end = time.monotonic() + timeout
        while b"\0" not in self.held:
            assert select.select([self.source], [], [], max(0, end - time.monotonic()))[0], "the browser is silent"
            data = os.read(self.source, 1 << 16)
            assert data, "the browser ended"
            self.held += data
        one, self.held = self.held.split(b"\0", 1)
        return json.loads(one)

    def call(self, method, session=None, **params):
        self.count += 1
        ask = {"id": self.count, "method": method, "params": params, **({"sessionId": session} if session else {})}
        os.write(self.to, json.dumps(ask).encode() + b"\0")
        while True:
            got = self.message()
            if got.get("id") == self.count:
                assert "error" not in got, (method, got["error"])
                return got["result"]
            self.events.append(got)


class Page:
    """One tab. `canaries`: whatever a stranger's bytes managed to do."""

    def __init__(self, browser, path, scripts=True, dark=False):
        self.b, self.canaries, self.requests, self.console = browser, [], [], []
        self.target = browser.call("Target.createTarget", url="about:blank")["targetId"]
        self.s = browser.call("Target.attachToTarget", targetId=self.target, flatten=True)["sessionId"]
        browser.events.clear()
        for domain in ("Page", "Runtime", "Network", "Log", "DOM"):
            self.call(domain + ".enable")
        self.call("Runtime.addBinding", name="canary")
        self.call("Page.addScriptToEvaluateOnNewDocument", source="for (const f of ['alert', 'confirm', 'prompt', 'open']) window[f] = canary")
        self.call("Emulation.setScriptExecutionDisabled", value=not scripts)
        if dark:
            self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark"}])
        self.url = "file://%s" % path
        self.call("Page.navigate", url=self.url)
        self.until(lambda: any(e["method"] == "Page.loadEventFired" for e in self.b.events if e.get("sessionId") == self.s))
        self.drain()

    def call(self, method, **params):
        return self.b.call(method, self.s, **params)

    def until(self, done, timeout=20):
        end = time.monotonic() + timeout
        while not done():
            assert time.monotonic() < end, "not in time"
            if select.select([self.b.source], [], [], 0.05)[0] or b"\0" in self.b.held:
                self.b.events.append(self.b.message())

    def drain(self):
        """Sort what has come by what it means."""
        for e in self.b.events:
            kind, p = e["method"], e.get("params", {})
            if kind == "Runtime.bindingCalled":
                self.canaries.append(p["payload"])
            elif kind in ("Runtime.consoleAPICalled", "Runtime.exceptionThrown"):
                self.console.append(p)
            elif kind == "Log.entryAdded":
                self.console.append(p["entry"]["text"])
            elif kind == "Network.requestWillBeSent":
                self.requests.append(p["request"]["url"])
            elif kind in ("Page.javascriptDialogOpening", "Page.windowOpen"):
                self.canaries.append(kind)
        self.b.events.clear()

    def eval(self, expression):
        got = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in got, got
        self.drain()
        return got["result"].get("value")

    def wait(self, expression, timeout=20):
        end = time.monotonic() + timeout
        while not self.eval(expression):
            assert time.monotonic() < end, "never true: " + expression
            time.sleep(0.02)

    def key(self, key):
        text = {"text": key} if len(key) == 1 else {}
        self.call("Input.dispatchKeyEvent", type="keyDown", key=key, **text)
        self.call("Input.dispatchKeyEvent", type="keyUp", key=key)
        self.drain()

    def html(self):
        node = self.call("DOM.getDocument", depth=0)["root"]["nodeId"]
        return self.call("DOM.getOuterHTML", nodeId=node)["outerHTML"]

    def close(self):
        self.b.call("Target.closeTarget", targetId=self.target)
