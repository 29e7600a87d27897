"""The exported page: its markup by itself, and in a real browser (Debian: chromium), which a hostile session must not move."""
import html.parser
import re

import pytest

import browser as br
import bundle as b

ALLOWED = {"html", "head", "meta", "title", "style", "body", "header", "main", "h1", "h2", "h3", "dl", "dt", "dd", "ol", "ul", "li", "p", "b",
           "strong", "small", "code", "pre", "span", "section", "div", "details", "summary", "img", "button", "input", "script"}
ATTRIBUTES = {"lang", "charset", "http-equiv", "content", "name", "class", "id", "hidden", "type", "alt", "src", "open", "title", "role",
              "aria-label", "min", "value", "data-lines", "data-head"}


class Checker(html.parser.HTMLParser):
    """Every tag and attribute there is, and the text outside script and style."""

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.stack, self.text, self.scripts, self.images = [], [], [], []

    def handle_starttag(self, tag, attrs):
        assert tag in ALLOWED, tag
        for name, value in attrs:
            assert name in ATTRIBUTES, (tag, name)
            assert name != "src" or re.match(r"data:image/(png|jpeg|gif|webp);base64,[A-Za-z0-9+/=]*$", value), value[:60]
        if tag == "script":
            self.scripts.append([dict(attrs), ""])
        if tag == "img":
            self.images.append(dict(attrs)["src"])
        if tag not in ("meta", "img", "input"):
            self.stack.append(tag)

    def handle_endtag(self, tag):
        assert self.stack.pop() == tag, tag

    def handle_data(self, data):
        if self.stack and self.stack[-1] == "script":
            self.scripts[-1][1] += data
        elif not self.stack or self.stack[-1] != "style":
            self.text.append(data)

    def handle_comment(self, data):
        raise AssertionError("a comment: " + data)


def check(page):
    c = Checker()
    c.feed(page)
    c.close()
    assert c.stack == []
    rows = [s for s in c.scripts if s[0].get("type") == "application/json"]
    assert len(c.scripts) == len(rows) + 1  # ours, and nothing but numbers
    assert all(re.fullmatch(r"[\[\]0-9,\n-]*", text) for _, text in rows)
    return c


def export(airlock, ident, *args, name="page.html", **kw):
    done = airlock.run("export", ident, "-o", name, "--force", *args, **kw)
    assert done.returncode == 0, done.stderr
    return (airlock.home / name).read_bytes().decode()


STORY = [
    b.created(planner="runbook"), b.task("count the words"), ("planner.message", {"text": "I count them.", "author": "planner"}),
    b.plan(("1", "Read", "active"), ("2", "Count", "pending")),
    *b.whole(1, "print('a')\nprint(undefined)\n", "a\n", "NameError: undefined\n", purpose="first try", step="1", attempt=1),
    b.plan(("1", "Read", "done"), ("2", "Count", "active")),
    b.proposed(2, "rm('/')", step="2", attempt=1),
    *b.gate(2, "deny", [{"line": 1, "severity": "HIGH", "rule": "delete", "text": "removes files"}], reason="never that"),
    b.proposed(3, "plot()", step="2", attempt=1), *b.gate(3), b.started(3), b.output(3, "one\n"), b.output(3, "two\n", 4),
    b.output(3, "\x1b[31mred\x1b[0m three\n", 8), b.artifact(3, "image/png", b.png(), "result-3-1"), b.finished(3, 28),
    b.verdict(3, "verified", [{"kind": "exit", "text": "exit 0", "ok": True, "got": ""}]),
    ("state.changed", 3, {"vars": [{"name": "df", "type": "DataFrame", "preview": "150 rows", "digest": "0", "change": "new"}], "files": []}),
]


def test_the_page_reads_in_order_and_holds_its_pictures(airlock):
    ident = b.take(airlock, STORY)
    c = check(export(airlock, ident))
    text = "".join(c.text)
    places = [text.index(part) for part in ("count the words", "I count them.", "Run 1", "print(undefined)", "approved by the person",
                                            "NameError", "Run 2", "HIGH", "removes files", "denied by the person", "never that", "Run 3",
                                            "red three", "ok exit 0", "df: DataFrame")]
    assert places == sorted(places)
    assert b.H in text and len(c.images) == 1 and ident in text
    one = "".join(check(export(airlock, ident, "--runs", "3")).text)
    assert "Run 3" in one and "Run 1" not in one


