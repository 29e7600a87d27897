"""Time travel, forks, branches: back to the variables of an earlier run, by keys and in the shell."""
import subprocess

import pytest

from test_screen import events, start


def three_runs(airlock, **kw):
    """x is 1, 2, 3 after runs 1, 2, 3; f can't be pickled; run 3 made a file."""
    s = start(airlock, rows=36, cols=120, **kw)
    for code, number in (("x = 1; f = (i for i in range(3))", 1), ("x = 2; y = [1, 2]", 2), ("n = open('a.txt', 'w').write('hi'); x = 3", 3)):
        s.line("!" + code)
        s.wait(r"│ +%d . exit 0" % number)
        wait_event(airlock, lambda e: e["type"] == "checkpoint.made" and e["kind"] == "saved" and e["run"] == number)
    return s


def wait_event(airlock, test):
    import time
    end = time.monotonic() + 20
    while time.monotonic() < end:
        for e in events(airlock):
            if test(e):
                return e
        time.sleep(0.05)
    raise AssertionError("no such event")


def to_run(s, number):
    s.send("\x1b")
    s.settle(0.15)
    s.type("6")
    s.type("g")
    for _ in range(3 - number):
        s.type("j")
    s.settle(0.15)


def test_back_by_the_frozen_copy_and_forth_by_the_saved_namespace(airlock):
    s = three_runs(airlock)
    to_run(s, 1)
    s.type("t")
    s.wait("frozen copy of the interpreter")
    s.wait(r"\+ f +generator")
    s.wait(r"- file a.txt \(stays as run 3 left it\)")
    assert not [e for e in events(airlock) if e["type"] == "state.restored"]  # looking does nothing
    s.type("q")
    s.wait("Timeline")
    s.type("tt")
    s.wait("state restored: 2 kept")
    s.wait("at run 1")
    s.type("i")
    s.line("!x = x + 10; print(x, next(f))")
    s.wait(r"│ 11 0 +│")
    s.wait("after 1")
    wait_event(airlock, lambda e: e["type"] == "checkpoint.made" and e["kind"] == "saved" and e["run"] == 4)
    # The end of the other branch: its frozen copy is gone, its saved namespace is not.
    to_run(s, 3)
    s.type("j")
    s.type("t")
    s.wait("loaded inside a new sandbox")
    s.wait(r"- f \(TypeError")
    s.type("t")
    s.wait("state restored: 3 kept")
    s.type("i")
    s.line("!print(x, y, 'f' in dir())")
    s.wait(r"│ 3 \[1, 2\] False +│")
    restored = [e for e in events(airlock) if e["type"] == "state.restored"]
    assert [(e["from_run"], e["how"]) for e in restored] == [(1, "fork"), (3, "saved")]
    assert sorted(restored[1]["kept"]) == ["n", "x", "y"]
    assert any(lost.startswith("f (TypeError") for lost in restored[1]["lost"]) and "file a.txt" in restored[1]["lost"]
    # What came back is compared with what was there, not taken for new.
    changed = wait_event(airlock, lambda e: e["type"] == "state.changed" and e["run"] == 5)
    assert {v["name"]: v["change"] for v in changed["vars"]} == {"n": "same", "x": "same", "y": "same"}
    assert airlock.run("verify", "last").returncode == 0


def test_a_fork_is_a_session_of_its_own(airlock):
    s = three_runs(airlock)
    parent = events(airlock)[0]["session"]
    to_run(s, 2)
    s.type("F")
    s.wait("Fork from run 2")
    s.send("\r")
    s.wait("state restored: 2 kept")
    s.wait(r"x +int 2 +same")
    s.line("!print(x * 100)")
    s.wait(r"│ 200 +│")
    branch = events(airlock)
    created = branch[0]
    assert created["session"] != parent and created["parent"] == parent + ":2"
    at = [e for e in events(airlock, parent) if e["seq"] == created["parent_seq"]][0]
    assert at["run"] == 2
    # The parent is as it was, and both are whole.
    assert [e["run"] for e in events(airlock, parent) if e["type"] == "run.finished"] == [1, 2, 3]
    s.send("\x1b")
    s.settle(0.2)
    s.type("Q")
    assert s.ended() == 0
    assert airlock.run("verify", "--all").returncode == 0


