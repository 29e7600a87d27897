"""Pages over the panes and the plan: what they say, where Enter goes, and what is refused with its reason."""
import pytest

from hand import events, own, press, say, start

ESC = "\x1b"


@pytest.fixture
def runs(airlock):
    """Three runs: x is made, changed, and lost."""
    s = start(airlock)
    for n, code in enumerate(("x = 1; print('one', x)", "x = 2; print('two', x)", "del x"), 1):
        own(s, "!" + code)
        s.wait("python ─ run %d" % n)
        s.wait("after run %d" % n)
    s.settle(0.2)
    return s


def test_the_contract_before_a_session_and_in_one(airlock):
    s = start(airlock, "-c", "cpu=2")
    say(s, ":contract", r"Contract ─[\s\S]*cpu +2 ")
    press(s, ["q"])
    say(s, ":contract strict=no", "strict=no holds from the next session on")
    say(s, ":contract nonsense=1", "nonsense")
    own(s, "!x = 1")
    s.wait("x +int")
    say(s, ":contract", r"Contract ─[\s\S]*strict +no")
    press(s, ["\r"])  # nothing to do there: Enter leaves it
    s.wait_gone("Contract ─")


def test_the_contract_in_a_replay_is_the_recorded_one(airlock):
    done = airlock.run("exec", "--lease", "runs=1", "-c", "memory_mib=512", "-", input=b"print(1)")
    assert done.returncode == 0, done.stderr
    s = airlock.screen("replay", "last", rows=40, cols=120)
    s.wait("Plan")
    press(s, ["G", ":"])
    say(s, "contract", r"Contract ─[\s\S]*memory_mib +512")
    press(s, ["q", ":"])
    s.send("contract cpu=2\r")
    s.wait("(?i)replay")
    for line in ("rename x", "kill", "put x", "seek nonsense", "seek 1:00", "seek 50%", "seek run 9", "seek #3", "idle-cap x", "idle-cap 2"):
        press(s, [":"])
        s.send(line + "\r")
        s.settle(0.1)
        if line == "seek nonsense":
            s.wait("seek takes 50%, 1:30, #EVENT or run N")
        if line == "seek run 9":
            s.wait("there is no run 9")
        if line == "idle-cap x":
            s.wait("idle-cap takes seconds, 0 to 3600")
    press(s, [ESC, "+", "+", "-", "-", "-", " ", "+", " ", "(", ")", "H", "\x1bH", "F", "\x1bF", "!", "\x1b!", "}", "{", "h", "\r"])
    s.wait("no gate is open at this moment|decided|approve|kept back")
    press(s, ["Q"])
    assert s.ended() == 0


def test_pairs_of_runs(runs):
    s = runs
    for line in (":compare 9", ":compare 1 9", ":compare 1 1", ":compare x", ":differences 7 8"):
        say(s, line, "compare takes|no run|two runs|another run|there is")
        say(s, ":nix", "no command :nix")
    say(s, ":compare 1 2", "one 1")
    press(s, ["2"], "Time travel to run 2")
    press(s, ["q"])
    say(s, ":compare 2 1", r"two 2 +\| one 1")
    press(s, ["j", "k", "2"], "Time travel to run 1")
    press(s, ["\r"], "restored")  # and goes there
    s.wait("after run 1")
    own(s, "!print('again', x)")
    s.wait("again 1")
    say(s, ":compare 1 4", "stdout: differs")  # what is gone on with stands in the note
    press(s, ["2"], "run 4: the variables are there already")
    say(s, ":differences 1 2", "differs")
    press(s, ["]", "[", "s", "f", "l", "h", "w", "m", "n", "N", "/"])
    s.send("one\r")
    press(s, ["n", "?", "?", "q"])
    s.wait("2 Code")


def test_when_a_variable_changed(runs):
    s = runs
    say(s, ":changes", "no variable is selected: 7 goes to them; :changes NAME")
    say(s, ":changes nobody", "No run in this session made it, changed it or lost it.")
    press(s, ["q"])
    say(s, ":changes x", "x: last changed in run 3, the newest")
    press(s, ["g", "\r"], "python ─ run 1")  # Enter shows the run
    press(s, ["q", "h", "7", "g", "W"], "last changed in run 3, the newest")
    press(s, ["q", "i"])
    say(s, ":changes file nothing.txt", "No run in this session")
    press(s, ["\r"])
    s.wait_gone("No run in this session")


def test_back_to_runs_that_are_not_there(runs):
    s = runs
    for line, expected in ((":restore 9", "there is no run 9"), (":restore x", "'x' is no number of a run"), (":fork 8", "there is no run 8"),
                           (":fork 1x", "'1x' is no number of a run")):
        s.send(line + "\r")
        s.wait(expected, 8)
        s.settle(0.05)
        s.send(":nix\r")
        s.wait("no command :nix")
    s.send(":restore 3\r")
    s.wait("run 3")
    press(s, ["q"])
    say(s, ":restore 1", "Time travel to run 1")
    press(s, ["F"], "Fork from run 1")
    press(s, ["q"])
    say(s, ":restore 3", "the variables are those after run 3 already")
    press(s, ["\r"])
    s.wait_gone("Time travel")


