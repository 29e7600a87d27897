"""Keys of the panes and of the list: copying, saving, going about, quitting; what each says and leaves behind."""
import re

import pytest

from hand import events, own, press, start

ESC = "\x1b"


def tools(airlock, **scripts):
    """A PATH whose first folder has these programs."""
    folder = airlock.home / "bin"
    folder.mkdir()
    for name, script in scripts.items():
        path = folder / name.replace("_", "-")
        path.write_text("#!/bin/sh\n" + script + "\n")
        path.chmod(0o755)
    return str(folder) + ":" + airlock.env["PATH"]


def record(airlock, code):
    done, rows = airlock.json("exec", "--json", "--lease", "runs=1", "-", input=code.encode())
    assert done.returncode == 0, done.stderr
    return rows[0]["session"]


def test_copying_takes_the_first_program_that_works(airlock):
    path = tools(airlock, wl_copy="exit 1", xclip="[ \"$1 $2\" = '-selection clipboard' ] && cat > '%s/clip'" % airlock.home)
    s = start(airlock, env={"PATH": path, "WAYLAND_DISPLAY": "w", "DISPLAY": ":7"})
    own(s, "!for i in range(4): print('row', i)", "")
    s.wait("row 3")
    press(s, [ESC, "4", "y"], r"copied \d+ bytes with xclip|nothing to copy here")
    press(s, ["3", "g", "v", "j", "y"], "copied 12 bytes with xclip")
    assert (airlock.home / "clip").read_text() == "row 0\nrow 1\n"
    press(s, ["v", "v", "2", "y"], r"copied \d+ bytes with xclip")
    assert "print('row', i)" in (airlock.home / "clip").read_text()


def test_copying_without_a_program_leaves_a_file(airlock):
    s = start(airlock, env={"TMUX": "/nonexistent,1,0", "PATH": tools(airlock, tmux="exit 3")})
    own(s, "!print('to be kept')")
    s.wait("│ to be kept")
    press(s, [ESC, "3", "v", "y"], "no clipboard program: 11 bytes are in")
    assert (airlock.home / "state/airlock/copied").read_text() == "to be kept\n"


def test_results_are_looked_at_and_saved(airlock):
    s = start(airlock, cols=200)
    own(s, "!x = 1")
    s.wait("x +int")
    press(s, [ESC, "3", "r"], "this run has no results beside its output")
    press(s, ["o"], "this run has no result to save")
    press(s, ["i"])
    own(s, "!'some ' + 'text'")
    s.wait("result text/plain")
    press(s, [ESC, "3", "r"], "result")
    press(s, ["r", "r", "j", "k", "l", "h", "r"])
    press(s, ["o"], r"saved \d+ bytes: \S+\.txt")
    saved = re.search(r"saved \d+ bytes: (\S+\.txt)", s.text()).group(1)
    with open(saved) as f:
        assert "some text" in f.read()
    press(s, ["i"])
    s.send(":save /no/such/dir/x\r")
    s.wait("/no/such/dir/x")
    s.send(":save %s/mine\r" % airlock.home)
    s.wait(r"saved \d+ bytes: %s/mine" % airlock.home)
    assert "some text" in (airlock.home / "mine").read_text()


@pytest.mark.parametrize("viewer", [True, False])
def test_what_may_run_scripts_is_asked_about_by_its_name(airlock, viewer):
    path = tools(airlock, xdg_open="echo \"$1\" > '%s/seen'" % airlock.home) if viewer else "/usr/bin:/bin"
    s = start(airlock, cols=220, env={"PATH": path, "DISPLAY": ":7"} if viewer else {})
    own(s, "!class T:", "    def _repr_html_(self): return '<b>x</b>'", "", "!T()")
    s.wait("result 1/2|result 2/2")
    press(s, [ESC, "3", "o"])
    if not viewer:
        assert "o again" not in s.wait(r"saved 8 bytes: \S+.html")
        return
    s.wait(r"saved 8 bytes: \S+.html; o again opens it with xdg-open, where it can run scripts")
    press(s, ["o"], "opened ")
    s.until((airlock.home / "seen").exists)


