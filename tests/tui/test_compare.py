"""`diff`, `rerun`, `search` and the masks of the screen: the whole program on recorded sessions."""
import json
import re

NOISY = "import time\nx = %s\nprint('at', hex(id(x) + (1 << 40)), '%%.3f' %% time.time())\nfor i in range(20): print('row', i)\nprint('value', x)\n"


def record(airlock, code, *args):
    done = airlock.run("exec", "--lease", "runs=1", "-", *args, input=code.encode())
    assert done.returncode == 0, done.stderr
    return json.loads(airlock.run("sessions", "--json").stdout.splitlines()[0])["id"]


def test_diff_names_the_masks_and_exits_0_or_1(airlock):
    a, same, other = (record(airlock, NOISY % x) for x in (1, 1, 2))
    done = airlock.run("diff", a, same)
    assert done.returncode == 0, done.stdout
    assert b"masks: progress, uuid" in done.stdout
    assert b"stdout: identical after masks (address, time)" in done.stdout
    done = airlock.run("diff", a, same, "--mask", "none")
    assert done.returncode == 1 and b"stdout: differs at line 1\n" in done.stdout
    done = airlock.run("diff", a + ":1", other + ":1", "--word")
    out = done.stdout.decode()
    assert done.returncode == 1
    assert "-x = [-1-]\n+x = {+2+}\n" in out
    assert "stdout: differs at line 22" in out and "-value [-1-]\n+value {+2+}\n" in out
    assert "row 1\n" not in out and " row 19\n" in out  # equal parts are folded
    assert "stderr: identical" in out
    done, parts = airlock.json("diff", a, other, "--json", "--what", "stdout,code")
    assert [(p["what"], p["verdict"]) for p in parts] == [("code", "differs"), ("stdout", "differs")]
    assert {"op": "add", "line": 22, "text": "value 2"} in parts[1]["changes"]
    assert parts[0]["masks"] == [] and "time" in parts[1]["masks"] and done.returncode == 1
    beside = airlock.run("diff", a + ":1", other + ":1", "--side-by-side", "--what", "code", env={"COLUMNS": "60"}).stdout
    assert b"x = 1                        | x = 2\n" in beside


def test_masks_one_by_one_and_of_the_persons_own(airlock):
    a = record(airlock, "import time; print('job 1', time.time()); print(chr(27) + '[31mred' + chr(27) + '[0m')")
    b = record(airlock, "import time; print('job 2', time.time()); print('red')")
    done = airlock.run("diff", a, b, "--what", "stdout")
    assert done.returncode == 1 and b"(--mask -NAME switches one off" in done.stdout
    assert airlock.run("config", "set", "masks.job", "job [0-9]+").returncode == 0
    done = airlock.run("diff", a, b, "--what", "stdout")
    assert done.returncode == 0 and b"identical after masks (time, ansi, job)" in done.stdout
    done = airlock.run("diff", a, b, "--what", "stdout", "--mask", "-ansi,-time")
    assert done.returncode == 1 and b"(off: time, ansi)" in done.stdout
    assert b"^[[31mred" in done.stdout and b"<job> 1" in done.stdout
    assert airlock.run("config", "set", "masks.bad", "(").returncode == 2
    (airlock.home / "config/airlock/config.ini").write_text("[masks]\ntime = x\n")
    (airlock.home / "config/airlock/config.ini").chmod(0o600)
    assert b"mask 'time' exists already" in airlock.run("diff", a, b).stderr


def test_diff_shows_no_control_bytes(airlock):
    a = record(airlock, "print(chr(27) + ']0;evil' + chr(7) + 'a')")
    b = record(airlock, "print(chr(27) + ']0;evil' + chr(7) + 'b')")
    done = airlock.run("diff", a, b, "--what", "stdout")
    assert done.returncode == 1 and b"^[]0;evil^Gb" in done.stdout and b"\x1b" not in done.stdout


def test_diff_usage(airlock):
    a = record(airlock, "print(1)")
    for args in ((a,), (a, a + ":1"), (a, a, "--what", "x"), (a, a, "--mask", "x"), (a, a + ":7")):
        assert airlock.run("diff", *args).returncode == 2, args
    assert airlock.run("diff", a, "nosuch").returncode in (2, 3)


