"""What is typed behind a colon: each command says what it did, or what is wrong and what to do; the record shows the same."""
from hand import events, own, paste, say, start


def to_prompt(s):
    s.send("i")
    s.settle(0.1)


def test_commands_without_a_session(airlock):
    s = start(airlock)
    for line, expected in (
            (":rename x", ":rename needs a session: type a task, !code or :tour first"),
            (":goto 3", ":goto needs a session"),
            (":zzzzzz", "no command :zzzzzz; :help shows all"),
            (":renmae x", r"no command :renmae; did you mean :rename\?"),
            (":runbook", "runbook takes a file, or @tour, @clean-csv, @service-log"),
            (":runbook /nope.md", "opening /nope.md: No such file or directory"),
            (":language", "language takes one of python,javascript,bash; now it is python"),
            (":theme nope", 'no theme "nope"; there are default, light, mono, high-contrast'),
            (":resume nope", 'no session "nope"'),
            (":replay nope", "no replay of nope"),
            (":play", "only in a replay: :replay, or R in the list of sessions"),
            (":contract cpu=x", "cpu"),
            (":contract cpu=2", "cpu=2 holds from the next session on")):
        say(s, line, expected)
    for nothing in (":", ":   ", "   "):
        s.send(nothing + "\r")
    say(s, ":language cobol", "language takes one of")
    s.send(":language bash\r")
    say(s, ":nix", "no command :nix")
    say(s, ":language", "now it is bash")
    s.send(":language python\r")
    say(s, ":contract", r"Contract ─[\s\S]*cpu +2 +(enforced|approximated)")
    s.send("q")
    s.wait_gone("Contract ─")
    assert not [p for p in (airlock.home / "data").rglob("*.db") if p.name != "index.db"]


def test_a_theme_recolours_what_is_there(airlock):
    s = start(airlock)
    own(s, "!x = 1")
    s.wait("x +int")

    def coloured():
        return {c.fg for row in s.screen.buffer.values() for c in row.values()} != {"default"}

    assert coloured()
    s.send(":theme mono\r")
    s.settle()
    assert not coloured()
    s.send(":theme default\r")
    s.settle()
    assert coloured()


def test_names_tags_and_notes_are_in_the_record(airlock):
    s = start(airlock)
    own(s, "!x = 1")
    s.wait("x +int")
    for line in (":rename", ":rename last", ":rename " + "n" * 201):
        say(s, line, "'last' always means the newest" if "last" in line else "a name has 1 to 200 bytes")
        say(s, ":nix", "no command :nix")
    say(s, ":rename my words  ", "airlock  my words #1")
    say(s, ":tag one %s" % ("t" * 65), "t': one word of at most 64 bytes")
    say(s, ":tag  one two   three", "^ tags: one two three|\n tags: one two three")
    say(s, ":note", "note takes TEXT")
    s.send(":note  think of it\r:note key is sk-ant-api03-%s\r" % ("Zx9" * 30))
    say(s, ":renmae", "did you mean :rename")
    assert [e["name"] for e in events(airlock, "session.renamed")] == ["my words"]
    assert [e["tags"] for e in events(airlock, "session.tagged")] == [["one", "two", "three"]]
    notes = [e["text"] for e in events(airlock, "note")]
    assert notes[0] == "think of it" and len(notes) == 2 and "Zx9Zx9" not in notes[1]


def test_commands_that_want_a_gate_or_another_sandbox(airlock):
    s = start(airlock)
    own(s, "!x = 1")
    s.wait("x +int")
    for line, expected in (
            (":deny because", "no gate is open"),
            (":stop", "no gate is open; . interrupts|no gate is open; .C interrupts"),
            (":lease", "lease '': runs=N is missing"),
            (":lease runs=0", "lease 'runs=0': it is runs=N"),
            (":pause", "sandbox local can't be paused"),
            (":wake", "no sandbox is paused"),
            (":cell", "this sandbox runs nothing beside the code that is approved"),
            (":effort low", "planner human asks no model"),
            (":masks nope", "no mask 'nope'"),
            (":model", "planner human asks no model"),
            (":step", "step takes add TEXT, edit N TEXT"),
            (":context", "planner human asks no model"),
            (":save", "this run has no result to save"),
            (":export", "export takes FORMAT .FILE.; a format is one of md, html"),
            (":export nope", "no format 'nope'; there are: md, html"),
            (":export md /no/such/dir/x.md", "/no/such/dir"),
            (":resume last", "that is this session"),
            (":expect exit 0", "no gate is open$|no gate is open  ")):
        say(s, line, expected)
    out = airlock.home / "out.md"
    say(s, ":export md %s" % out, "exported to " + str(out))
    assert "x = 1" in out.read_text()


def test_files_go_into_the_sandbox_and_come_out(airlock):
    data = airlock.home / "in.txt"
    data.write_text("hello\n")
    s = start(airlock)
    s.send(":put %s\r" % data)
    s.wait(":put needs a session")
    paste(s)
    say(s, ":put %s" % data, "no sandbox is running yet: run some code first")
    say(s, ":deny", "run 1 denied")
    say(s, ":get in.txt", "no sandbox is running yet: run some code first")
    own(s, "!x = 1")
    s.wait("x +int")
    for line, expected in (
            (":put", r"put takes FILE \[NAME\]"),
            (":put /no/such", "opening /no/such: No such file or directory"),
            (":put %s" % data, "put 6 bytes as in.txt"),
            (":put %s   other.txt" % data, "put 6 bytes as other.txt"),
            (":get", "get takes NAME; the file is kept in the session"),
            (":get nope", "nope: No such file or directory")):
        say(s, line, expected)
    s.send(":get other.txt\r")
    own(s, "!print(open('in.txt').read() + open('other.txt').read())")
    s.wait(r"hello[\s\S]*hello")
    assert [(e["path"], e["bytes"]) for e in events(airlock, "file.put")] == [("in.txt", 6), ("other.txt", 6)]
    assert [(e["path"], e["bytes"]) for e in events(airlock, "file.got")] == [("other.txt", 6)]


