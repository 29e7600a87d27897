"""The screen, as a person at a terminal uses it: keys in, cells out."""
import json
import os
import signal
import time


def start(airlock, *args, **kw):
    s = airlock.screen(*args, **kw)
    s.wait("a task, !code")
    return s


def gate(airlock, code="!print(6*7)", **kw):
    """A gate that is open and focused: pasted code is asked about."""
    s = start(airlock, **kw)
    s.send("\x1b[200~" + code + "\x1b[201~")
    s.wait(code[-8:].replace("(", r"\(").replace(")", r"\)").replace("*", r"\*"))
    s.send("\r")
    s.wait(r"to decide|\[a\]")
    s.send("\x07")
    s.wait(r"\[a\]")
    s.settle(0.7)
    return s


def events(airlock, ref="last"):
    return airlock.json("show", "--json", ref)[1]


def decisions(airlock):
    return [(e["decision"], e["by"]) for e in events(airlock) if e["type"] == "gate.decided"]


def test_typed_code_runs_at_once_and_is_recorded_as_typed(airlock):
    s = start(airlock, rows=36, cols=120)
    s.line("!x = 6 * 7; print(x)")
    s.wait(r"│ 42 +│")
    s.wait(r"x +int +.*new")
    s.line("!print(x + 1)")
    s.wait(r"│ 43 +│")
    assert decisions(airlock) == [("approve", "typed"), ("approve", "typed")]


def test_pasted_code_is_asked_about_and_a_approves(airlock):
    s = gate(airlock)
    s.send("a")
    s.wait("42")
    s.wait_gone(r"\[a\]")
    assert decisions(airlock) == [("approve", "person")]


def test_keys_that_never_decide(airlock):
    s = gate(airlock)
    for key in ("\r", " ", "y", "n", "Y", "1", "\x04", "\x1b[200~a\x1b[201~", "aaaaaaaa", "\x1b]11;rgb:0/0/0\x07", "q"):
        s.send(key)
        s.settle(0.7)
    assert "[a]" in s.text()
    assert decisions(airlock) == []


def test_a_click_focuses_and_never_decides(airlock):
    s = gate(airlock)
    s.send("\x1b[<0;5;5M")
    s.wait("to decide")
    assert decisions(airlock) == []


def test_type_ahead_is_discarded(airlock):
    s = start(airlock)
    s.send("\x1b[200~!print(1)\x1b[201~")
    s.wait(r"print\(1\)")
    s.send("\r")
    s.wait("to decide")
    s.send("\x07")
    for _ in range(8):
        s.send("a")
        time.sleep(0.1)
    assert decisions(airlock) == []
    s.settle(0.7)
    s.send("a")
    s.wait_gone(r"\[a\]")
    assert decisions(airlock) == [("approve", "person")]


def test_denied_with_words(airlock):
    s = gate(airlock)
    s.send("d")
    s.wait("deny because")
    s.type("not on a Friday")
    s.send("\r")
    s.wait_gone("deny because")
    denied = [e for e in events(airlock) if e["type"] == "gate.decided"][0]
    assert (denied["decision"], denied["reason"]) == ("deny", "not on a Friday")


def test_ctrl_c_denies_and_never_quits(airlock):
    s = gate(airlock)
    s.send("\x03")
    s.wait("denied")
    s.send("\x03")
    s.wait("nothing is running")
    assert decisions(airlock) == [("deny", "person")]


def test_high_finding_asks_for_two_digits(airlock):
    s = gate(airlock, "!import shutil; shutil.rmtree('/home')", rows=36, cols=120)
    capsule = events(airlock)[-1]["capsule"]
    s.send("a")
    s.wait("first two hex digits")
    assert decisions(airlock) == []
    s.send("0" if capsule[0] != "0" else "1")
    s.wait("nothing was decided")
    s.settle(0.7)
    s.send("a")
    s.wait("first two hex digits")
    s.settle(0.1)
    s.send(capsule[0])
    s.settle(0.1)
    s.send(capsule[1])
    s.wait_gone(r"\[a\]|first two hex")
    assert decisions(airlock) == [("approve", "person")]