def test_rerun_judges_each_run(airlock):
    a = record(airlock, NOISY % 1)
    done = airlock.run("rerun", a, "--lease", "runs=5")
    assert done.returncode == 0, (done.stdout, done.stderr)
    assert b"run 1    rerun 1    identical after masks (address, time)\n" in done.stdout
    done, lines = airlock.json("rerun", a, "--lease", "runs=5", "--mask", "none", "--json")
    assert done.returncode == 1
    assert [(x["verdict"], x["what"], x["line"]) for x in lines] == [("differs", "stdout", 1)]
    new = lines[0]["rerun_session"]
    assert new != a
    _, events = airlock.json("show", new, "--json")
    assert events[0]["parent"] == a and airlock.run("verify", "--all").returncode == 0


def test_rerun_takes_code_and_words_from_the_record_alone(airlock):
    code = airlock.home / "args.py"
    code.write_text("import sys\nprint(sys.argv[1:])\n")
    assert airlock.run("exec", "--lease", "runs=1", str(code), "one", "t w o").returncode == 0
    code.unlink()
    done = airlock.run("rerun", "last", "--lease", "runs=1")
    assert done.returncode == 0 and b"identical\n" in done.stdout


def test_rerun_asks_and_is_denied_without_a_lease(airlock):
    a = record(airlock, "print(1)")
    done = airlock.run("rerun", a)
    assert done.returncode == 4 and b"could not run: " in done.stdout
    assert airlock.run("rerun", a, "--runs", "2-").returncode == 2
    assert airlock.run("rerun", a, "--runs", "x").returncode == 2


def test_rerun_of_a_runbook_keeps_the_order_and_the_variables(airlock):
    assert airlock.run("run", "-p", "runbook:@clean-csv", "--lease", "runs=20", "x").returncode == 0
    done, lines = airlock.json("rerun", "last", "--lease", "runs=20", "--json")
    assert done.returncode == 0, done.stdout
    assert len(lines) > 3 and {x["verdict"] for x in lines} <= {"identical", "masked"}


def test_search_finds_code_output_errors_and_tasks(airlock):
    a = record(airlock, "print('first')\nprint('nee' + 'dle out')  # needle code\n")
    airlock.run("exec", "--lease", "runs=1", "-", input=b"raise ValueError('needle' + chr(27) + 'err')")
    done, hits = airlock.json("search", "needle", "--json")
    assert done.returncode == 0
    assert {("code", 2, "print('nee' + 'dle out')  # needle code"), ("stdout", 2, "needle out")} == {
        (h["where"], h["line"], h["text"]) for h in hits if h["session"] == a}
    assert {"error", "code"} <= {h["where"] for h in hits if h["session"] != a}
    plain = airlock.run("search", "needle").stdout
    assert (a + ":1 stdout:2: needle out\n").encode() in plain and b"\x1b" not in plain
    assert airlock.run("search", "no such words").returncode == 1
    assert airlock.run("search").returncode == 2


def test_search_across_pieces_and_a_flood(airlock):
    a = record(airlock, "import sys\nsys.stdout.write('x' * 65530 + 'nee' + 'dle' + 'x' * 200000 + chr(10) + 'nee' + 'dle2' + chr(10))\n")
    _, hits = airlock.json("search", "needle", "--json")
    assert [(h["session"], h["line"]) for h in hits] == [(a, 1), (a, 2)]
    record(airlock, "for i in range(500): print('flo' + 'od', i)")
    _, hits = airlock.json("search", "flood", "--json")
    assert len(hits) == 21 and hits[-1]["more"] is True
    _, hits = airlock.json("search", "flood", "--json", "--all")
    assert [h["line"] for h in hits] == list(range(1, 501))


def test_diff_is_a_switch(airlock):
    s = airlock.screen(rows=36, cols=120)
    s.wait(":tour")
    s.line("!print('one')")
    s.wait(r"\bone\b")
    s.line(":diff")
    s.wait("no attempt before it to compare with")
    s.line("!print('two')")
    s.wait(r"\btwo\b")
    for line, on in ((":diff 1", True), (":diff 1", False), (":diff 1", True), (":diff", False)):
        s.line(line)
        (s.wait if on else s.wait_gone)(r"1: \+1 .1")


