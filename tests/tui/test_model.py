"""The person's side of a planner that asks a model: what it sees, which it is, what waits, the plan."""
import time

from test_planner import api, requests  # noqa: F401


def events(airlock):
    return airlock.json("show", "--json", "last")[1]


def start(airlock, env, task="Compute six times seven."):
    s = airlock.screen("-p", "anthropic:claude-opus-5-5", rows=36, cols=120, env=env)
    s.wait("claude-opus-5-5")
    s.settle()
    s.line(task)
    return s


def approve(s):
    s.send("\x07")
    s.wait(r"\[a\]")
    s.settle(0.7)
    s.send("a")
    s.wait_gone(r"\[a\]")


def test_the_person_sees_what_the_model_sees(airlock, api):
    env, _ = api("conversation")
    s = start(airlock, env)
    s.wait("WAITING FOR YOU")
    s.line(":context")
    s.wait("What the model sees: claude-opus-5-5")
    s.wait(r"tokens of 1 000 000 \(0.1 %\) +the last: 1 000 in, 50 out, counted by the server")
    s.wait(r"1 instructions +~\d+ +You plan")
    s.wait(r"4 assistant +50 +type: thinking")  # the server's count
    s.wait(r"print\(6\*7-1\)")  # the newest, in full
    s.send("k")
    s.wait(r"─\W+The person sees the plan")
    s.send("q")
    s.wait("1 Plan")
    approve(s)  # the screen is whole again
    s.wait("attempt 2")


def test_model_and_effort_change_between_turns(airlock, api):
    env, log = api("conversation")
    s = start(airlock, env)
    s.wait("WAITING FOR YOU")
    s.line(":effort sideways")
    s.wait("effort takes one of low")
    s.line(":effort high")
    s.wait("claude-opus-5-5 high")
    s.line(":model")
    s.wait("claude-new-9")
    s.wait(r"claude-sonnet-5-5\W+window 1000000 tokens, in \$2.00, out \$10.00 a million")
    s.send("q")
    s.type(":model claude-s\t")
    s.wait(r":model claude-sonnet-5-5")
    s.send("\r")
    s.wait("claude-sonnet-5-5 high")
    approve(s)
    s.wait("attempt 2")
    sent = requests(log)
    assert [r["model"] for r in sent] == ["claude-opus-5-5"] * 2 + ["claude-sonnet-5-5"]
    assert "output_config" not in sent[0] and sent[2]["output_config"] == {"effort": "high"}
    # What the other model thought does not go to this one.
    assert not [b for m in sent[2]["messages"] for b in m["content"] if b["type"] == "thinking"]
    seen = events(airlock)
    assert [e["model"] for e in seen if e["type"] == "model.changed"] == ["claude-opus-5-5@high", "claude-sonnet-5-5@high"]


def test_words_wait_for_the_next_call_or_interrupt_it(airlock, api):
    env, log = api("hang")
    s = start(airlock, env)
    s.wait("planning")
    s.line("And be quick.")
    s.wait("1 QUEUED")
    s.line(":pane 8")
    s.wait("person, queued: goes with the model's next call")
    s.send("\x03")
    s.wait("it gets what you said now")
    s.wait_gone("QUEUED")
    s.wait("planning")
    s.send("\x03")
    s.wait("ready")
    assert [b["text"] for b in requests(log)[-1]["messages"][0]["content"]] == ["Compute six times seven.", "And be quick."]
    end = time.monotonic() + 10
    while events(airlock)[-1]["type"] != "planner.waiting" and time.monotonic() < end:
        s.settle(0.1)
    assert events(airlock)[-1]["type"] == "planner.waiting", [e["type"] for e in events(airlock)][-6:]


def test_a_retry_counts_down_and_is_cancelled(airlock, api):
    env, log = api("rate")  # retry-after: 1
    s = start(airlock, env)
    s.wait(r"RETRY IN \d s")
    s.send("\x03")
    s.wait("ready")
    assert len(requests(log)) == 1
    s.line("Go on.")
    s.wait("WAITING FOR YOU")


def test_the_plan_is_changed_by_the_person(airlock, api):
    env, log = api("conversation")
    s = start(airlock, env)
    s.wait("WAITING FOR YOU")
    s.send("\x1b")
    s.wait("Tab pane")
    s.send("1")
    s.wait("add")
    s.send("+")
    s.wait("new step after 1: ")
    s.line("Check it twice")
    s.wait("2 Check it twice")
    s.send("+")
    s.wait("new step after 2: ")
    s.line("Write it down")
    s.wait("3 Write it down")
    s.send("K")
    s.wait("2 Write it down")
    s.send("S")
    s.wait(r"2 Write it down +skipped")
    s.line(":step delete 1")
    s.wait("step 1 has runs")
    approve(s)
    s.wait("attempt 2")
    words = requests(log)[-1]["messages"][-1]["content"][-1]["text"]
    assert words == ("I changed the plan. It is now:\n1. Compute the answer (active)\n3. Write it down (skipped)\n"
                     "2. Check it twice (pending)\n")
    plans = [e for e in events(airlock) if e["type"] == "plan.updated"]
    assert [p["author"] for p in plans] == ["planner"] + ["person"] * 4
    assert [st["title"] for st in plans[-1]["steps"]] == ["Compute the answer", "Write it down", "Check it twice"]


def test_a_long_output_is_clipped_for_the_model_only(airlock, api):
    editor = airlock.home / "editor.sh"
    editor.write_text("#!/bin/sh\necho 'for i in range(20000): print(\"line\", i)' > \"$1\"\n")
    editor.chmod(0o755)
    env, log = api("conversation")
    s = airlock.screen("-p", "anthropic:claude-opus-5-5", rows=36, cols=178, env={**env, "EDITOR": str(editor)})
    s.wait("claude-opus-5-5")
    s.settle()
    s.line("Compute six times seven.")
    s.wait("WAITING FOR YOU")
    s.send("\x07")
    s.wait(r"\[a\]")
    s.settle(0.7)
    s.send("e")
    s.wait("range\\(20000\\)")
    s.settle()
    approve(s)
    s.wait("Out .*model gets 32 kB")
    s.wait("line 19999")  # all of it is here
    s.until(lambda: "bytes clipped" in log.read_text())  # the request with it is on its way
    result = requests(log)[-1]["messages"][-1]["content"][0]["content"]
    assert "line 0\\n" in result and "line 19999\\n" in result and "bytes clipped" in result and "line 10000" not in result
    s.line(":context")
    s.send("k")
    s.wait("result .*shortened")
    s.wait("bytes clipped|edited")
