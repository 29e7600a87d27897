"""The model servers of tests/servers/llm against the vendors' own npm clients, unchanged: what they read out of an answer is what we
read, and what they refuse is what we refuse. For developers: skipped where npm, node or the registry is out of reach. The clients are
kept outside the tree, in $AIRLOCK_SDK_CACHE or a private directory of the system's temporary one."""
import json
import os
import pwd
import shutil
import stat
import subprocess
import sys
import tempfile
import warnings

import pytest

HERE = os.path.dirname(__file__)
SERVER = os.path.join(HERE, "../servers/llm/server.py")
CLIENT = os.path.join(HERE, "../servers/llm/sdk.mjs")
KEY = "sk-ant-test-0123456789"
CLIENTS = ["@anthropic-ai/sdk@1", "openai@7"]


def skip(why):
    warnings.warn("the vendors' clients were NOT tried: " + why)
    pytest.skip("the vendors' clients were NOT tried: " + why)


def cache_dir():
    path = os.environ.get("AIRLOCK_SDK_CACHE") or os.path.join("/var/tmp", "airlock-sdk-%d" % os.getuid())
    os.makedirs(path, mode=0o700, exist_ok=True)
    st = os.lstat(path)
    if not stat.S_ISDIR(st.st_mode) or st.st_uid != os.getuid() or st.st_mode & 0o022:
        skip(path + " is not ours alone")
    return path


@pytest.fixture(scope="module")
def clients():
    if not shutil.which("npm") or not shutil.which("node"):
        skip("npm or node is not installed")
    cache = cache_dir()
    ready = os.path.join(cache, "-".join(c.replace("/", "_") for c in CLIENTS))
    if not os.path.isdir(ready):
        fresh = tempfile.mkdtemp(dir=cache)
        env = {**os.environ, "HOME": pwd.getpwuid(os.getuid()).pw_dir}
        try:
            done = subprocess.run(["npm", "install", "--prefix", fresh, "--no-package-lock", "--no-save", "--ignore-scripts", "--no-audit",
                                   "--no-fund", "--fetch-retries=0", "--fetch-timeout=8000", *CLIENTS],
                                  env=env, cwd=fresh, stdin=subprocess.DEVNULL, capture_output=True, timeout=25)
            if done.returncode == 0:
                os.rename(fresh, ready)
        except subprocess.TimeoutExpired:
            pass
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
        if not os.path.isdir(ready):
            skip("npm could not install them here")
    return ready


ALIKE = [("proposal", ""), ("bytes", ""), ("crlf", ""), ("pings", ""), ("gzip", ""), ("rate", ""), ("fails_once", "500")]
WRONG = [("cut", "900"), ("status", "400"), ("status", "401"), ("error_event", ""), ("malformed", "")]


@pytest.fixture(scope="module", params=["anthropic", "openai"])
def held(request, clients):
    """What the client made of every scenario, by `name arg`."""
    servers, args = [], []
    for scenario, arg in [("conversation", "")] + ALIKE + WRONG:
        p = subprocess.Popen([sys.executable, "-B", SERVER, scenario, arg], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                             env={"PATH": "/usr/bin:/bin"})
        servers.append(p)
        args.append("%s %s=http://127.0.0.1:%d" % (scenario, arg, int(p.stdout.readline())))
    env = {k: v for k, v in os.environ.items() if not k.startswith(("ANTHROPIC_", "OPENAI_"))}
    done = subprocess.run(["node", CLIENT, request.param, KEY, *args], env={**env, "SDK_DIR": clients}, capture_output=True, timeout=60)
    for p in servers:
        p.stdin.close()
        p.wait(10)
        p.stdout.close()
    assert done.returncode == 0, done.stderr
    return request.param, json.loads(done.stdout)


def test_the_conversation_is_held_to_its_end(held):
    dialect, got = held
    got = got["conversation "]
    assert "error" not in got, got
    turns = got["turns"]
    assert [t["calls"][0][1] for t in turns] == ["update_plan", "execute_code", "execute_code", "update_plan", "finish"]
    assert turns[0]["text"] == "I will compute it."
    assert turns[1]["calls"][0][2]["code"] == "print(6*7-1)\n" and turns[4]["calls"][0][2]["answer"] == "It is 42."
    assert all(t["stop"] == ("tool_use" if dialect == "anthropic" else "tool_calls") and t["streamed"] for t in turns)
    assert all(t["tokens"] == [1000, 50] for t in turns)
    assert got["models"] == (["claude-opus-5-5", "claude-sonnet-5-5", "claude-new-9"] if dialect == "anthropic"
                             else ["qwen3:8b", "local.gguf", "vllm/model"])


def test_answers_are_read_alike(held):
    dialect, results = held
    for scenario in ALIKE:
        got = results["%s %s" % scenario]
        assert "error" not in got, (scenario, got)
        first = got["turns"][0]
        assert first["calls"][0][2]["code"] == "print(6*7)  # \u00e9\U0001f600\n" and first["text"] == "Here is the code.", scenario
        if dialect == "anthropic":  # the other client keeps the last piece only of a field it does not know
            assert first["thought"] == "I think \u00e9\U0001f600.", scenario


def test_what_is_wrong_is_refused_alike(held):
    _, results = held
    for scenario, arg in WRONG:
        got = results["%s %s" % (scenario, arg)]
        assert got["turns"] == [] and got["error"], (scenario, got)
        if scenario == "status":
            assert got["status"] == int(arg)
