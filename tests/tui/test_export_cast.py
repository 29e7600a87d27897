"""The exported cast, played by a terminal model; and `:export` on the screen."""
import json
import re

import bundle as b
from conftest import Model, Stream
from test_export_html import STORY


def cast(airlock, events, *args, **kw):
    out = airlock.run("export", b.take(airlock, events, **kw), "--format", "cast", *args).stdout.decode()
    head, *rows = [json.loads(line) for line in out.splitlines()]
    return head, rows


def play(head, rows):
    screen = Model(head["width"], head["height"])
    stream = Stream(screen)
    pictures = []
    for _, kind, data in rows:
        assert kind == "o"
        stream.feed(data.encode())
        pictures.append("\n".join(screen.display))
    return pictures


OURS = re.compile(r"\x1b\[(\?25[lh]|\d+;\d+H|0(;[1247])*(;38;5;\d+)?(;48;5;\d+)?m|2J)")


def test_the_screen_as_it_was(airlock):
    head, rows = cast(airlock, STORY)
    assert (head["version"], head["width"], head["height"], head["title"]) == (2, 120, 36, "count the words")
    assert head["timestamp"] == 1795341600 and head["idle_time_limit"] == 2
    times = [row[0] for row in rows]
    assert times == sorted(times) and times[0] == 0.0 and times[-1] == 0.25 * (len(STORY) - 1)
    pictures = play(head, rows)
    text = "\n".join(pictures)
    for part in ("print(undefined)", "NameError: undefined", "removes files", "red three", "150 rows", "capsule"):
        assert part in text, part
    first_gate = next(i for i, p in enumerate(pictures) if "capsule" in p)
    assert "NameError" not in pictures[first_gate] and "150 rows" in pictures[-1] and "capsule" not in pictures[-1]
    for row in rows:
        assert not re.search("[\x00-\x1f\x7f-\x9f]", OURS.sub("", row[2]))
    assert "FOREIGN" in pictures[-1].splitlines()[0]
    assert rows[-1][2].endswith("\x1b[0m\x1b[?25h")


def test_differences_put_together_are_the_whole_screen(airlock):
    """The same events at one moment are one picture, drawn whole; only the line with the clock may differ."""
    for size in ("120x36", "80x24", "40x10", "200x50"):
        slow = cast(airlock, STORY, "--size", size)
        fast = cast(airlock, STORY, "--size", size, step_ms=0)
        assert len(slow[1]) > 5 and len(fast[1]) == 2  # the picture, and the cursor back
        assert play(*slow)[-1].splitlines()[1:] == play(*fast)[-1].splitlines()[1:]
        assert "%dx%d" % (slow[0]["width"], slow[0]["height"]) == size


def test_close_events_are_one_picture(airlock):
    out = [b.output(1, "%5d\n" % i, i * 6) for i in range(2000)]
    events = [b.created(), b.proposed(1, "x"), *b.gate(1), b.started(1), *out, b.finished(1, 12000), b.verdict(1)]
    ident = b.take(airlock, events, step_ms=1)
    rows = airlock.run("export", ident, "--format", "cast").stdout.splitlines()
    assert 30 < len(rows) < 60
    assert " 1999" in play(json.loads(rows[0]), [json.loads(r) for r in rows[1:]])[-1]


def test_a_hostile_session_sends_nothing_of_its_own(airlock):
    head, rows = cast(airlock, b.hostile())
    assert not re.search("[\x00-\x1f\x7f-\x9f]", head["title"])
    for row in rows:
        assert not re.search("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u200b\ufeff]", OURS.sub("", row[2]))


def test_export_on_the_screen(airlock, monkeypatch):
    monkeypatch.chdir(airlock.home)  # the program inherits it
    s = airlock.screen(rows=30, cols=100)
    s.wait("no sessions yet|code of your own|Enter")
    s.line("!print('hello ' + 'from the cell')")
    s.wait("hello from the cell")
    s.wait("unverified")
    s.line(":export")
    s.wait("export takes")
    s.line(":export md notes.md")
    s.wait("exported .*notes.md")
    assert "hello from the cell" in (airlock.home / "notes.md").read_text()
    s.line(":export md notes.md")
    s.wait("exists already")
    s.line(":export html")
    s.wait(r"exported .*\.html")
    made = list(airlock.home.glob("airlock-*.html"))
    assert len(made) == 1 and "hello from the cell" in made[0].read_text()
    s.line(":export pdf")
    s.wait("no format 'pdf'")
