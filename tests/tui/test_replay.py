"""`airlock replay`: from the record alone, the same each time, and the same as it was live."""
import json
import os
import shutil

import pytest

from conftest import Airlock


def record_tour(airlock):
    done = airlock.run("run", "--plain", "-p", "runbook:@tour", "--lease", "runs=20")
    assert done.returncode == 4, done.stderr
    return done.stdout


def test_lines_events_and_frames_of_a_replay(airlock):
    live = record_tour(airlock)
    again = airlock.run("replay", "last", "--plain")
    assert (again.returncode, again.stderr) == (0, b"")
    assert again.stdout == live
    assert airlock.run("replay", "last", "--json").stdout == airlock.run("show", "last", "--json").stdout
    frames = [airlock.run("replay", "last", "--frames", "-", "--size", "100x30").stdout for _ in range(2)]
    assert frames[0] == frames[1]
    numbers = [int(line.split()[0]) for line in frames[0].splitlines()]
    assert numbers == list(range(1, len(numbers) + 1))
    assert len(set(line.split()[1] for line in frames[0].splitlines())) > len(numbers) // 2
    other = airlock.run("replay", "last", "--frames", "-", "--size", "80x24").stdout
    assert len(other.splitlines()) == len(numbers) and other != frames[0]


def test_a_replay_begins_at_a_run_and_keeps_the_recorded_pace(airlock):
    record_tour(airlock)
    whole = airlock.run("replay", "last", "--plain", "--speed", "64").stdout
    assert whole == airlock.run("replay", "last", "--plain").stdout
    part = airlock.run("replay", "last:3", "--plain").stdout
    assert part.startswith(b"run 3: proposed") and whole.endswith(part)
    assert airlock.run("replay", "last", "--from", "s2.2", "--plain").stdout == part
    for args in (["--speed", "65"], ["--speed", "x"], ["--idle-cap", "-1"], ["--size", "0x3"], ["--from", "99"]):
        done = airlock.run("replay", "last", "--frames", "/dev/null", *args)
        assert done.returncode == 2, (args, done.stderr)


def test_a_torn_session_is_replayed_as_far_as_it_is_whole(airlock):
    record_tour(airlock)
    folder = airlock.home / "data/airlock/sessions"
    path = folder / [name for name in os.listdir(folder) if name.endswith(".db")][0]
    whole = airlock.json("replay", "last", "--json")[1]
    data = path.read_bytes()
    wrong = data.replace(b"left out 1 smudged", b"left out 2 smudged")
    assert wrong != data
    path.write_bytes(wrong)
    done = airlock.run("replay", "last", "--json")
    part = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 5
    assert ("only up to event %d" % len(part)).encode() in done.stderr
    assert part == whole[:len(part)] and 20 < len(part) < len(whole)


def gate(s, code):
    """Pasted code, asked about, and the gate in focus."""
    s.send("\x1b[200~!" + code + "\x1b[201~")
    s.wait(code[-6:].replace("(", r"\(").replace(")", r"\)"))
    s.send("\r")
    s.wait(r"to decide|\[a\]")
    s.send("\x07")
    s.wait(r"\[a\]")
    s.settle(0.7)


@pytest.fixture(scope="module")
def by_hand(tmp_path_factory):
    """Three runs at the screen: approved, failed, denied with words. Recorded once, watched often."""
    home = tmp_path_factory.mktemp("by-hand")
    (home / "run").mkdir(mode=0o700)
    airlock = Airlock(home)
    s = airlock.screen(rows=30, cols=100)
    s.wait("a task, !code")
    gate(s, "print('first')")
    s.send("a")
    s.wait(r"[│┤] first +│")
    s.wait_gone(r"\[a\]")
    gate(s, "1/0 #two")
    s.send("a")
    s.wait("ZeroDivisionError")
    s.wait_gone(r"\[a\]")
    gate(s, "print('third')")
    s.send("d")
    s.wait("deny because")
    s.line("not today")
    s.wait_gone("deny because")
    s.settle()
    s.line(":quit")
    assert s.ended() == 0
    s.close()
    return home / "data"


def watch(airlock, *args, rows=30, cols=100):
    s = airlock.screen("replay", "last", *args, rows=rows, cols=cols)
    s.wait("REPLAY")
    return s


def panes(s):
    """The rows between the status line and the prompt."""
    return [row for row in s.screen.display[1:-2]]


def test_a_replay_ends_in_the_picture_the_session_ended_in(airlock):
    live = airlock.screen(rows=30, cols=100)
    live.wait("a task, !code")
    live.line("!print('hello')")
    live.wait(r"[│┤] hello +│")
    live.line("!x = 1/0")
    live.wait("ZeroDivisionError")
    live.send("\x1b")
    live.wait("^2|2 Code")
    live.settle()
    before = panes(live)
    live.send("Q")
    assert live.ended() == 0
    s = watch(airlock, "--speed", "64")
    s.wait(r"stopped 64x .*#(\d+)/\1 ")
    s.settle()
    assert panes(s) == before
    s.send("q")
    assert s.ended() == 0