@pytest.mark.parametrize("raw", ([], ["--raw"]))
def test_hostile_text_is_never_markup(airlock, raw):
    ident = b.take(airlock, b.hostile())
    page = export(airlock, ident) if not raw else airlock.run("export", ident, "--format", "html", "--raw").stdout.decode("utf-8", "replace")
    c = check(page)
    assert len(c.images) == 1  # the real PNG; not the SVG, not the script that says it is one
    if not raw:
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u200b-\u200f\ufeff\u00ad]", page)
        assert "<U+202E>" in "".join(c.text) and "^[]0;canary15" in "".join(c.text)
    head = page[:page.index("</head>")]
    assert "<span" not in head
    assert "default-src 'none'" in head and "'unsafe" not in head and head.index("Content-Security-Policy") < head.index("<title>")


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    if br.find() is None:
        pytest.skip("NO BROWSER: the exported page was not opened (apt-get install chromium)")
    b_ = br.Browser(tmp_path_factory.mktemp("browser"))
    yield b_
    b_.close()


def quiet(page):
    """Nothing ran that is not ours, nothing was asked of anybody, nothing was complained about."""
    assert page.canaries == [] and page.console == [], (page.canaries, page.console)
    assert [u for u in page.requests if u != page.url and not u.startswith("data:image/")] == []


def test_read_without_scripts(airlock, chromium):
    ident = b.take(airlock, STORY)
    export(airlock, ident)
    page = br.Page(chromium, airlock.home / "page.html", scripts=False)
    shot = page.call("Page.captureScreenshot")
    assert len(shot["data"]) > 10000
    source = page.html()
    for part in ("count the words", "print(undefined)", "NameError: undefined", "removes files", "never that", "red"):
        assert part in re.sub("<[^>]*>", "", source)
    boxes = {}
    for what in ("#play", "#stage", "main", "img"):
        node = page.call("DOM.querySelector", nodeId=page.call("DOM.getDocument", depth=0)["root"]["nodeId"], selector=what)["nodeId"]
        try:
            boxes[what] = page.call("DOM.getBoxModel", nodeId=node)["model"]["height"]
        except AssertionError:
            boxes[what] = 0
    assert boxes["#play"] == 0 and boxes["#stage"] == 0 and boxes["main"] > 500 and boxes["img"] > 0
    quiet(page)
    page.close()


def text_of(page, pane):
    return page.eval("document.getElementById('p-%s').textContent" % pane)


def test_watch_it_again_by_keys(airlock, chromium):
    ident = b.take(airlock, STORY)
    export(airlock, ident)
    page = br.Page(chromium, airlock.home / "page.html")
    assert page.eval("document.getElementById('play').hidden") is False and page.eval("document.getElementById('stage').hidden") is True
    page.key("n")  # nothing while it is closed
    page.eval("document.getElementById('play').click()")
    page.wait("!document.getElementById('stage').hidden && document.getElementById('toggle').textContent === 'Pause'")
    page.key(" ")
    page.wait("document.getElementById('toggle').textContent === 'Play'")
    page.key("Home")
    assert text_of(page, "code") == "" and text_of(page, "plan") == ""
    page.key("n")
    assert "Run 1" in text_of(page, "code") and "print(undefined)" in text_of(page, "code") and text_of(page, "out") == ""
    assert "Read active" in text_of(page, "plan") and "I count them." in text_of(page, "words")
    page.key("g")
    assert "waits at the gate" in text_of(page, "gate")
    page.key("ArrowRight")
    assert "approved by the person" in text_of(page, "gate") and "waits" not in text_of(page, "gate")
    page.key("n")
    assert "rm('/')" in text_of(page, "code") and text_of(page, "out") == "" and "Read done" in text_of(page, "plan")
    page.key(".")
    assert "removes files" in text_of(page, "gate")
    page.key("n")
    for _ in range(4):
        page.key("ArrowRight")
    assert text_of(page, "out") == ""
    page.key("ArrowRight")
    assert text_of(page, "out") == "one"
    page.key("ArrowRight")
    assert text_of(page, "out") == "one\ntwo"
    page.key("ArrowLeft")
    assert text_of(page, "out") == "one"
    page.key("p")
    page.key("p")
    page.key("p")
    assert "Run 1" in text_of(page, "code")
    page.key("End")
    assert text_of(page, "out") == "one\ntwo\nred three" and "verified" in text_of(page, "gate") and text_of(page, "err") == ""
    assert page.eval("document.querySelector('#p-pictures img').naturalWidth") == 3
    page.key("Home")
    for _ in range(6):
        page.key("+")
    page.key(" ")
    page.wait("document.getElementById('toggle').textContent === 'Play'")  # it came to its end by itself
    assert "verified" in text_of(page, "gate")
    page.eval("(() => { const s = document.getElementById('seek'); s.value = 4; s.dispatchEvent(new Event('input')); })()")
    assert "Run 1" in text_of(page, "code")
    assert page.eval("new Set([...document.querySelectorAll('[id]')].map(e => e.id)).size === document.querySelectorAll('[id]').length")
    page.key("Escape")
    assert page.eval("document.getElementById('stage').hidden") is True
    quiet(page)
    page.close()


