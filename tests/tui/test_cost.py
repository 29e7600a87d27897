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


def test_the_same_tokens_at_other_prices(airlock, api):
    env, _ = api("conversation")
    airlock.run("run", "-p", "anthropic:claude-opus-5-5", "--lease", "runs=5", "Compute.", env=env)
    said = airlock.run("cost", "last", "--what-if").stdout.decode()
    assert "the same tokens in 5 calls, at the price of" in said
    got = [r for r in rows(airlock.run("cost", "--what-if", "--json")) if r["kind"] == "what-if"]
    prices = {r["model"]: r["cost_nanousd"] for r in got}
    assert prices["anthropic:claude-opus-5-5"] == 25000000  # as it was
    assert prices["anthropic:claude-opus-5"] == 25000000 * 5 // 4
    assert [r["cost_nanousd"] for r in got] == sorted(prices.values()) and got[0]["calls"] == 5
    own = airlock.home / "prices.json"
    own.write_text('{"models": {"mine": {"input": 1, "output": 2}, "claude-opus-5": {"input": 0, "output": 0}}}')
    own.chmod(0o600)
    assert airlock.run("config", "set", "anthropic.prices", str(own)).returncode == 0
    got = [r for r in rows(airlock.run("cost", "last", "--what-if", "--json")) if r["kind"] == "what-if"]
    assert [r["model"] for r in got][:2] == ["anthropic:claude-opus-5", "anthropic:mine"] and got[1]["cost_nanousd"] == 5 * (1000 + 2 * 50)
    own.write_text("{}")
    bad = airlock.run("cost", "last", "--what-if")
    assert bad.returncode == 1 and b"anthropic.prices" in bad.stderr
    airlock.run("exec", "--lease", "runs=1", "-", input=b"print(1)")
    own.write_text('{"models": {}}')
    assert b"no call of a model" in airlock.run("cost", "last", "--what-if").stdout


def test_an_unknown_price_is_never_nothing(airlock, api):
    env, _ = api("conversation")
    airlock.run("run", "-p", "anthropic:claude-of-tomorrow", "--lease", "runs=5", "Compute.", env=env)
    said = airlock.run("cost", "last").stdout.decode()
    assert "unknown" in said and "$0" not in said
    got = rows(airlock.run("cost", "--json"))
    assert [r["kind"] for r in got] == ["row", "total"]
    assert got[-1]["cost_nanousd"] is None and got[-1]["calls_without_price"] == 5


def test_a_sandbox_of_this_machine_ends_with_airlock(airlock):
    airlock.run("exec", "--lease", "runs=1", "-", input=b"print(1)")
    said = airlock.run("cost", "last").stdout.decode()
    assert "sandbox 0." in said and "at least" not in said and "not in the record" not in said
    assert rows(airlock.run("cost", "last", "--json"))[-1]["sandboxes_not_closed"] == 0


def test_what_can_not_be_told(airlock):
    assert airlock.run("cost", "last").returncode == 3
    assert airlock.run("cost", "a", "b").returncode == 2
    bad = airlock.run("cost", "--by", "weather")
    assert bad.returncode == 2 and b"session, sandbox, model or day" in bad.stderr
    airlock.run("exec", "--lease", "runs=1", "-", input=b"print(1)")
    said = airlock.run("cost", "last").stdout.decode()
    assert "$" not in said and "sandbox " in said
    assert airlock.run("cost", "--by", "sandbox").stdout.startswith(b"by sandbox")
