"""Sessions written by hand, as the bundles that `airlock import` takes: any events, without a sandbox."""
import base64
import datetime
import hashlib
import json
import re
import zlib

ID = "01jd0000000000000000000000"
H = "ab" * 32
START = datetime.datetime(2026, 11, 22, 10, 0, 0)


def png(width=3, height=2):
    def chunk(kind, data):
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")
    rows = (b"\0" + b"\xff\x00\x00" * width) * height
    head = width.to_bytes(4, "big") + height.to_bytes(4, "big") + b"\x08\x02\0\0\0"
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def records(events, session=ID, step_ms=250):
    """The events as `--json` prints them; an event is (type, body) or (type, run, body)."""
    for i, ev in enumerate(events):
        kind, run, body = ev if len(ev) == 3 else (ev[0], 0, ev[1])
        at = START + datetime.timedelta(milliseconds=step_ms * i)
        head = {"seq": i + 1, "at": at.strftime("%Y-%m-%dT%H:%M:%S.%fZ"), "session": session}
        if run or kind == "run.output":
            head["run"] = run
        yield {**head, "type": kind, **body}


def lines(events, session=ID, **kw):
    begin = {"type": "bundle.begin", "format": 1, "session": session, "version": "0.1.0", "redacted": True}
    every = [json.dumps(r, ensure_ascii=False).encode() for r in [begin, *records(events, session, **kw)]]
    return every


def seal(every, count=None):
    """The lines with the closing one behind them."""
    sha = hashlib.sha256(b"".join(line + b"\n" for line in every)).hexdigest()
    end = {"type": "bundle.end", "events": len(every) - 1 if count is None else count, "sha256": sha}
    return b"".join(line + b"\n" for line in [*every, json.dumps(end).encode()])


def bundle(events, session=ID, **kw):
    return seal(lines(events, session, **kw))


def created(**more):
    return ("session.created", {"planner": "human", "model": "", "sandbox": "local", "contract": {}, "contract_digest": H,
                                "version": "0.1.0", **more})


def task(text):
    return ("task.given", {"text": text, "author": "person"})


def plan(*steps):
    return ("plan.updated", {"steps": [{"id": i, "title": t, "status": s} for i, t, s in steps]})


def output(run, text, offset=0, stream="stdout"):
    data = text.encode() if isinstance(text, str) else text
    try:
        body = {"text": data.decode()}
        if "\0" in body["text"]:
            raise UnicodeError
    except UnicodeError:
        body = {"base64": base64.b64encode(data).decode()}
    return ("run.output", run, {"stream": stream, "offset": offset, **body})


def artifact(run, mime, data, name, main=True):
    return ("run.result", run, {"mime": mime, "main": main, "bytes": len(data), "artifact": name,
                                "sha256": hashlib.sha256(data).hexdigest(), "base64": base64.b64encode(data).decode()})


def proposed(run, code, **more):
    return ("run.proposed", run, {"rev": 1, "step": "", "attempt": 1, "language": "python", "code": code, "purpose": "",
                                  "author": "planner", **more})


def gate(run, decision="approve", findings=(), capsule=H, **more):
    return [
        ("run.reviewed", run, {"findings": list(findings)}),
        ("gate.opened", run, {"rev": 1, "capsule": capsule, "contract_digest": H, "sandbox": "local"}),
        ("gate.decided", run, {"decision": decision, "by": "person", "capsule": capsule, "seen_lines": 3, "waited_ms": 4200,
                               **more}),
    ]


def started(run, capsule=H):
    return ("run.started", run, {"sandbox_id": "local-1", "capsule": capsule})


def finished(run, out=0, err=0, code=0, **more):
    return ("run.finished", run, {"end": "exit", "code": code, "wall_ms": 1200, "stdout_bytes": out, "stderr_bytes": err,
                                  **more})


def verdict(run, word="unverified", checks=()):
    return ("run.verdict", run, {"verdict": word, "checks": list(checks)})


