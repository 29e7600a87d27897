"""Statistics over sessions, and which decisions a policy file would change."""
import os
import re


def code(airlock, text, *args):
    return airlock.run("exec", *args, "-", input=text)


def test_decisions_are_counted_and_filtered(airlock):
    code(airlock, b"import shutil; shutil.rmtree('/usr/lib')", "--lease", "runs=1")
    code(airlock, b"print(1)", "--lease", "runs=1")
    code(airlock, b"print(2)")
    done, stats = airlock.json("stats", "--json")
    assert done.returncode == 0, done.stderr
    whole = stats[0]
    assert (whole["stat"], whole["sessions"], whole["unasked"], whole["refused"]) == ("all", 3, 1, 2)
    rule = next(s for s in stats if s["stat"] == "rule")
    assert (rule["rule"], rule["severity"], rule["refused"]) == ("py.delete-tree", "HIGH", 1)
    assert {s["reason"] for s in stats if s["stat"] == "reason"} == {
        "HIGH line 1: not covered by the lease", "no person is there to ask (stdin is no terminal), and there is no lease"}
    assert [(s["sandbox"], s["sessions"], s["runs"]) for s in stats if s["stat"] == "sandbox"] == [("local", 3, 1)]
    text = airlock.run("stats").stdout.decode()
    assert re.search(r"py\.delete-tree +1 ", text) and "denials by reason" in text
    assert airlock.json("stats", "~high", "--json")[1][0]["sessions"] == 1
    assert airlock.json("stats", "since:2999-01-01", "--json")[1][0]["sessions"] == 0
    assert airlock.run("stats", "~nonsense").returncode == 2


def test_a_policy_file_is_tried_on_the_past(airlock):
    code(airlock, b"print(1)")
    code(airlock, b"print(2)")
    line = re.search(r"^policy +(allow \w{64} \w{64})$", airlock.run("show", "last:1").stdout.decode(), re.M).group(1)
    policy = airlock.home / "policy"
    policy.write_text(line + "\n")
    os.chmod(policy, 0o600)
    done, changed = airlock.json("stats", "--policy", str(policy), "--json", cwd="/")
    assert done.returncode == 1, done.stderr
    assert [(c["run"], c["was"], c["by"], c["would"]) for c in changed] == [(1, "deny", "policy", "approve")]
    text = airlock.run("stats", "--policy", str(policy), cwd="/").stdout.decode()
    assert "would run unasked" in text and "1 of 2 decisions would be other ones" in text
    # What it says is what happens; nothing was executed to find out.
    done = airlock.run("exec", "--policy", str(policy), "-", input=b"print(2)", cwd="/")
    assert done.stdout == b"2\n"
    os.chmod(policy, 0o644)
    assert airlock.run("stats", "--policy", str(policy), cwd="/").returncode == 4