def test_frames_of_a_live_session_are_those_of_its_replay(airlock):
    """Own code, a failure, more output than a tail holds, a gate that is approved and one that is denied."""
    path = airlock.home / "frames"
    s = airlock.screen("--frames", str(path), "--size", "100x30", rows=24, cols=80)
    s.wait("a task, !code")
    s.line("!x = [1, 2]; print(x)")
    s.wait(r"\[1, 2\]")
    s.line("!for i in range(20000): print('line', i, 'of a flood')")
    s.send("\r")
    s.wait("line 19999 of")
    gate(s, "import sys; x = 1/0 #boom")
    s.send("a")
    s.wait("ZeroDivisionError")
    s.wait_gone(r"\[a\]")
    gate(s, "print('never')")
    s.send("d")
    s.wait("deny because")
    s.line("no")
    s.wait_gone("deny because")
    s.settle()
    s.line(":quit")
    assert s.ended() == 0
    live = path.read_bytes()
    assert len(live.splitlines()) == len(airlock.json("show", "--json", "last")[1])
    assert airlock.run("replay", "last", "--frames", "-", "--size", "100x30").stdout == live
    assert len(set(line.split()[1] for line in live.splitlines())) > 20


def test_going_about_in_a_replay(airlock, by_hand):
    shutil.copytree(by_hand, airlock.home / "data")
    s = watch(airlock, "--speed", "0.25")
    s.send(" ")
    s.wait("stopped 0.25x")
    s.send("}")
    s.wait(r"5 Gate")
    s.wait("decided: approved by person")
    s.send("F")
    s.wait(r"ZeroDivisionError")
    assert "5 Gate" not in s.text()
    s.send("}")
    s.wait(r"decided: denied by person .*not today")
    s.send("{{")
    s.wait("decided: approved by person")
    s.wait("first")
    s.send(".")
    s.wait("run 1: approved by person")
    s.wait_gone("5 Gate")
    s.send(",")
    s.wait("5 Gate")
    s.send("]")
    s.wait("run 2")
    s.send("[")
    s.wait("run 1 ─")
    s.send("+")
    s.wait("stopped 0.5x")
    s.line(":seek 100%")
    s.wait(r"#(\d+)/\1 ")
    s.line(":seek #1")
    s.wait(r"#1/\d+ ")
    s.line(":seek run 3")
    s.wait("run 3 ─")


def test_a_reviewer_judges_first(airlock, by_hand):
    shutil.copytree(by_hand, airlock.home / "data")
    s = watch(airlock, "--hide-decisions", "--idle-cap", "0.1", "--speed", "8", rows=36, cols=120)
    s.wait("kept back: Enter shows it")
    s.wait("stopped 8x")
    assert "approved" not in s.text() and "✗" not in s.text()
    s.send("\r")
    s.wait("decided: approved by person")
    s.send(" ")
    s.wait("kept back")
    s.wait("run 2 ─")
    s.send(" ")
    s.wait("kept back")
    s.wait("run 3 ─")
    s.send("h")
    s.wait("decided: denied by person .*not today")


def test_nothing_acts_in_a_replay_and_all_views_work(airlock, by_hand):
    shutil.copytree(by_hand, airlock.home / "data")
    size = len(airlock.json("show", "--json", "last")[1])
    s = watch(airlock, "--speed", "64")
    s.wait(r"#(\d+)/\1 ")
    s.send("{")
    s.wait("5 Gate")
    s.settle()
    for key in ("a", "e", "d", "x", "E", "\x07a", "t"):
        s.send(key)
        s.wait("this is a replay")
    for line in (":tour", ":new do it", ":deny no", ":kill", ":note hm", ":rename it", "!print(1)", "a task", ":resume last"):
        s.send(":\x15")
        s.line(line)
        s.wait("this is a replay")
        s.send("\x0c")
    s.send("\x1b")
    s.settle(0.1)
    s.send("\x1bF")
    s.wait("ZeroDivisionError")
    s.wait_gone("5 Gate")
    s.send("4")
    s.send("/")
    s.line("zero")
    s.wait(r"ZeroDivisionError")
    s.send("z")
    s.wait_gone("Timeline")
    s.send("z")
    s.send("?")
    s.wait("In the gate")
    s.send("q")
    s.wait("REPLAY")
    s.resize(24, 80)
    s.wait("#")
    s.send("\x03")
    s.wait("nothing runs in a replay")
    s.send("q")
    assert s.ended() == 0
    assert len(airlock.json("show", "--json", "last")[1]) == size


