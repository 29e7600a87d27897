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
