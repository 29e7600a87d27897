"""What a session has cost: call by call, in all, unknown where a price is unknown."""
import json

from test_planner import api  # noqa: F401


def rows(done):
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.decode().splitlines()]


def test_a_session_call_by_call(airlock, api):
    env, _ = api("conversation")
    airlock.run("run", "-p", "anthropic:claude-opus-5-5", "--lease", "runs=5", "Compute.", env=env)
    said = airlock.run("cost", "last").stdout.decode()
    assert said.count("anthropic:claude-opus-5-5") == 6 and "$0.005000" in said
    assert "total" in said and "$0.025000" in said and "sandbox " in said
    got = rows(airlock.run("cost", "last", "--json"))
    assert [r["kind"] for r in got] == ["call"] * 5 + ["row", "total"]
    assert got[0]["input_tokens"] == 1000 and got[0]["output_tokens"] == 50 and got[0]["cost_nanousd"] == 5000000
    assert got[-1]["cost_nanousd"] == 25000000 and got[-1]["sandbox_ms"] > 0


def test_an_unknown_price_is_never_nothing(airlock, api):
    env, _ = api("conversation")
    airlock.run("run", "-p", "anthropic:claude-of-tomorrow", "--lease", "runs=5", "Compute.", env=env)
    said = airlock.run("cost", "last").stdout.decode()
    assert "unknown" in said and "$0" not in said
    got = rows(airlock.run("cost", "--json"))
    assert [r["kind"] for r in got] == ["row", "total"]
    assert got[-1]["cost_nanousd"] is None and got[-1]["calls_without_price"] == 5


def test_what_can_not_be_told(airlock):
    assert airlock.run("cost", "last").returncode == 3
    assert airlock.run("cost", "a", "b").returncode == 2
    bad = airlock.run("cost", "--by", "weather")
    assert bad.returncode == 2 and b"session, sandbox, model or day" in bad.stderr
    airlock.run("exec", "--lease", "runs=1", "-", input=b"print(1)")
    said = airlock.run("cost", "last").stdout.decode()
    assert "$" not in said and "sandbox " in said
    assert airlock.run("cost", "--by", "sandbox").stdout.startswith(b"by sandbox")