def test_replay_from_the_screen_and_back(airlock, by_hand):
    shutil.copytree(by_hand, airlock.home / "data")
    s = airlock.screen(rows=30, cols=100)
    s.wait("a task, !code")
    s.send("\x1b")
    s.settle(0.2)
    s.send("R")
    s.wait("REPLAY")
    s.settle(0.2)  # the whole of it: its last row stood for something else before
    s.send("q")
    s.wait("a task, !code")
    s.settle()  # what was typed into the replay is thrown away
    s.line(":replay last")
    s.wait("REPLAY")
    s.send("Q")
    s.wait_gone("REPLAY")
    s.settle()
    s.line(":seek 3")
    s.wait("only in a replay")


def status_of(pid):
    with open("/proc/%d/status" % pid) as f:
        return dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)


def test_a_replay_runs_under_a_filter_and_alone(airlock, by_hand):
    """No launcher, no thread, no socket; it can't make one either (test_confine) and works all the same."""
    shutil.copytree(by_hand, airlock.home / "data")
    s = watch(airlock, "--speed", "64")
    s.wait(r"#(\d+)/\1 ")
    s.send("{[F}H!")
    s.settle()
    status = status_of(s.pid)
    assert (status["Seccomp"], status["NoNewPrivs"], status["Threads"]) == ("2", "1", "1")
    with open("/proc/%d/task/%d/children" % (s.pid, s.pid)) as f:
        assert f.read() == ""
    if os.geteuid() == 0:  # else the kernel shows nobody the files of a process that makes no dumps
        open_files = [os.readlink("/proc/%d/fd/%s" % (s.pid, fd)) for fd in os.listdir("/proc/%d/fd" % s.pid)]
        assert not [name for name in open_files if name.startswith("socket:")]
    s.send("\x1b[<0;60;29M")  # a click on the bar
    s.wait_gone(r"#(\d+)/\1 ")
    s.send("q")
    assert s.ended() == 0


def test_a_bundle_of_somebody_else_is_replayed_too(airlock, by_hand):
    shutil.copytree(by_hand, airlock.home / "data")
    bundle = airlock.home / "bundle.jsonl"
    assert airlock.run("export", "last", "--format", "jsonl", "--raw", "-o", str(bundle)).returncode == 0
    before = airlock.run("replay", "last", "--plain").stdout
    done = airlock.run("import", str(bundle))
    assert done.returncode == 0, done.stderr
    foreign = (done.stdout + done.stderr).decode().split(":")[0].split()[-1]
    after = airlock.run("replay", foreign, "--plain")
    assert (after.returncode, after.stderr) == (0, b"") and after.stdout == before


def test_a_torn_session_says_so_on_the_screen(airlock, by_hand):
    shutil.copytree(by_hand, airlock.home / "data")
    folder = airlock.home / "data/airlock/sessions"
    path = folder / [name for name in os.listdir(folder) if name.endswith(".db")][0]
    data = path.read_bytes()
    assert b"not today" in data
    path.write_bytes(data.replace(b"not today", b"not later"))
    s = airlock.screen("replay", path.stem, "--speed", "64", rows=30, cols=100)
    s.wait("the record is whole only up to event")
    s.send("}")
    s.send("}")
    s.wait("run 2 ─")
    s.send("q")
    assert s.ended() == 5
    assert "whole only up to event" in s.text()


def test_jumps_to_differences_and_high_findings(airlock):
    record_tour(airlock)
    s = watch(airlock, "--speed", "64")
    s.wait(r"#(\d+)/\1 ")
    s.line(":seek #1")
    s.wait(r"#1/\d+ ")
    s.send("!")
    s.wait("run 3 has other output than run 2")
    s.send("H")
    s.wait("5 HIGH|run 5 ─")
    s.send("F")
    s.wait("no failure after this moment")
    s.send("\x1bF")
    s.wait("run 2 ─")
    s.send("q")
    assert s.ended() == 0


def test_a_record_whose_first_event_is_damaged(airlock, by_hand):
    shutil.copytree(by_hand, airlock.home / "data")
    folder = airlock.home / "data/airlock/sessions"
    path = folder / [name for name in os.listdir(folder) if name.endswith(".db")][0]
    data = path.read_bytes()
    assert data.count(b'"planner":"human"') == 1
    path.write_bytes(data.replace(b'"planner":"human"', b'"planner":"humam"'))
    done = airlock.run("replay", path.stem, "--plain")
    assert (done.returncode, done.stdout) == (5, b"")
    s = airlock.screen("replay", path.stem, rows=24, cols=80)
    s.wait("whole only up to event 0")
    for key in "}{][F! .,h()+":
        s.send(key)
    s.line(":seek 50%")
    s.settle()
    s.send("q")
    assert s.ended() == 5