def whole(run, code, out="", err="", results=(), **more):
    """A run from proposal to verdict."""
    events = [proposed(run, code, **more), *gate(run), started(run)]
    out, err = (x.encode() if isinstance(x, str) else x for x in (out, err))
    if out:
        events.append(output(run, out))
    if err:
        events.append(output(run, err, stream="stderr"))
    return [*events, *results, finished(run, len(out), len(err)), verdict(run)]


def take(airlock, events, **kw):
    """Import it; the id of the session."""
    done, answers = airlock.json("import", "-", "--json", input=bundle(events, **kw))
    assert done.returncode == 0, done.stderr
    return answers[0]["session"]


# Everything a stranger could try in the places where he may write.
PAYLOADS = [
    "<script>canary(1)</script>", "</script><script>canary(2)</script>", "<img src=x onerror=canary(3)>", "--><svg onload=canary(4)>",
    "\" autofocus onfocus=canary(5) x=\"", "' onmouseover='canary(6)", "</pre></textarea></style></title><script>canary(7)</script>",
    "javascript:canary(8)", "![x](http://canary.invalid/9.png)", "[x](javascript:canary(10))", "<iframe src=http://canary.invalid/11>",
    "&lt;script&gt;canary(12)&lt;/script&gt;", "`````\n<script>canary(13)</script>\n", "<meta http-equiv=refresh content='0;url=http://canary.invalid/14'>",
    "\x1b]0;canary15\x07\x1b[31mred\x1b[0m\x1b[2J\x9b5n", "user\u202e\u2066// check\u2069\u2066 admin", "zero\u200bwidth\ufeff\u00ad",
    "<!--<script>", "]]><script>canary(16)</script>", "{{constructor.constructor('canary(17)')()}}", "$\\href{javascript:canary(18)}{x}$",
]


def hostile():
    text = "\n".join(PAYLOADS)
    events = [created(name="".join(PAYLOADS)), task(text), ("planner.message", {"text": text, "author": "planner"}),
              ("error", {"code": "net", "message": text, "hint": text}),
              plan(("1", text, "active"), ("2", PAYLOADS[0], "pending"))]
    checks = [{"kind": "exit", "text": text, "ok": False, "got": text}]
    results = [artifact(1, "image/png", png(), "result-1-1"),
               artifact(1, "image/svg+xml", b"<svg xmlns='http://www.w3.org/2000/svg' onload='canary(20)'><script>canary(21)</script></svg>", "result-1-2"),
               artifact(1, "image/png", b"<script>canary(22)</script>", "result-1-3"),
               ("run.result", 1, {"mime": "text/html", "main": False, "text": text}),
               ("run.result", 1, {"mime": text.replace("\n", " ")[:90], "main": False, "text": text})]
    data = (text + "\n\xff\xfe\0").encode("latin-1", "replace") + text.encode()
    run = [proposed(1, text, purpose=text, step=text, author="planner", expect=[text]),
           *gate(1, findings=[{"line": 1, "severity": "HIGH", "rule": text, "text": text}], reason=text), started(1),
           output(1, data), output(1, data, stream="stderr"), *results,
           finished(1, len(data), len(data), 1, error={"name": text, "value": text, "traceback": text}),
           verdict(1, "refuted", checks),
           ("state.changed", 1, {"vars": [{"name": text, "type": text, "shape": text, "preview": text, "digest": "~" + text,
                                           "change": "new", "bytes": 12}],
                                 "files": [{"path": text, "change": "new", "bytes": 3}]})]
    last = [("canary.newer", {"text": text}), ("session.finished", {"outcome": text, "answer": text, "runs": 1, "denied": 0,
                                                                   "cost_nanousd": 0})]
    return [*events, *run, *last]


def unfenced(text):
    """What may be markup in a Markdown document: outside fences and not behind a backslash, as CommonMark sees it."""
    fence, outside = None, []
    for line in text.splitlines():
        ticks = len(line) - len(line.lstrip("`"))
        if fence is None and ticks >= 3:
            fence = ticks
        elif fence is not None and ticks >= fence and not line.strip("`").strip():
            fence = None
        elif fence is None:
            outside.append(line)
    assert fence is None
    return re.sub(r"\\[^\w\s]", "", "\n".join(outside))