def test_scrolling_zooming_and_going_back(airlock):
    s = start(airlock)
    press(s, ["\x07"], "no gate is open")
    own(s, "!for i in range(200): print('row', i, '\\x1b[31mred\\x1b[0m')", "")
    s.wait("row 199")
    own(s, "!print('second')")
    s.wait("│ second")
    press(s, [ESC, "3", "h"], "row 199")  # the run before
    press(s, ["\x1b[5~"])
    s.wait_gone("row 199")
    press(s, ["\x15", "\x04", "g"], "row 0 ")
    press(s, ["z"])
    s.wait_gone("1 Plan")
    press(s, ["X"], r"\^\[\[31m|<1B>|␛")
    press(s, ["X", "v", "q", "q"], "1 Plan")  # first the selection, then the zoom goes
    press(s, ["q"], "│ second")  # then the run that was chosen
    press(s, ["f", "w", "m", "D", "D"])
    press(s, ["\t", "\x1b[Z", "8", "7", "6", "1", "l", "h"])
    press(s, ["+", "\x03"])
    press(s, ["e"], "the plan has no steps yet: . adds one")
    press(s, ["q"])
    s.send(":pane 2\r")
    press(s, ["?"], "(?i)keys")
    press(s, ["\x1b[6~", "\x06", " ", "G", "g", "?"], "2 Code")


def test_mouse(airlock):
    s = start(airlock)
    own(s, "!for i in range(200): print('row', i)", "")
    s.wait("row 199")
    row = next(i for i, line in enumerate(s.text().split("\n")) if "row 199" in line)
    col = s.text().split("\n")[row].index("row 199")
    for _ in range(3):
        s.send("\x1b[<64;%d;%dM" % (col + 1, row + 1))
        s.settle(0.05)
    s.wait_gone("row 199")
    for _ in range(4):
        s.send("\x1b[<65;%d;%dM" % (col + 1, row + 1))
        s.settle(0.05)
    s.wait("row 199")
    s.send("\x1b[<0;%d;%dM" % (col + 1, row + 1))
    press(s, ["g"], "row 0 ")  # it has the focus now
    s.send("\x1b[<0;3;1M\x1b[<0;3;1m")
    press(s, ["x"], "> x")  # what is no pane is the prompt
    s.send("\x1b[<0;%d;%dM" % (col + 1, row + 1))
    press(s, ["?"], "(?i)keys")
    s.send("\x1b[<0;5;5M")
    press(s, ["q"], "3 Out")


@pytest.mark.parametrize("what,question", [
    ("!import time; time.sleep(60)", "A run is on: its sandbox dies with Airlock."),
    ("\x1b[200~!print(1)\x1b[201~", "A gate is open: it will be denied."),
])
def test_quitting_asks_while_something_stands(airlock, what, question):
    s = start(airlock)
    if what[0] == ESC:
        s.send(what)
        s.wait(r"> !print\(1\)")
        s.send("\r")
        s.wait("to decide")
    else:
        own(s, what)
        s.wait("running 1")
    press(s, [ESC, "Q"], re.escape(question))
    for no in ("n", "\x1b[200~y\x1b[201~", "\x1b[<0;5;5M"):
        s.send(no)
        s.wait_gone(re.escape(question))
        s.settle(0.1)
        press(s, ["i"])
        s.send("\x15:quit\r")
        s.wait(re.escape(question))
        s.settle(0.1)
    s.send("y")
    assert s.ended() == 0
    if what[0] == ESC:
        assert [(e["decision"], e.get("reason")) for e in events(airlock, "gate.decided")] == [("deny", "Airlock was left")]


def test_interrupting_twice_destroys_the_sandbox(airlock):
    s = start(airlock)
    own(s, "!import signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN)", "!while True: time.sleep(1)")
    s.wait("running 2")
    s.send("some words")
    s.wait("> some words")
    press(s, ["\x03"], "interrupting; again destroys the sandbox")
    press(s, ["\x03"], "destroying the sandbox|2 ✗")
    s.wait("2 ✗")
    press(s, ["\x03"])
    s.wait_gone("> some words")  # nothing runs: now it empties the line
    press(s, ["\x03"], "nothing is running")


