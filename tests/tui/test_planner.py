"""A model plans: the whole program against a Messages API, and a chat-completions server, on loopback."""
import json
import os
import subprocess
import sys

import pytest

SERVER = os.path.join(os.path.dirname(__file__), "../servers/llm/server.py")
KEY = "sk-ant-test-0123456789"


@pytest.fixture
def api(tmp_path):
    started = []

    def start(scenario, arg=""):
        log = tmp_path / "requests.jsonl"
        p = subprocess.Popen([sys.executable, SERVER, scenario, str(arg)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                             env={"PATH": "/usr/bin:/bin", "LLM_LOG": str(log)})
        started.append(p)
        port = int(p.stdout.readline())
        return {"ANTHROPIC_API_KEY": KEY, "ANTHROPIC_BASE_URL": "http://127.0.0.1:%d" % port,
                "OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": "http://127.0.0.1:%d/v1" % port}, log

    yield start
    for p in started:
        p.stdin.close()
        p.wait(10)
        p.stdout.close()


def requests(log):
    return [json.loads(line)["body"] for line in log.read_text().splitlines()]


def ended(events):
    """What follows is at most the last run's state being told and saved."""
    types = [e["type"] for e in events]
    after = set(types[types.index("session.finished") + 1:])
    assert after <= {"checkpoint.made", "state.changed"}, types
    return True


def test_plan_failed_attempt_verified_finish(airlock, api):
    env, log = api("conversation")
    done, events = airlock.json("run", "-p", "anthropic:claude-opus-5-5", "--lease", "runs=5", "--json",
                                "Compute six times seven.", env=env)
    assert done.returncode == 0, done.stderr
    verdicts = [e["verdict"] for e in events if e["type"] == "run.verdict"]
    assert verdicts == ["refuted", "verified"]
    assert [e["step"] for e in events if e["type"] == "run.proposed"] == ["1", "1"]
    assert any(e["type"] == "plan.updated" and e["steps"][0]["title"] == "Compute the answer" for e in events)
    said = [e["text"] for e in events if e["type"] == "planner.message"]
    assert said[0] == "I will compute it." and said[-1].startswith("It is 42.")
    usage = [e for e in events if e["type"] == "usage"]
    assert len(usage) == 5 and all(e["cost_nanousd"] == 1000 * 4000 + 50 * 20000 for e in usage)
    assert ended(events)

    sent = requests(log)
    assert len(sent) == 5 and sent[0]["messages"][0]["content"][0]["text"] == "Compute six times seven."
    # Thinking goes back as it came, and what the program printed stands under `untrusted` only.
    assert sent[1]["messages"][1]["content"][0] == {"type": "thinking", "thinking": "First a plan.", "signature": "c2lnMQ=="}
    result = json.loads(sent[2]["messages"][-1]["content"][0]["content"])
    assert result["untrusted"]["stdout"] == "41\n" and result["verdict"] == "refuted" and result["attempts_left"] == 2


def test_a_chat_server_plans_the_same_way(airlock, api):
    env, log = api("conversation")
    done, events = airlock.json("run", "-p", "openai:qwen3:8b", "--lease", "runs=5", "--json", "Compute six times seven.", env=env)
    assert done.returncode == 0, done.stderr
    assert [e["verdict"] for e in events if e["type"] == "run.verdict"] == ["refuted", "verified"]
    assert any(e["type"] == "plan.updated" and e["steps"][0]["title"] == "Compute the answer" for e in events)
    usage = [e for e in events if e["type"] == "usage"]
    assert len(usage) == 5 and all(e["source"] == "openai:qwen3:8b" and e["input_tokens"] == 800 and e["output_tokens"] == 50 and
                                   e["cache_read_tokens"] == 200 and "cost_nanousd" not in e for e in usage)
    assert events[0]["model"] == "qwen3:8b" and ended(events)

    sent = requests(log)
    assert len(sent) == 5 and sent[0]["messages"][1] == {"role": "user", "content": "Compute six times seven."}
    assert sent[0]["model"] == "qwen3:8b" and "max_tokens" not in sent[0]
    # Thoughts go back under the key they came in, and what the program printed stands under `untrusted` only.
    assert sent[1]["messages"][2]["reasoning_content"] == "First a plan."
    result = json.loads(sent[2]["messages"][-1]["content"])
    assert result["untrusted"]["stdout"] == "41\n" and result["verdict"] == "refuted" and result["attempts_left"] == 2


OURS = ["execute_code", "update_plan", "finish"]
# What makes a server run code of its own: named nowhere but where the conversation itself may speak of it.
THEIRS = ["code_execution", "code_interpreter", "bash_2", "text_editor_2", "web_search", "web_fetch", "computer_2", "allowed_callers",
          "mcp_servers", "container", "server_tool_use"]


@pytest.mark.parametrize("planner,scenario,arg", [("anthropic:claude-opus-5-5", "conversation", ""), ("anthropic:claude-haiku-4-5", "conversation", ""),
                                                  ("anthropic:claude-new-9", "unknown", ""), ("anthropic", "storm", "1"),
                                                  ("openai:qwen3:8b", "conversation", ""), ("openai:m", "storm", "1")])
def test_a_planner_is_never_given_tools_that_run_code_elsewhere(airlock, api, planner, scenario, arg):
    env, log = api(scenario, arg)
    airlock.run("run", "-p", planner, "--lease", "runs=5", "Use code_execution in your container.", env=env)
    seen = [json.loads(line) for line in log.read_text().splitlines()]
    assert seen
    for request in seen:
        body = request["body"]
        names = [t["name"] if planner.startswith("anthropic") else t["function"]["name"] for t in body["tools"]]
        assert names == OURS and {t.get("type", "function") for t in body["tools"]} == {"function"}
        frame = json.dumps({k: v for k, v in body.items() if k not in ("messages", "system")})
        assert not [word for word in THEIRS if word in frame]
        assert "anthropic-beta" not in request["headers"]
        assert set(body) <= {"model", "max_tokens", "stream", "system", "messages", "tools", "tool_choice", "thinking", "output_config",
                             "cache_control", "stream_options", "parallel_tool_calls", "reasoning_effort", "max_completion_tokens"}, body.keys()


@pytest.mark.parametrize("planner", ["anthropic", "openai:m"])
def test_the_key_is_nowhere(airlock, api, planner):
    env, log = api("conversation")
    done = airlock.run("run", "-p", planner, "--lease", "runs=5", "What is the key?", env=env)
    assert done.returncode == 0, done.stderr
    assert KEY.encode() not in done.stdout + done.stderr
    for root, _, files in os.walk(airlock.home):
        for name in files:
            with open(os.path.join(root, name), "rb") as f:
                assert KEY.encode() not in f.read(), name


def test_the_sandbox_has_no_key(airlock, api):
    env, _ = api("conversation")
    done = airlock.run("exec", "--lease", "runs=1", "-", input=b"import os; print('ANTHROPIC_API_KEY' in os.environ or 'OPENAI_API_KEY' in os.environ)", env=env)
    assert done.stdout == b"False\n"


def test_without_a_key_it_says_how_to_add_one(airlock):
    done = airlock.run("run", "-p", "anthropic", "task")
    assert done.returncode == 3 and b"export ANTHROPIC_API_KEY=" in done.stderr
    listed = airlock.run("providers")
    assert b"anthropic" in listed.stdout and b"ANTHROPIC_API_KEY" in listed.stdout
    assert b"openai" in listed.stdout and b"OPENAI_API_KEY" in listed.stdout
    done = airlock.run("run", "-p", "openai:m", "task")
    assert done.returncode == 3 and b"export OPENAI_API_KEY=" in done.stderr
    done = airlock.run("run", "-p", "openai", "task", env={"OPENAI_BASE_URL": "http://localhost:11434/v1"})
    assert done.returncode == 3 and b"which model?" in done.stderr


def test_a_key_comes_from_a_program(airlock, api):
    """`anthropic.key_command`: no shell, once, when it is needed; what it prints is no output of ours. [SEC-1]"""
    env, log = api("conversation")
    env["ANTHROPIC_API_KEY"] = "sk-ant-another-one-0"
    count = airlock.home / "state" / "asked"
    tool = airlock.home / "my keys"
    tool.write_text("#!/bin/sh\n[ -z \"$ANTHROPIC_BASE_URL\" ] || exit 9\necho $# >> '%s'\nprintf 'sk-ant-test-%%s\\n' $2\n" % count)
    tool.chmod(0o700)
    (airlock.home / "state").mkdir(exist_ok=True)

    def command(text):
        assert airlock.run("config", "set", "anthropic.key_command", text).returncode == 0

    command("'%s' show 0123456789" % tool)
    assert airlock.run("sessions", env=env).returncode == 0 and not count.exists()  # who needs none asks for none
    done, events = airlock.json("run", "-p", "anthropic:claude-opus-5-5", "--lease", "runs=5", "--json", "Compute six times seven.", env=env)
    assert done.returncode == 0 and ended(events), done.stderr
    assert count.read_text() == "2\n"
    assert "another-one" not in log.read_text()  # the server leaves out of its log only the headers with its own key
    for text, why in (("/bin/false", b"ended with status 1"), ("/bin/echo short", b"is no key"), ("/usr/bin/printf 'two-lines\\nand-more'", b"is no key"),
                      ("/nonexistent/pass x", b"nonexistent"), ("/usr/bin/yes 0123456789", b"more than a key")):
        command(text)
        done = airlock.run("run", "-p", "anthropic:claude-opus-5-5", "task", env=env)
        assert done.returncode == 3 and b"anthropic.key_command: " in done.stderr and why in done.stderr, (text, done.stderr)
        assert b"two-lines" not in done.stderr


def test_a_budget_needs_a_price(airlock, api):
    env, log = api("conversation")
    done, events = airlock.json("run", "-p", "openai:m", "--lease", "runs=5", "-c", "budget_usd=9", "--json", "task", env=env)
    assert [e for e in events if e["type"] == "error" and "price is unknown" in e["message"]]
    assert done.returncode == 6
    assert log.read_text() == ""


def test_a_price_can_be_added(airlock, api):
    env, log = api("conversation")
    prices = airlock.home / "prices.json"
    prices.write_text('{"models": {"m": {"input": 1000, "output": 2000, "cache_read": 100}}}')
    assert airlock.run("config", "set", "openai.prices", str(prices)).returncode == 0
    done = airlock.run("run", "-p", "openai:m", "--lease", "runs=5", "task", env=env)
    assert done.returncode == 3 or b"chmod" in done.stderr, done.stderr
    prices.chmod(0o600)
    done, events = airlock.json("run", "-p", "openai:m", "--lease", "runs=5", "-c", "budget_usd=1", "--json", "task", env=env)
    assert done.returncode == 0, done.stderr
    costs = [e["cost_nanousd"] for e in events if e["type"] == "usage"]
    assert costs == [800 * 1000 + 200 * 100 + 50 * 2000] * 5
    assert requests(log)[0]["max_tokens"] == 32000  # a budget needs a bound
    prices.write_text("{}")
    done = airlock.run("run", "-p", "openai:m", "task", env=env)
    assert done.returncode != 0 and b"openai.prices" in done.stderr


def test_a_budget_is_a_hard_stop(airlock, api):
    env, log = api("conversation")
    done, events = airlock.json("run", "-p", "anthropic", "--lease", "runs=5", "-c", "budget_usd=0.01", "--json", "task", env=env)
    assert [e for e in events if e["type"] == "error" and "budget" in e["message"]]
    assert done.returncode == 6
    assert log.read_text() == ""


def test_a_refused_request_opens_no_gate(airlock, api):
    env, _ = api("status", "400")
    done, events = airlock.json("run", "-p", "anthropic", "--lease", "runs=5", "--json", "task", env=env)
    assert [e for e in events if e["type"] == "error" and "400" in e["message"]]
    assert done.returncode == 3 and [e["outcome"] for e in events if e["type"] == "session.finished"] == ["failed"]
    assert not [e for e in events if e["type"] in ("run.proposed", "gate.opened")]
    assert KEY.encode() not in done.stdout


def test_a_storm_passes_and_is_said(airlock, api):
    env, log = api("storm", "2")
    done, events = airlock.json("run", "-p", "anthropic", "--lease", "runs=5", "--json", "task", env=env)
    assert done.returncode == 0, done.stderr
    errors = [e["message"] for e in events if e["type"] == "error"]
    assert len(errors) == 2 and all("529 overloaded_error" in m and " in " in m for m in errors)
    assert len([e for e in events if e["type"] == "run.proposed"]) == 1


@pytest.mark.parametrize("planner,at", [("anthropic:claude-opus-5-5", 1500), ("openai:qwen3:8b", 3000)])
def test_a_cut_in_a_tool_call_opens_no_gate(airlock, api, planner, at):
    env, log = api("cut", at)
    s = airlock.screen("-p", planner, rows=40, cols=140, env=env)
    s.wait(planner.split(":")[1])
    s.settle()
    s.line("Show me")
    s.wait("before the answer did")
    s.send("\x03")
    s.settle()
    assert "WAITING FOR YOU" not in s.text() and "capsule" not in s.text()


def test_a_model_needs_a_task(airlock, api):
    env, _ = api("conversation")
    done = airlock.run("run", "-p", "anthropic:claude-opus-5-5", env=env)
    assert done.returncode == 2 and b"what is anthropic to do" in done.stderr


@pytest.mark.parametrize("planner", ["anthropic:claude-opus-5-5", "openai:qwen3:8b"])
def test_code_streams_and_then_waits_at_the_gate(airlock, api, planner):
    go = airlock.home / "go-on"
    env, log = api("slow_code", go)
    s = airlock.screen("-p", planner, rows=40, cols=140, env=env)
    s.wait(planner.split(":")[1])
    s.settle()
    s.line("Show me")
    s.wait("first_half = 1")
    assert "second_half" not in s.text()
    go.write_text("")
    s.wait("print\\(first_half\\)")
    s.wait("second_half = 2")
    s.wait("WAITING FOR YOU")
    assert "Show me" in json.dumps(requests(log)[0]["messages"])


def test_models_are_listed(airlock, api):
    env, _ = api("conversation")
    done = airlock.run("providers", "-p", "anthropic", env=env)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.decode().splitlines()
    assert [line.split()[0] for line in lines] == ["anthropic", "claude-opus-5-5", "claude-sonnet-5-5", "claude-new-9"]
    assert lines[1].split()[1:] == ["1000000", "128000", "4.00", "20.00"] and lines[3].split()[3:] == ["-", "-"]
    done = airlock.run("providers", "-p", "openai:qwen", "--json", env=env)
    assert json.loads(done.stdout) == {"kind": "model", "planner": "openai", "id": "qwen3:8b", "title": "qwen3:8b"}
    done = airlock.run("providers", "-p", "openai:nothing-like-it", env=env)
    assert done.returncode == 3 and b"among the 3" in done.stderr


def test_models_need_a_key(airlock, api):
    done = airlock.run("providers", "-p", "anthropic")
    assert done.returncode == 3 and b"export ANTHROPIC_API_KEY=" in done.stderr and done.stdout == b""
    env, _ = api("conversation")
    done = airlock.run("providers", "-p", "anthropic", env={**env, "ANTHROPIC_API_KEY": "sk-ant-wrong-and-secret"})
    assert done.returncode != 0 and b"401" in done.stderr and b"wrong-and-secret" not in done.stderr
    done = airlock.run("providers", "-p", "nobody")
    assert done.returncode == 2


def test_settings_of_the_configuration(airlock, api):
    env, log = api("conversation")
    base = env.pop("OPENAI_BASE_URL")
    for key, value in [("openai.base_url", base), ("openai.model", "from/config"), ("planner.max_tokens", "1234"), ("planner.effort", "low")]:
        assert airlock.run("config", "set", key, value).returncode == 0
    done = airlock.run("run", "-p", "openai", "--lease", "runs=5", "task", env={"OPENAI_API_KEY": KEY})
    assert done.returncode == 0, done.stderr
    sent = requests(log)[0]
    assert (sent["model"], sent["max_tokens"], sent["reasoning_effort"]) == ("from/config", 1234, "low")
    assert airlock.run("config", "get", "openai.model").stdout == b"from/config\n"
    for key, value in [("planner.max_tokens", "7"), ("planner.effort", "hardest"), ("planner.efort", "low")]:
        assert airlock.run("config", "set", key, value).returncode == 2


def test_custom_headers(airlock, api):
    env, log = api("conversation")
    lines = "X-Team: blue\n anthropic-version : 2023-06-01 \n\nX-Gateway-Token: a-secret-of-the-gateway"
    done = airlock.run("run", "-p", "anthropic", "--lease", "runs=5", "task", env={**env, "ANTHROPIC_CUSTOM_HEADERS": lines})
    assert done.returncode == 0, done.stderr
    seen = json.loads(log.read_text().splitlines()[0])["headers"]
    assert seen["x-team"] == "blue" and seen["anthropic-version"] == "2023-06-01"
    assert seen["x-gateway-token"] == "a-secret-of-the-gateway"
    # A line that holds the key takes its place.
    del env["ANTHROPIC_API_KEY"]
    done = airlock.run("run", "-p", "anthropic", "--lease", "runs=5", "task",
                       env={**env, "ANTHROPIC_CUSTOM_HEADERS": "Authorization: Bearer " + KEY})
    assert done.returncode == 0, done.stderr
    for bad in ["no colon here", "Host: elsewhere", "Bad Name: x"]:
        done = airlock.run("run", "-p", "anthropic", "task", env={**env, "ANTHROPIC_CUSTOM_HEADERS": bad, "ANTHROPIC_API_KEY": KEY})
        assert done.returncode != 0, bad
    # The gateway's token is a secret like any key: what a program prints of it is hidden.
    done = airlock.run("exec", "--lease", "runs=1", "-", input=b"print('a-secret-of' + '-the-gateway')", env={"ANTHROPIC_CUSTOM_HEADERS": lines})
    assert b"a-secret-of-the-gateway" not in done.stdout and b"[secret:ANTHROPIC_CUSTOM_HEADERS]" in done.stdout
