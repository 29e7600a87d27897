"""Sessions of every schema there was open, and damaged ones as far as they are whole, at the level of the commands."""
import hashlib
import json
import os
import re
import shutil
import sqlite3

import pytest

import bundle as b

SESSIONS = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "sessions")
ID = "01m814ccbjhxh63qs5mgy9vaeq"
LAST = 48
HEAD = "f0271049b62c1a521b686a8e1960db6216b5a94ce2b03f7bf5969bc058599e1b"


@pytest.fixture
def saved(airlock):
    """The file of schema 1, in place; its path."""
    place = airlock.home / "data/airlock/sessions"
    place.mkdir(parents=True, mode=0o700)
    os.chmod(airlock.home / "data/airlock", 0o700)
    path = place / (ID + ".db")
    db = sqlite3.connect(path)
    with open(os.path.join(SESSIONS, "v1.sql")) as f:
        db.executescript(f.read())
    db.close()
    shutil.copy(os.path.join(SESSIONS, "v1.head"), place / (ID + ".head"))
    for p in place.iterdir():
        os.chmod(p, 0o600)
    return path


def change(path, *statements):
    """As somebody would who is not Airlock: the guarding triggers are put back word for word."""
    db = sqlite3.connect(path)
    triggers = db.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
    for name, _ in triggers:
        db.execute("DROP TRIGGER " + name)
    for statement, *args in statements:
        db.execute(statement, args)
    for _, sql in triggers:
        db.execute(sql)
    db.commit()
    db.close()


def be(n, size):
    return n.to_bytes(size, "big", signed=n < 0)


def chain(path):
    """The chain by the letter of the architecture, written a second time."""
    db = sqlite3.connect(path)
    ident = db.execute("SELECT id FROM session").fetchone()[0]
    last = hashlib.sha256(b"airlock.session.1\0" + ident.encode()).digest()
    bodies = {seq: text.encode() for seq, text in db.execute("SELECT seq, json FROM payload")}
    for seq, stream, offset, data in db.execute("SELECT seq, stream, offset, bytes FROM output"):
        bodies[seq] = be(stream, 1) + be(offset, 8) + data
    rows = db.execute("SELECT seq, at_us, boot_us, type, run, salt, payload_hash, chain FROM event ORDER BY seq").fetchall()
    for seq, at, boot, kind, run, salt, payload, stored in rows:
        assert payload == hashlib.sha256(b"airlock.payload.1\0" + salt + bodies[seq]).digest(), seq
        last = link(last, seq, at, boot, run, kind, payload)
        assert last == stored, seq
    db.close()
    return last


def link(last, seq, at, boot, run, kind, payload):
    return hashlib.sha256(b"airlock.event.1\0" + last + be(seq, 8) + be(at, 8) + be(boot, 8) + be(run, 4) + be(len(kind), 2) +
                          kind.encode() + payload).digest()


def test_schema_1_opens_verifies_and_shows(airlock, saved):
    assert chain(saved).hex() == HEAD
    done, rows = airlock.json("verify", ID, "--json")
    assert done.returncode == 0 and (rows[0]["result"], rows[0]["events"], rows[0]["head"]) == ("whole", LAST, HEAD)
    shown = airlock.run("show", "last")
    assert shown.returncode == 0 and b"step 2     done" in shown.stdout and b"The words of a small text" in shown.stdout
    run = airlock.run("show", ID + ":2").stdout
    assert b"NameError: name 'txt' is not defined" in run and b"refuted" in run
    assert [e["seq"] for e in airlock.json("show", ID, "--json")[1]] == list(range(1, LAST + 1))
    assert airlock.json("sessions", "--json")[1][0]["runs"] == 4
    assert airlock.run("diff", ID + ":2", ID + ":3").returncode == 1
    assert b"jumps" in airlock.run("search", "jumps").stdout
    assert b"9 words" in airlock.run("replay", ID, "--plain", "--speed", "64").stdout
    for fmt in ("md", "html", "ipynb", "jsonl", "cast"):
        done = airlock.run("export", ID, "--format", fmt)
        assert done.returncode == 0 and (b"9 words" in done.stdout or fmt == "cast"), fmt
    assert chain(saved).hex() == HEAD  # looking changes nothing