def test_light_and_dark(airlock, chromium):
    export(airlock, b.take(airlock, STORY))
    ink = {}
    for dark in (False, True):
        page = br.Page(chromium, airlock.home / "page.html", dark=dark)
        ink[dark] = page.eval("getComputedStyle(document.body).backgroundColor")
        quiet(page)
        page.close()
    assert ink == {False: "rgb(255, 255, 255)", True: "rgb(21, 24, 27)"}


@pytest.mark.parametrize("raw", ([], ["--raw"]))
def test_a_hostile_session_moves_nothing(airlock, chromium, raw):
    ident = b.take(airlock, b.hostile())
    out = airlock.run("export", ident, "--format", "html", *raw).stdout
    (airlock.home / "hostile.html").write_bytes(out)
    page = br.Page(chromium, airlock.home / "hostile.html")
    page.eval("document.getElementById('play').click()")
    for key in [" ", "Home", "n", "g", "End", "Home", *["ArrowRight"] * 30]:
        page.key(key)
    assert page.eval("document.querySelectorAll('script:not(.rows)').length") == 1
    assert page.eval("[...document.querySelectorAll('*')].every(e => [...e.attributes].every(a => !a.name.startsWith('on')))")
    assert page.eval("document.querySelectorAll('svg, iframe, object, embed, form, a, link, base, video').length") == 0
    assert page.eval("location.href") == page.url and "canary(1)" in page.eval("document.body.textContent")
    quiet(page)
    page.close()


def test_the_page_forbids_itself_what_it_does_not_need(airlock, chromium):
    """The second wall: markup that did get in would still not run or load anything."""
    path = airlock.home / "hole.html"
    out = airlock.run("export", b.take(airlock, STORY), "--format", "html").stdout
    hole = (b"<script>canary('inline')</script><img src=x onerror=\"canary('handler')\"><img src='http://canary.invalid/x.png'>"
            b"<iframe srcdoc='<script>parent.canary(1)</script>'></iframe><p style='background:url(http://canary.invalid/y)'>x</p>")
    path.write_bytes(out.replace(b"<main>", b"<main>" + hole))
    page = br.Page(chromium, path)
    page.eval("1")
    assert page.canaries == [] and page.console != []
    blocked = " ".join(c for c in page.console if isinstance(c, str))
    assert "Content Security Policy" in blocked
    assert page.eval("document.querySelectorAll('iframe').length") == 1
    page.close()
    # That the canaries sing where nothing forbids it.
    path.write_bytes(re.sub(rb"<meta http-equiv[^>]*>", b"", path.read_bytes()))
    page = br.Page(chromium, path)
    page.wait("document.readyState === 'complete'")
    assert "inline" in page.canaries and "handler" in page.canaries
    assert "http://canary.invalid/x.png" in page.requests
    page.close()