# ---- the list of sessions ----

def test_the_open_session_in_the_list(airlock):
    other = record(airlock, "print('other')")
    s = start(airlock)
    own(s, "!x = 1")
    s.wait("x +int")
    press(s, [ESC, "s"], "2 sessions")
    press(s, ["g", "d"], "this session is open here: leave it first")
    press(s, ["A"], "this session is open here: leave it first")
    press(s, ["r"], "name: ")
    own(s, "mine")
    s.wait("now  mine +1 run")  # in its row: the typed line shows the word, too
    press(s, ["t"], "tags: ")
    own(s, "one two")
    s.wait("#one #two|tags: +one two")
    press(s, ["G", " ", "g", " "], "2 marked")
    press(s, ["d"], "1 of 2 were done: this session is open here")
    press(s, ["u"], "1 taken back|taken back")
    press(s, ["q", "q"])
    press(s, ["g", "\r"], "x +int")  # Enter on it: back into it
    s.send(":sessions other\r")
    s.wait("no session|0 sessions|1 session")
    press(s, [ESC, "q"])
    assert [e["name"] for e in events(airlock, "session.renamed", "mine")] == ["mine"]
    assert [e["tags"] for e in events(airlock, "session.tagged", "mine")] == [["one", "two"]]
    assert airlock.run("verify", other).returncode == 0


def test_trash_marks_and_filters_in_the_list(airlock):
    a, b = record(airlock, "print('one')"), record(airlock, "print('two')")
    s = airlock.screen("sessions", rows=30, cols=100)
    s.wait("2 sessions")
    press(s, ["u"], "nothing|0 taken back|no deletion")
    press(s, ["g", " ", "g", " "])  # marked, and not any more
    s.wait_gone("1 marked")
    press(s, [" "], "1 marked")
    press(s, ["D", "q"])  # with itself there is nothing to compare; q drops the marks
    s.wait_gone("1 marked")
    press(s, ["d"], "1 deleted: u takes it back; the trash .T. keeps it")
    press(s, ["T"], "Trash")
    press(s, ["\r"], "it lies in the trash: u brings it back")
    press(s, ["d"], "it lies in the trash already; `airlock sessions purge ID` erases it")
    press(s, ["u"], "taken back")
    press(s, ["\r"], "no session is selected")
    press(s, ["u", " ", "t", "\x03", "T"], "2 sessions")
    press(s, ["F"], "find: ")
    own(s, "")
    press(s, ["F"])
    own(s, "one")
    s.wait("print.'one'|Found")
    press(s, ["q"], "2 sessions")
    press(s, ["/"], "filter: ")
    s.type("since:nonsense")
    s.settle(0.1)
    press(s, ["\r"])
    press(s, ["q", "Q"])
    assert s.ended() == 0
    assert airlock.run("verify", a).returncode == 0 and airlock.run("verify", b).returncode == 0


def test_comparing_and_running_again_from_the_list(airlock):
    record(airlock, "print('one')"), record(airlock, "print('two')")
    s = airlock.screen("sessions", "--theme", "mono", "--no-color", rows=30, cols=100)
    s.wait("2 sessions")
    press(s, ["g", " ", "D"], "1 +-one|1 +-two|differs")
    press(s, ["q"], "1 marked")
    press(s, [" ", " "])
    press(s, ["x"], "gate>|to decide")
    s.settle(0.8)
    s.line("d" if "gate>" in s.text() else "")
    s.wait("rerun: something was denied; the new sessions stand here|rerun: ", 20)


def test_a_recorded_session_is_watched_from_the_list(airlock):
    record(airlock, "print('one')")
    s = airlock.screen("sessions", rows=30, cols=100)
    s.wait("1 session")
    press(s, ["R"], "0.75x|1x|▶|nothing runs|event|speed|play")
    press(s, ["y", "\x03"], "nothing runs in a replay; q leaves it")
    press(s, ["a"])
    press(s, ["Q"], "1 session")