def test_schema_1_can_be_written_on(airlock, saved):
    assert airlock.run("sessions", "rename", ID, "small words").returncode == 0
    assert b"small words" in airlock.run("show", "small words").stdout
    assert airlock.run("verify", ID).returncode == 0
    chain(saved)


def test_an_event_of_a_newer_type_is_kept_and_told(airlock, saved):
    body, salt = b'{"what":"nobody knows yet"}', b"s" * 16
    payload = hashlib.sha256(b"airlock.payload.1\0" + salt + body).digest()
    db = sqlite3.connect(saved)
    at, boot = db.execute("SELECT at_us, boot_us FROM event WHERE seq = ?", (LAST,)).fetchone()
    head = link(bytes.fromhex(HEAD), LAST + 1, at + 5, boot + 5, 0, "future.thing", payload)
    db.execute("INSERT INTO event(seq, at_us, boot_us, type, run, salt, payload_hash, chain) VALUES(?,?,?,?,?,?,?,?)",
               (LAST + 1, at + 5, boot + 5, "future.thing", 0, salt, payload, head))
    db.execute("INSERT INTO payload(seq, json) VALUES(?,?)", (LAST + 1, body.decode()))
    db.commit()
    db.close()
    assert airlock.run("verify", ID).returncode == 0
    shown = airlock.run("show", ID)
    assert shown.returncode == 0 and b"not shown  1 events that a newer Airlock wrote" in shown.stdout
    assert b"(future.thing) was written by a newer Airlock" in airlock.run("export", ID, "--format", "html").stdout
    last = airlock.json("show", ID, "--json")[1][-1]
    assert (last["type"], last["what"]) == ("future.thing", "nobody knows yet")
    taken = airlock.run("import", "-", "--json", input=airlock.run("export", ID, "--format", "jsonl").stdout)
    assert json.loads(taken.stdout)["events"] == LAST + 1


def test_a_file_of_a_newer_schema_is_left_alone(airlock, saved):
    db = sqlite3.connect(saved)
    db.execute("PRAGMA user_version=99")
    db.commit()
    db.close()
    before = saved.read_bytes()
    for command in (["show", ID], ["verify", ID], ["export", ID, "--format", "md"], ["resume", ID], ["sessions", "rename", ID, "x"]):
        done = airlock.run(*command)
        assert done.returncode != 0 and b"newer" in done.stderr, command
    assert saved.read_bytes() == before


def whole_up_to(airlock, last, why):
    """Every way to look gives what is before the damage, says where it is, and exits 5."""
    shown = airlock.run("show", ID)
    assert shown.returncode == 5 and b"whole only up to event %d" % last in shown.stderr and why in shown.stderr, shown.stderr
    assert shown.stdout.startswith(b"session    " + ID.encode())
    for fmt in ("md", "html", "ipynb", "jsonl", "cast"):
        done = airlock.run("export", ID, "-o", "x." + fmt, "--force")
        assert done.returncode == 5 and b"whole only up to event %d" % last in done.stderr, (fmt, done.stderr)
    assert "whole only up to event %d" % last in (airlock.home / "x.md").read_text()
    assert "whole only up to event %d" % last in (airlock.home / "x.html").read_text()
    assert json.loads((airlock.home / "x.ipynb").read_text())["metadata"]["airlock"]["whole_to"] == last
    done, answers = airlock.json("import", "x.jsonl", "--json")
    assert done.returncode == 0 and answers[0]["events"] == last  # what is whole can be saved


def test_a_flipped_bit(airlock, saved):
    data = saved.read_bytes()
    assert data.count(b"forgets to split") == 1
    at = data.index(b"forgets to split")
    seq = sqlite3.connect(saved).execute("SELECT seq FROM payload WHERE json LIKE '%forgets to split%'").fetchone()[0]
    saved.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1:])
    done, rows = airlock.json("verify", ID, "--json")
    assert done.returncode == 1 and rows[0]["result"] == "broken" and rows[0]["first_bad"] == seq
    whole_up_to(airlock, seq - 1, b"does not match its hash")


def test_a_gap(airlock, saved):
    change(saved, ["DELETE FROM payload WHERE seq = 20"], ["DELETE FROM output WHERE seq = 20"], ["DELETE FROM event WHERE seq = 20"])
    done, rows = airlock.json("verify", ID, "--json")
    assert done.returncode == 1 and rows[0]["first_bad"] == 20
    whole_up_to(airlock, 19, b"missing")