def test_the_tree_of_branches_two_runs_side_by_side_and_when_x_changed(airlock):
    s = three_runs(airlock)
    s.line(":restore 1")
    s.wait("Time travel to run 1")
    s.type("t")
    s.wait("state restored: 2 kept")
    s.line("!x = 7; y = [1, 3]; print(x)")
    wait_event(airlock, lambda e: e["type"] == "checkpoint.made" and e["kind"] == "saved" and e["run"] == 4)
    parent = events(airlock)[0]["session"]
    # Candidates for the same step, side by side; the left one is picked, the other stays.
    s.line(":compare 2 4")
    s.wait("1: run 2 .*2: run 4")
    s.wait(r"x = 2; y = \[1, 2\] +\| x = 7; y = \[1, 3\]")
    s.type("1")
    s.wait("Time travel to run 2")
    s.type("t")
    s.wait(r"at run 2")
    assert wait_event(airlock, lambda e: e["type"] == "note")["text"] == "picked run 2 over run 4, which stays as a branch"
    s.line(":fork 4")
    s.wait("Fork from run 4")
    s.send("\r")
    s.wait("airlock  fork:4")
    s.wait("state restored: 2 kept")
    s.settle(0.3)  # keys that come in one piece are a paste, and a paste is asked about
    s.line("!x = 8")
    s.wait(r"│ +1 . exit 0")
    s.line(":tree")
    s.wait(r"fork after run 4 .*open")
    s.wait(r"├─ runs 2-3 .*<- here, at run 2")
    s.settle(0.2)
    s.send("\x1b[A\x1b[A")
    s.type("q")
    s.send("\x1b")
    s.settle(0.2)
    s.type("7W")
    s.wait("x: last changed in run 1, the newest")
    s.type("q")
    s.type("Q")
    assert s.ended() == 0
    tree = airlock.json("tree", "--json", "last")[1]
    assert [t.get("parent_record") for t in tree if "run" not in t] == ["root", "same"]
    assert [(t["first"], t["run"], t["after"], t["tip"]) for t in tree if t["session"] == parent and "run" in t] == \
        [(1, 1, 0, False), (2, 3, 1, True), (4, 4, 1, True)]
    history = airlock.json("show", parent, "--var", "x", "--json")[1]
    assert [(m["run"], m["change"], m["this_branch"]) for m in history] == \
        [(1, "new", True), (2, "changed", True), (3, "changed", False), (4, "changed", False)]
    assert b"last changed in run 2, 2 runs ago" in airlock.run("show", parent, "--var", "x").stdout
    files = airlock.run("diff", parent + ":2", parent + ":3", "--what", "files")
    assert files.returncode == 1 and b"+a.txt new 2" in files.stdout
    shown = airlock.run("show", parent + ":4").stdout.decode()
    assert "began with the variables after run 1" in shown and "not saved: f (TypeError" in shown


def test_arrays_and_frames_are_told_by_shape_types_and_content(airlock):
    probe = subprocess.run(["/usr/bin/python3", "-I", "-c", "import numpy, pandas"], capture_output=True)
    if probe.returncode != 0:
        pytest.skip("numpy and pandas are not installed (python3-numpy, python3-pandas)")
    (airlock.home / "a.py").write_text(
        "import numpy as np, pandas as pd\n"
        "a = np.arange(6.0).reshape(2, 3)\n"
        "df = pd.DataFrame({'id': [1, 2], 'name': ['x', 'y']})\n"
        "s = pd.Series([1.5, 2.5])\n")
    assert airlock.run("exec", "-c", "timeout_s=60", "--lease", "runs=1", "a.py").returncode == 0
    told = {v["name"]: v for v in [e for e in events(airlock) if e["type"] == "state.changed"][0]["vars"]}
    assert (told["a"]["type"], told["a"]["shape"]) == ("numpy.ndarray[float64]", "2×3")
    assert told["a"]["preview"].startswith("array([0.0, 1.0, 2.0")
    assert told["df"]["shape"] == "2×2"
    assert told["df"]["preview"] == "'id' int64 [1, 2]; 'name' object ['x', 'y']"
    assert told["s"]["preview"] == "float64 [1.5, 2.5]"
    assert all(told[n]["digest"] for n in ("a", "df", "s"))


