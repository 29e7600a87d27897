"""Rich results on the screen: pictures as cells, live and in a replay, other kinds as text; `o` saves, then asks before it opens."""
import re

import pytest

from test_e2b import server  # noqa: F401

JPEG = ("/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDABsSFBcUERsXFhceHBsgKEIrKCUlKFE6PTBCYFVlZF9VXVtqeJmBanGQc1tdhbWGkJ6jq62rZ4C8ybqmx5moq6T/2wBDARweHi"
        "gjKE4rK06kbl1upKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKT/wAARCAAQABADASIAAhEBAxEB/8QAFQABAQAAAAAAAAAAAAAAAA"
        "AAAAT/xAAUEAEAAAAAAAAAAAAAAAAAAAAA/8QAFQEBAQAAAAAAAAAAAAAAAAAABAb/xAAUEQEAAAAAAAAAAAAAAAAAAAAA/9oADAMBAAIRAxEAPwCAANSP/9k=")

# The shape of a notebook's plot: displayed with its chart data, and a value behind it.
PLOT = """
import struct, zlib, base64
def chunk(t, d):
    return struct.pack('>I', len(d)) + t + d + struct.pack('>I', zlib.crc32(t + d))
rows = b''.join(b'\\0' + bytes((200, 100, 48)) * 40 for _ in range(40))
png = (b'\\x89PNG\\r\\n\\x1a\\n' + chunk(b'IHDR', struct.pack('>IIBBBBB', 40, 40, 8, 2, 0, 0, 0)) + chunk(b'IDAT', zlib.compress(rows))
       + chunk(b'IEND', b''))
display({'text/plain': '<Figure>', 'image/png': base64.b64encode(png).decode(), 'e2b/chart': {'type': 'line', 'title': 'loss'}}, raw=True)
'the value'
"""

KINDS = {
    "jpeg": ("display({'text/plain': '<JPEG>', 'image/jpeg': '%s'}, raw=True)" % JPEG, "image/jpeg"),
    "png": (PLOT, "image/png"),
}


def make_session(airlock, code, sandbox="e2b"):
    done = airlock.run("exec", "-s", sandbox, "--lease", "runs=1", "-", input=code.encode())
    assert done.returncode == 0, done.stderr


def blocks(s):
    return sum(row.count("█") + row.count("▀") + row.count("▄") for row in s.screen.display)


def wait_picture(s):
    """Until it is drawn whole: a terminal may get it in pieces."""
    s.until(lambda: blocks(s) > 20)


@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_is_drawn_live_and_in_a_replay(airlock, server, kind):  # noqa: F811
    code, mime = KINDS[kind]
    make_session(airlock, code)
    s = airlock.screen("resume", "last", rows=40, cols=100)
    s.wait("result .*" + mime)
    wait_picture(s)
    s.close()
    s = airlock.screen("replay", "last", "--speed", "64", rows=40, cols=100)
    s.wait("REPLAY")
    s.wait("result .*" + mime)
    wait_picture(s)
    s.send("q")
    assert s.ended() == 0


def test_a_table_is_shown_as_text_not_as_its_page(airlock, server):  # noqa: F811
    make_session(airlock, "class T:\n    def _repr_html_(self): return '<ta' 'ble><script>1</script>'\n"
                          "    def __repr__(self): return 'a table'\nT()")
    s = airlock.screen("resume", "last", rows=40, cols=100)
    s.wait("result .*text/plain")
    s.wait("a table")
    assert "<table>" not in s.text()


def test_the_viewer_is_asked_for_before_it_starts(airlock, server):  # noqa: F811
    make_session(airlock, PLOT)
    bin_dir = airlock.home / "bin"
    bin_dir.mkdir()
    seen = airlock.home / "seen"
    viewer = bin_dir / "xdg-open"
    viewer.write_text("#!/bin/sh\necho \"$1\" >'%s.new'; mv '%s.new' '%s'\n" % (seen, seen, seen))
    viewer.chmod(0o755)
    s = airlock.screen("resume", "last", rows=40, cols=160, env={"DISPLAY": ":7", "PATH": str(bin_dir) + ":" + airlock.env["PATH"]})
    s.wait("█")
    s.send("\x1b")
    s.settle()
    s.send("o")
    s.wait("o again opens it")
    path = re.search(r"saved \d+ bytes: (\S+\.png);", s.text().replace("\n", " ")).group(1)
    assert not seen.exists()
    s.send("o")
    s.wait("opened ")
    while not seen.exists():
        s.pump()
    assert seen.read_text().strip() == path
    with open(path, "rb") as f:
        assert f.read(4) == b"\x89PNG"


def colors(s):
    return {cell.fg for row in s.screen.buffer.values() for cell in row.values() if cell.data in "█▀▄"}


def test_a_terminal_with_all_colours_gets_them(airlock, server):  # noqa: F811
    make_session(airlock, PLOT)
    s = airlock.screen("resume", "last", rows=40, cols=100, env={"COLORTERM": "truecolor"})
    s.wait("█")
    s.settle()
    assert colors(s) == {"ce6331"}  # five bits of each
    s.send("\x1bG:")  # whatever moves about: the picture keeps its colours
    s.settle()
    s.send("\x1b\t\t")
    s.settle()
    assert colors(s) == {"ce6331"}
    s.resize(38, 90)
    s.settle()
    assert colors(s) == {"ce6331"}
    s.close()
    s = airlock.screen("resume", "last", rows=40, cols=100, env={"COLORTERM": "no"})
    s.wait("█")
    s.settle()
    assert len(colors(s)) == 1 and colors(s) != {"ce6331"}