def test_a_torn_tail(airlock, saved):
    """The last events are gone without a trace in the file; the anchors beside it know."""
    cut = 30
    change(saved, *[["DELETE FROM %s WHERE seq > ?" % t, cut] for t in ("payload", "output", "repl_var", "checkpoint", "sandbox", "event")])
    done, rows = airlock.json("verify", ID, "--json")
    assert done.returncode == 5 and rows[0]["result"] == "truncated" and rows[0]["events"] == cut
    assert airlock.run("show", ID).returncode == 0
    rows = [json.loads(x) for x in airlock.run("export", ID, "--format", "jsonl").stdout.splitlines()]
    assert rows[-1]["events"] == cut


def test_a_file_that_is_cut(airlock, saved):
    """At whatever place: an answer, never a crash, and nothing that pretends to be whole."""
    data = saved.read_bytes()
    for part in (0, 7, 100, 4096, 16384, len(data) // 3, len(data) // 2, len(data) - 16384, len(data) - 1):
        saved.write_bytes(data[:part])
        for command in (["verify", ID], ["show", ID], ["export", ID, "--format", "md"]):
            done = airlock.run(*command)
            # Behind the last byte that is needed there may be nothing to complain of; `verify` looks everywhere.
            assert 0 <= done.returncode < 7 and (done.returncode == 0 or done.stdout + done.stderr != b""), (part, command, done)
        assert airlock.run("verify", ID).returncode in (1, 3, 5)
    assert airlock.run("sessions").returncode == 0  # one bad file harms one session


def test_an_erased_body_is_told(airlock, saved):
    seq = sqlite3.connect(saved).execute("SELECT seq FROM event WHERE type = 'run.output' ORDER BY seq LIMIT 1").fetchone()[0]
    change(saved, ["DELETE FROM output WHERE seq = ?", seq])
    done, rows = airlock.json("verify", ID, "--json")
    assert done.returncode == 0 and rows[0]["erased"] == 1
    text = airlock.run("export", ID, "--format", "md").stdout.decode()
    assert re.search(r"event %d \(run\\?\.output\): its content was erased" % seq, text)
    taken = airlock.run("import", "-", "--json", input=airlock.run("export", ID, "--format", "jsonl").stdout)
    assert taken.returncode == 0, taken.stderr
    again = json.loads(taken.stdout)["session"]
    assert airlock.json("verify", again, "--json")[1][0]["erased"] == 1


def test_output_behind_an_erased_chunk(airlock):
    gone = ("run.output", 1, {"stream": "stdout", "offset": 4, "erased": True})
    events = [b.created(), b.proposed(1, "x"), *b.gate(1), b.started(1), b.output(1, "one\n"), gone, b.output(1, "three\n", 8),
              b.finished(1, 14), b.verdict(1)]
    ident = b.take(airlock, events)
    done, rows = airlock.json("verify", ident, "--json")
    assert done.returncode == 0 and rows[0]["erased"] == 1
    for fmt in ("md", "html"):
        text = airlock.run("export", ident, "--format", fmt).stdout.decode()
        assert re.search(r"one\n.*4 bytes are not shown here.*\nthree\n", text) and "its content was erased" in text
    assert b"three" in airlock.run("export", ident, "--format", "md", env={"ANTHROPIC_API_KEY": "not-in-there-0123456789"}).stdout
    assert airlock.run("show", ident + ":1").returncode == 0
    again = airlock.run("import", "-", input=airlock.run("export", ident, "--format", "jsonl").stdout)
    assert again.returncode == 0, again.stderr


def test_an_imported_file_is_no_way_around(airlock):
    """A session that says of itself that it is not foreign still is, after the import."""
    ident = b.take(airlock, [b.created(foreign=False), b.task("t")])
    assert airlock.run("resume", ident).returncode == 4
    rows = sqlite3.connect(airlock.home / ("data/airlock/sessions/%s.db" % ident)).execute("SELECT json FROM payload WHERE seq = 1").fetchall()
    assert json.loads(rows[0][0])["foreign"] is True and rows[0][0].count("foreign") == 1


def test_a_foreign_session_is_watched_not_gone_on_with(airlock):
    b.take(airlock, [b.created(), b.task("count"), *b.whole(1, "print(1)\n", "1\n")])
    s = airlock.screen("sessions")
    s.wait("foreign")
    s.send("\r")
    s.wait("REPLAY +FOREIGN")
    s.send("Q")
    s.wait("1 session")


@pytest.mark.parametrize("damage", ["chain", "page", "usage"])
def test_the_tree_the_cost_and_what_is_shown_agree_on_damage(airlock, saved, damage):
    """A link of the chain, a page of the file, an event that the cost is made of."""
    db = sqlite3.connect(saved)
    if damage == "chain":
        change(saved, ("UPDATE event SET chain = zeroblob(32) WHERE seq = 30",))
    elif damage == "usage":
        change(saved, ("UPDATE payload SET json = json || ' ' WHERE seq = (SELECT min(seq) FROM event WHERE type = 'sandbox.ready')",))
    else:
        size, = db.execute("PRAGMA page_size").fetchone()
        page, = db.execute("SELECT pageno FROM dbstat WHERE name = 'payload' AND pagetype = 'leaf' ORDER BY path DESC").fetchone()
        data = bytearray(saved.read_bytes())
        data[(page - 1) * size:page * size] = b"\xff" * size
        saved.write_bytes(data)
    db.close()
    said = set()
    for command in (["show", ID], ["tree", ID], ["cost", ID], ["diff", ID, ID], ["export", ID, "--format", "md"]):
        done = airlock.run(*command)
        assert done.returncode == 5 and (done.stdout != b"" or damage == "page"), (command, done)  # that page holds all
        said.add(done.stderr.strip().split(b": ")[-1])
    assert said == {{"chain": b"the chain breaks here", "usage": b"the body does not match its hash",
                     "page": b"database disk image is malformed"}[damage]}
    assert airlock.run("verify", ID).returncode == 1


def test_what_every_command_does_with_a_damaged_record(airlock, saved):
    """What looks says how far it is whole; what would go on from it does nothing."""
    change(saved, ("UPDATE payload SET json = replace(json, 'a', 'b') WHERE seq = 30",))
    before = sorted(p.name for p in saved.parent.iterdir())
    where = b"event 30: the body does not match its hash"
    for command in (["diff", ID + ":1", ID + ":2"], ["diff", ID, ID], ["diff", ID, ID, "--json"], ["replay", ID, "--plain"], ["replay", ID, "--json"],
                    ["replay", ID, "--frames", "-"], ["show", ID + ":1"]):
        done = airlock.run(*command)
        assert done.returncode == 5 and b"whole only up to event 29" in done.stderr and where in done.stderr, (command, done)
        assert done.stdout != b"", command
    for command, says in ((["rerun", ID, "--lease", "runs=1"], b"is not whole: nothing is run"), (["fork", ID + ":1"], b"is not whole: no fork is made of it"),
                          (["resume", ID], b"")):
        done = airlock.run(*command)
        assert done.returncode == 5 and says in done.stderr and where in done.stderr, (command, done)
    for command in (["tree", ID], ["tree", ID, "--json"], ["cost", ID], ["cost", ID, "--json"]):
        done = airlock.run(*command)
        assert done.returncode == 5 and where in done.stderr and done.stdout != b"", (command, done)
    assert b"(not whole: airlock verify tells)" in airlock.run("tree", ID).stdout
    assert where.decode() in airlock.json("tree", ID, "--json")[1][0]["problem"]
    assert airlock.run("sessions").returncode == 0  # the list is whole
    done = airlock.run("stats")
    assert done.returncode == 5 and b"session %s was not read to its end" % ID.encode() in done.stderr and where in done.stderr
    assert airlock.run("stats", "-q").stderr == b"" and airlock.json("stats", "--json")[1][0]["unreadable"] == 1
    assert sorted(p.name for p in saved.parent.iterdir() if not p.name.endswith((".db-wal", ".db-shm"))) == before
    s = airlock.screen("diff", ID + ":1", ID + ":2")
    s.wait("NOT WHOLE: " + ID)
    s.send("q")
    assert s.ended() == 5 and "whole only up to event 29" in s.text()