def test_fork_in_the_shell_and_rerun_into_it(airlock):
    for n, code in enumerate(("x = 1", "x = x + 1; g = (i for i in range(9))")):
        (airlock.home / ("%d.py" % n)).write_text(code)
    assert airlock.run("exec", "--lease", "runs=1", "0.py").returncode == 0
    done = airlock.run("fork", "last")
    assert done.returncode == 0, done.stderr
    text = done.stdout.decode()
    assert "Back to the variables as they were after run 1." in text and "kept: x" in text and "lost: nothing" in text
    branch = events(airlock)
    assert branch[0]["parent"].endswith(":1") and branch[-1]["type"] != "session.finished"
    assert airlock.run("exec", "--lease", "runs=1", "1.py").returncode == 1  # a session without x
    done = airlock.run("rerun", "last", "--into", branch[0]["session"], "--lease", "runs=1")
    assert done.returncode == 1, done.stdout  # it differs: here there is an x
    again = events(airlock, branch[0]["session"])
    finished = [e for e in again if e["type"] == "run.finished"]
    assert len(finished) == 1 and finished[0]["code"] == 0
    decided = [e for e in again if e["type"] == "gate.decided"]
    assert [(d["decision"], d["by"]) for d in decided] == [("approve", "lease")]
    # Without a person, a lease or a policy nothing runs again.
    assert airlock.run("rerun", "last", "--into", branch[0]["session"]).returncode == 4
    assert airlock.run("fork", "nobody").returncode == 3
    assert airlock.run("fork", "last:9").returncode == 2


def test_resume_goes_on_from_where_the_person_went_back_to(airlock):
    s = three_runs(airlock)
    to_run(s, 2)
    s.type("tt")
    s.wait("state restored: 3 kept")
    s.type("Q")
    assert s.ended() == 0
    s = airlock.screen("resume", "last", rows=36, cols=120)
    s.wait("state restored: 2 kept")
    s.wait(r"x +int 2")
    assert wait_event(airlock, lambda e: e["type"] == "state.restored" and e["how"] == "saved")["from_run"] == 2


def test_a_big_namespace_is_saved_in_pieces_and_comes_back(airlock):
    s = start(airlock, rows=36, cols=120)
    s.line("!import os; a, b = os.urandom(3 << 20), 7")
    made = wait_event(airlock, lambda e: e["type"] == "checkpoint.made" and e["kind"] == "saved")
    assert made["parts"] > 1 and made["size"] > 3 << 20
    s.line("!b = 8")
    wait_event(airlock, lambda e: e["type"] == "checkpoint.made" and e["kind"] == "saved" and e["run"] == 2)
    s.send("\x1b")
    s.settle(0.2)
    s.type("Q")
    assert s.ended() == 0
    s = airlock.screen("resume", "last", rows=36, cols=120)
    s.wait("state restored: 3 kept")
    s.line("!print(len(a), b)")
    s.wait(r"│ 3145728 8 +│")
    assert airlock.run("verify", "last").returncode == 0


def test_all_differences_of_two_runs(airlock):
    s = start(airlock)
    for n in (1, 2):
        s.line("!print('value %d')" % n)
        s.wait("(?s)value %d.*exit 0" % n)
    s.send("\x1b")
    s.settle(0.15)
    s.send("=")
    s.wait("run 1 and run 2, stdout: differs")
    s.wait("-value 1")
    s.send("q")
    s.wait_gone("stdout: differs")
    s.wait("value 2")
    s.settle()
    s.line(":differences 1 9")
    s.wait("there are no two runs to compare")


def test_after_a_resume_the_frozen_copies_are_gone_and_the_saved_namespaces_are_not(airlock):
    s = three_runs(airlock)
    to_run(s, 3)
    s.type("Q")
    assert s.ended() == 0
    s = airlock.screen("resume", "last", rows=36, cols=120)
    s.wait("state restored")
    to_run(s, 1)
    s.type("t")
    s.wait("saved namespace is loaded")
    assert "frozen" not in s.text()
    s.type("t")
    s.wait("at run 1")
    s.type("i")
    s.line("!print('x is', x)")
    s.wait("x is 1")