def test_unread_code_is_not_approved(airlock):
    code = "!" + ";".join("x%d=%d" % (i, i) for i in range(400))
    s = gate(airlock, code)
    s.send("a")
    s.settle(0.5)
    assert decisions(airlock) == []
    s.send("\x03")
    s.settle(0.3)


def test_dry_run_leaves_the_state_alone(airlock):
    s = gate(airlock, "!z = [1, 2]; print('dry')", rows=36, cols=120)
    s.send("r")
    s.wait("dry 1 exit 0")
    s.wait("to decide")
    s.send("\x07")
    s.wait(r"\[a\]")
    s.settle(0.7)
    s.send("\x03")
    s.wait_gone(r"\[a\]")
    log = events(airlock)
    assert [e for e in log if e["type"] == "run.proposed" and e.get("twin_of") == 1]
    s.line("!print('z' in globals())")
    s.wait("False")


def test_interrupt_keeps_the_variables(airlock):
    s = start(airlock, rows=36, cols=120)
    s.line("!x = 5")
    s.wait(r"x +int +.*new")
    s.line("!while True: pass")
    s.wait("running 2")
    s.send("\x03")
    s.wait("2 ✗ interrupted")
    s.line("!print(x + 1)")
    s.wait(r"│ 6 +│")


def test_hostile_output_stays_in_its_pane(airlock):
    s = start(airlock, rows=36, cols=120)
    mark = len(s.raw)
    s.line(r"!print('\x1b]52;c;aGk=\x07\x1b[2J\x1b[999;999H\x1b]0;owned\x07 \u202e evil \x9b31m')")
    s.wait("evil")
    s.settle()
    written = s.raw[mark:]
    assert b"\x1b]" not in written and b"\x1b[2J" not in written and "\u202e".encode() not in written
    assert "<U+202E>" in s.text()
    assert "Plan" in s.text()


def test_a_long_line_and_a_flood_do_not_stop_the_keys(airlock):
    s = start(airlock, rows=36, cols=120)
    s.line("!for i in range(300000): print('line', i)")
    s.wait("running 1|line")
    s.send("\x1b")
    s.wait_gone("Esc panes")
    s.send("?")
    s.wait("(?i)keys")
    s.send("q")
    s.wait("line 299999", timeout=40)


def test_resize_and_tiny_screens(airlock):
    s = start(airlock, rows=36, cols=120)
    s.line("!print('hello')")
    s.wait("hello")
    for rows, cols in ((24, 80), (10, 40), (5, 20), (1, 1), (60, 200), (24, 80)):
        s.resize(rows, cols)
        s.settle(0.2)
    s.wait("hello")
    s.send("\x1b")
    s.settle(0.1)
    s.send("Q")
    assert s.ended() == 0


def test_quitting_restores_the_terminal(airlock):
    s = start(airlock)
    s.line(":quit")
    assert s.ended() == 0
    assert b"\x1b[?2004l" in s.raw and b"\x1b[?1049l" in s.raw


def test_hangup_denies_and_ends(airlock):
    s = gate(airlock)
    os.kill(s.pid, signal.SIGHUP)
    assert s.ended(5) == 0
    assert decisions(airlock)[-1][0] == "deny"
    assert airlock.run("verify", "last").returncode == 0


def test_kill_9_loses_nothing_and_leaves_no_sandbox(airlock):
    s = start(airlock, rows=36, cols=120)
    s.line("!x = 41")
    s.wait(r"x +int +.*new")
    s.line("!import time; time.sleep(60)")
    s.wait("running 2")
    os.kill(s.pid, signal.SIGKILL)
    s.ended()
    assert airlock.run("verify", "last").returncode == 0
    types = [e["type"] for e in events(airlock)]
    assert types.count("run.started") == 2 and types.count("run.finished") == 1
    r = airlock.screen("resume", "last", rows=36, cols=120)
    r.wait(r"restored|x +int")
    r.wait("2 ✗ interpreter lost")
    r.line("!print(x + 1)")
    r.wait(r"│ 42 +│")