def test_going_to_places_by_words(airlock):
    s = start(airlock)
    code = ";".join("x%d=%d" % (i, i) for i in range(3))
    own(s, "!" + code)
    s.wait("x2 +int")
    own(s, "!for i in range(90): print('row', i)")
    s.send("\r")
    s.wait("row 89")
    for line in (":pane", ":pane 9", ":pane 12", ":pane 0", ":pane x"):
        say(s, line, "pane takes 1 to 8")
        say(s, ":nix", "no command :nix")
    for line in (":base 7", ":base 4294967297"):
        say(s, line, "there is no run " + line.split()[1])
    say(s, ":base x", "base takes the number of a run, or nothing")
    say(s, ":diff 9", "there is no run 9")
    say(s, ":diff x", "diff takes the number of a run, or nothing")
    say(s, ":base 1x", "base takes the number of a run, or nothing")
    s.send(":base 1\r")
    s.wait(r"Code[^\n]*1")
    say(s, ":search zzz", "not found: zzz")
    s.send(":search row 1\r")
    s.wait("row 1 ")
    s.send(":pane 3\r")
    s.settle(0.1)
    s.send("nNN")
    s.settle(0.1)
    to_prompt(s)
    for line in (":goto", ":goto x", ":goto 2x", ":goto 0"):
        say(s, line, "goto takes the number of a line of the code")
        say(s, ":nix", "no command :nix")
    for line in (":goto 2", ":goto 999999999999"):
        s.send(line + "\r")
        s.settle(0.1)
        s.wait("2 Code")
        to_prompt(s)


def test_the_gate_by_words(airlock):
    s = start(airlock)
    paste(s)
    say(s, ":expect stdout frobs", "`stdout frobs` is no check; a check is one of")
    say(s, ":expect stdout contains 42", "expects +stdout contains 42")
    s.wait("to decide")
    say(s, ":deny  not today", "run 1 denied")
    paste(s, "!print(7*7)")
    say(s, ":stop enough of it", "session has ended|stopped|finished")
    decided = [(e["decision"], e.get("reason")) for e in events(airlock, "gate.decided")]
    assert decided == [("edit", None), ("deny", "not today"), ("stop", "enough of it")]
    assert [e["expect"] for e in events(airlock, "run.proposed") if e["rev"] == 2] == [["stdout contains 42"]]


def test_a_lease_by_words(airlock):
    s = start(airlock)
    own(s, "!x = 1")
    s.wait("x +int")
    s.send("\x1b")
    s.settle(0.1)
    s.send("L")
    s.wait("no lease is on")
    to_prompt(s)
    say(s, ":lease runs=2,minutes=5", "LEASE 2 runs")
    s.send("\x1b[200~!print(6*7)\x1b[201~")
    s.wait(r"print\(6\*7\)")
    s.send("\r")
    s.wait("│ 42 ")
    s.send("\x1b")
    s.settle(0.1)
    s.send("L")
    s.settle(0.1)
    to_prompt(s)
    s.wait_gone("LEASE")
    s.send(":end-lease\r")
    assert [(e["decision"], e["by"]) for e in events(airlock, "gate.decided")][1:] == [("approve", "lease")]
    assert len(events(airlock, "lease.ended")) == 1
    s.settle(0.1)
    say(s, ":lease runs=1", "LEASE 1 runs")
    s.send("\x1b[200~!print(6*9)\x1b[201~")
    s.wait(r"print\(6\*9\)")
    s.send("\r")
    s.wait("│ 54 ")
    s.wait_gone("LEASE")  # used up


def test_sessions_one_after_the_other(airlock):
    s = start(airlock)
    own(s, "!first = 1")
    s.wait("first +int")
    s.send(":rename number one\r")
    s.wait("airlock  number one")
    s.send(":new\r")
    s.wait("a task, !code of your own")
    s.wait_gone("number one")
    say(s, ":resume number one", "airlock  number one")
    s.wait("first +int")
    say(s, ":runbook @tour", "WAITING FOR YOU")
    s.send(":new count the rows\r")
    s.wait("airlock  count the rows")
    say(s, ":sessions number", "1 session|sessions")
    assert events(airlock, "task.given", "number one") == []


def test_killing_the_sandbox_asks_nothing_and_says_so(airlock):
    s = start(airlock)
    own(s, "!x = 1")
    s.wait("x +int")
    s.settle(0.5)  # until the variables are saved
    say(s, ":kill", "destroying the sandbox")
    own(s, "!x + 1")
    s.wait("state restored: 1 kept, 0 lost")
    say(s, ":restart", "destroying the sandbox")
    s.until(lambda: len(events(airlock, "sandbox.closed")) >= 2)
    say(s, ":kill", "no sandbox is there: the next run makes one")
    assert len(events(airlock, "sandbox.closed")) >= 1