def test_the_tree_leads_into_the_sessions(runs, airlock):
    s = runs
    say(s, ":fork 1", "Fork from run 1")
    press(s, ["\r"])
    s.wait(r"x +int", 15)
    own(s, "!y = x + 10")
    s.wait("y +int")
    for keys in (["g"], ["G"], ["G", "k"], ["j", "j", "j"]):
        press(s, ["i", "\x15"])  # at the prompt, wherever Enter led to
        s.send(":tree\r")
        s.wait_gone("2 Code")
        press(s, keys + ["\r"], "2 Code")
        s.settle(0.2)
    assert len(airlock.json("sessions", "--json")[1]) == 2


# ---- the plan ----

def test_a_plan_by_keys_and_by_words(airlock):
    s = start(airlock)
    own(s, "!x = 1")
    s.wait("x +int")
    press(s, [ESC, "1", "+"], "new step: ")
    own(s, "load")
    s.wait("1 load")
    press(s, ["+"], "new step after 1: ")
    own(s, "count")
    s.wait("2 count")
    press(s, ["+"])
    own(s, "")  # an empty line changes nothing
    press(s, ["g", "e"], "step 1: load")
    s.type(" it")
    s.send("\r")
    s.wait("1 load it")
    press(s, ["J"], "2 load it")
    press(s, ["K"], "1 load it")
    press(s, ["K"])  # it is the first
    press(s, ["M"], r"step 1 is \(p a d f s\): ")
    own(s, "d")
    press(s, ["M"])
    own(s, "nonsense")
    s.wait("pending, active, done, failed")
    press(s, ["S", "G", "S", "S"])
    press(s, ["-"])
    s.wait_gone("2 count")
    press(s, ["i"])
    for line, expected in ((":step add third", "third"), (":step edit 9 x", "9"), (":step move 1 2", "2 load it"),
                           (":step mark 2 failed", "load it"), (":step delete 1", "1 load it|load it"), (":step frob", "step takes add TEXT")):
        s.send(line + "\r")
        s.wait(expected, 8)
        s.settle(0.1)
    plans = events(airlock, "plan.updated")
    assert plans[-1]["steps"][0]["title"] == "load it" and plans[-1]["steps"][0]["status"] == "failed"
    assert {e["author"] for e in plans} == {"person"}


def test_a_plan_that_its_planner_can_not_follow_is_left_alone(airlock):
    s = start(airlock)
    s.send(":runbook @tour\r")
    s.wait("to decide")
    before = len(events(airlock, "plan.updated"))
    refused = "a runbook's steps are those of its file, in its order: mark what is to be skipped, or edit the file"
    for line in (":step add one more", ":step delete 5", ":step move 3 4"):
        say(s, line, refused)
        say(s, ":nix", "no command :nix")
    press(s, [ESC, "1", "+"], "new step after 1: ")
    own(s, "another")
    s.wait(refused)
    for key in ("-", "K"):
        press(s, ["i"])
        say(s, ":nix", "no command :nix")
        press(s, [ESC, "1", "G", key], refused)
    assert len(events(airlock, "plan.updated")) == before
    press(s, ["S"], "5 Decide +skipped")
    assert [e["author"] for e in events(airlock, "plan.updated")[before:]] == ["person"]
    press(s, ["i"])
    s.send(":stop enough\r")
    s.wait("1 . stopped")


# ---- search of all sessions ----

def test_each_kind_of_hit_leads_to_its_place(airlock):
    for code in (b"import sys\nprint('needle one')\nprint('needle two')\nprint('needle err', file=sys.stderr)\n",
                 b"needle_name = 5\nraise ValueError('needle error')\n"):
        airlock.run("exec", "--lease", "runs=1", "-", input=code)
    s = airlock.screen("sessions", rows=40, cols=140)
    s.wait("2 sessions")
    press(s, ["F"], "find: ")
    own(s, "needle")
    s.wait("Found")
    s.settle(0.4)
    for row in range(6):
        press(s, ["g"] + ["j"] * row)
        s.send("\r")
        s.wait("2 Code")
        s.settle(0.1)
        s.wait("needle")
        press(s, ["s", "F"], "find: ")
        s.send("\r")
        s.wait("Found")
        s.settle(0.3)
    press(s, ["k", "k", "G", "F"], "find: needle")
    s.send("\x15since:nonsense x\r")
    s.wait("since")
    s.settle(0.1)
    press(s, [ESC, "q", "q"])
    s.send(":find nothing-like-this\r")
    s.wait("Found")
    s.settle(0.2)
    press(s, ["\r"], "nothing is selected")