def test_resume_restores_the_state(airlock):
    s = start(airlock, rows=36, cols=120)
    s.line("!word = 'kept'")
    s.wait("word +str")
    s.line(":quit")
    assert s.ended() == 0
    r = airlock.screen("resume", "last", rows=36, cols=120)
    r.wait("restored|word")
    r.line("!print(word * 2)")
    r.wait("keptkept")


def test_help_and_commands_come_from_one_table(airlock):
    s = start(airlock)
    s.line(":help")
    s.wait("approve")
    s.send("q")
    s.wait("a task")
    s.line(":tuor")
    s.wait("did you mean :tour")


def test_second_writer_is_refused(airlock):
    s = start(airlock)
    s.line("!x=1")
    s.wait("exit 0")
    done = airlock.run("sessions", "rename", "last", "name")
    assert done.returncode == 3 and str(s.pid).encode() in done.stderr


def test_dumb_terminal_and_pipes_get_lines(airlock):
    done = airlock.run(input=b"!print(6*7)\n", env={"TERM": "dumb"})
    assert b"denied" in done.stdout + done.stderr
    s = airlock.screen("--plain")
    s.wait("line by line")
    s.line("!print(6*7)")
    s.wait("gate>")
    s.settle(0.8)
    s.line("a")
    s.wait(r"out\| 42")


def test_unknown_term_falls_back(airlock):
    s = airlock.screen(env={"TERM": "nosuchterm-77"})
    s.wait("a task, !code")
    s.wait("TERM is unknown")


def test_idle_writes_nothing(airlock):
    s = start(airlock)
    s.settle(1.0)
    before = len(s.raw)
    stat = "/proc/%d/status" % s.pid

    def switches():
        with open(stat) as f:
            return sum(int(line.split()[1]) for line in f if "ctxt_switches" in line)

    s.settle(8, 8)
    count = switches()
    end = time.monotonic() + 2
    while time.monotonic() < end:
        s.pump(0.1)
    assert len(s.raw) == before
    assert switches() == count


def test_code_edited_at_the_gate_goes_back_to_the_planner(airlock):
    editor = airlock.home / "editor.sh"
    editor.write_text("#!/bin/sh\nprintf 'print(600, \"readings\")\\n' > \"$1\"\n")
    editor.chmod(0o755)
    s = airlock.screen(rows=36, cols=120, env={"EDITOR": str(editor)})
    s.wait("a task")
    s.line(":tour")
    s.wait("to decide")
    s.send("\x07")
    s.wait(r"\[a\]")
    s.settle(0.7)
    s.send("e")
    s.wait("600, \"readings\"")
    s.wait("WAITING FOR YOU")
    s.settle(0.5)
    s.send("\x07")
    s.settle(0.9)
    s.send("a")
    s.wait("step 2/5")
    edited = [e for e in events(airlock) if e["type"] == "run.proposed"]
    assert [e["rev"] for e in edited[:2]] == [1, 2] and edited[1]["author"] == "person"


def test_pasted_lines_of_code_stay_lines(airlock):
    s = start(airlock, rows=36, cols=120)
    s.send("\x1b[200~!for i in range(3):\n    print('row', i)\n\x1b[201~")
    s.wait("an empty line sends it")
    s.send("\r")
    s.wait("to decide")
    s.send("\x07")
    s.wait(r"\[a\]")
    s.settle(0.7)
    s.send("a")
    s.wait("row 2")
    proposed = [e for e in events(airlock) if e["type"] == "run.proposed"]
    assert proposed[0]["code"] == "for i in range(3):\n    print('row', i)\n"
    assert decisions(airlock) == [("approve", "person")]