def test_masks_on_the_screen(airlock):
    s = airlock.screen(rows=36, cols=120)
    s.wait(":tour")
    s.line("!import time; print('at', '%.4f' % time.time())")
    s.wait(r"at \d+\.\d{4}")
    s.line("!import time; print('at', '%.4f' % time.time())  ")
    s.wait(r"run 2")
    s.line(":diff 1")
    s.wait(r"1: \+1 .1")
    s.line(":masks nonsense")
    s.wait("no mask 'nonsense'")
    s.line(":masks time,pid")
    s.wait("ignores: time, pid")
    s.wait("the same as run 1")
    s.wait("at <time>")
    s.send("\x1b")
    s.settle()
    s.send("m")
    s.wait("ignores: none")
    s.wait(r"1: \+1 .1")
    s.send("m")
    s.wait("ignores: progress, uuid")


def test_rerun_of_many_sessions_side_by_side(airlock):
    a, b, moved = (record(airlock, code) for code in (NOISY % 1, "print('steady')", "import random; print(random.random())"))
    done = airlock.run("rerun", a, b, moved, "nosuch", "--jobs", "3", "--lease", "runs=3")
    out = done.stdout.decode()
    assert done.returncode == 3, (out, done.stderr)  # one could not be found; else 1
    for words in (a + " run 1    rerun 1    identical after masks (address, time)\n", b + " run 1    rerun 1    identical\n",
                  moved + " run 1    rerun 1    differs at line 1 of stdout\n",
                  "4 sessions: 1 identical, 1 after masks, 1 different, 0 could not run; 1 not done to their end\n"):
        assert words in out, out
    done, lines = airlock.json("rerun", a, b, moved, "--jobs", "2", "--lease", "runs=2", "--json")
    runs = [x for x in lines if "summary" not in x]
    assert done.returncode == 4  # the lease was for two runs of the three
    assert sorted(x["verdict"] for x in runs) in (["could-not-run", "identical", "masked"],
                                                  ["could-not-run", "differs", "identical"], ["could-not-run", "differs", "masked"])
    assert lines[-1]["summary"] == "all" and lines[-1]["sessions"] == 3 and lines[-1]["could_not_run"] == 1
    done = airlock.run("rerun", b, b, "--jobs", "9", "-c", "concurrency=1", "--lease", "runs=2,minutes=5")
    assert done.returncode == 0 and b"1 at a time instead of 2: the contract's concurrency" in done.stderr
    assert airlock.run("rerun", b, "--jobs", "65").returncode == 2
    assert airlock.run("verify", "--all").returncode == 0


def test_diff_of_files_and_of_both_streams_in_their_order(airlock):
    code = "import sys\nopen('a.txt', 'w').write('x' * %d)\nfor i in range(2):\n  print('out', i, flush=True)\n  print('err', i * %d, file=sys.stderr, flush=True)\n"
    a, b = record(airlock, code % (3, 1)), record(airlock, code % (5, 2))
    done = airlock.run("diff", a, b, "--what", "files,merged")
    out = done.stdout.decode()
    assert done.returncode == 1 and "files: differs at line 1" in out and "merged: differs at line" in out, out
    assert "a.txt" in out
    assert "-err | err 1\n+err | err 2\n" in out and " out | out 0\n" in out
    assert b"merged" not in airlock.run("diff", a, b).stdout
    assert airlock.run("diff", a, a, "--what", "merged").returncode == 0


def test_bytes_that_are_no_text_are_named(airlock):
    a = record(airlock, "import sys; sys.stdout.buffer.write(b'a\\0b\\n')")
    b = record(airlock, "import sys; sys.stdout.buffer.write(b'a\\0c\\n')")
    done = airlock.run("diff", a, b, "--what", "stdout")
    assert b"(not text: bytes that can't be shown stand as escapes)" in done.stdout and b"\0" not in done.stdout
    assert airlock.json("diff", a, b, "--what", "stdout", "--json")[1][0]["binary"] is True
