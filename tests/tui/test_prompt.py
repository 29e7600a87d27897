"""The prompt: blocks of code, completion, the editor, and the other uses of its line."""
import re

import pytest

from hand import events, own, paste, start

ESC = "\x1b"


def codes(airlock):
    return [e["code"] for e in events(airlock, "run.proposed")]


def at_gate(s, code="!print(6*7)"):
    """The gate has the focus, and is armed."""
    paste(s, code)
    s.send("\x07")
    s.wait(r"\[a\]")
    s.settle(0.6)


def editor(airlock, script):
    path = airlock.home / "editor.sh"
    path.write_text("#!/bin/sh\n" + script + "\n")
    path.chmod(0o755)
    return str(path)


@pytest.fixture
def live(airlock):
    """A session whose interpreter has a few names."""
    s = start(airlock)
    own(s, "!alpha_one = alpha_two = 1")
    s.wait("alpha_two +int")
    s.settle(0.1)
    return s


def test_a_block_ends_where_its_language_says(airlock):
    s = start(airlock)
    own(s, "!for i in range(2):")
    s.wait("│? *py… ")
    own(s, "    print('row', i)", "")
    s.wait("row 1")
    own(s, "!py (20 +", "22)")  # a bracket that is closed needs no empty line
    s.wait("│ 42 ")
    own(s, "!if True:", "  y = 5", "z = 6", "   ")  # a suite does, whatever its lines look like
    s.wait("z +int")
    own(s, "!def broken(", "\x03")
    s.wait_gone("py… ")
    assert codes(airlock) == ["for i in range(2):\n    print('row', i)\n", "(20 +\n22)\n", "if True:\n  y = 5\nz = 6\n"]
    assert {e["by"] for e in events(airlock, "gate.decided")} == {"typed"}


@pytest.mark.parametrize("first,label,rest,code,out", [
    ("!js [6 *", "js… ", ["7].forEach(x =>", "console.log(x))"], "[6 *\n7].forEach(x =>\nconsole.log(x))\n", "│ 42 "),
    ("!sh if true; then", "sh… ", ["echo yes", "fi"], "if true; then\necho yes\nfi\n", "│ yes "),
    ("!sh f() {", "sh… ", ["case $1 in a)", "for x in if; do (", "echo $x", ")", "done;;", "esac", "}; f a"],
     "f() {\ncase $1 in a)\nfor x in if; do (\necho $x\n)\ndone;;\nesac\n}; f a\n", "│ if "),
    ("!sh echo done { |", "sh… ", ["cat"], "echo done { |\ncat\n", "│ done { "),
])
def test_blocks_of_other_languages(airlock, first, label, rest, code, out):
    s = start(airlock)
    own(s, first)
    s.wait(label)
    own(s, *rest)
    s.wait(out)
    assert codes(airlock) == [code]


def test_pasted_code_in_pieces_and_its_line_ends(airlock):
    s = start(airlock)
    s.send("!for i in range(2):")
    s.send("\x1b[200~\r\n    print('a', i)\r    print('b', i)\nprint('c')\x1b[201~")
    s.wait("an empty line sends it")
    s.wait(r"print\('c'\)")  # its last line stays at the prompt
    s.send("\r")
    s.send("\x1b[200~# more\n\x1b[201~")  # goes on the block
    s.settle(0.1)
    s.send("\r")
    s.wait("to decide")
    assert codes(airlock) == ["for i in range(2):\n    print('a', i)\n    print('b', i)\nprint('c')\n# more\n"]
    s.send("\x1b[200~words on\ntwo lines\x1b[201~")
    s.wait("> words on two lines")
    s.send("\x15\x1b[200~!x = 1\x1b[201~")
    s.wait("> !x = 1")


def test_a_paste_that_does_not_fit_is_said_and_left_out(airlock):
    s = start(airlock)
    big = "#" * 1000000 + "\n"
    for i in range(2):
        s.send("\x1b[200~!" + big + "\x1b[201~") if i == 0 else s.send("\x1b[200~" + big + "\x1b[201~")
        s.wait("an empty line sends it")
        s.settle(0.1)
    s.send("\x1b[200~" + big + "\x1b[201~")
    s.wait("code is at most 1 MiB: put data in a file and :put it")
    s.send("\x03")
    s.wait_gone("py… ")
    s.send("\x1b[200~!" + "x" * (1 << 20) + "yz\x1b[201~")
    s.wait("the paste was longer than 1 MiB: the rest was dropped")


def test_commands_complete(airlock):
    s = start(airlock)
    s.send(":res\t")
    s.wait("restart  restore  resume")
    s.send("\t")  # again: the same
    s.wait("restart  restore  resume")
    s.send("u\t")
    s.wait("> :resu *\n +results  resume")
    s.send("m\t")
    s.wait("> :resume")
    s.wait_gone("results  resume")
    s.send("\x15:\t")
    s.wait(r"(\w+  )+\+\d+")
    names, more = re.search(r"((?:[\w-]+  )+)\+(\d+)", s.text()).groups()
    assert len(names.split()) + int(more) > 70  # all that there are
    for line, after in ((":thx", ":thx"), (":theme d", ":theme d"), (":", ":"), ("words", "words"), ("!pri", "!pri")):
        s.send("\x15" + line)
        s.wait("> " + re.escape(line))
        s.send("\t")
        s.settle(0.05)
        assert re.search("> %s *\n" % re.escape(after), s.text())
    s.send("\x15")


def test_names_complete_in_the_language_of_the_line(live):
    s = live

    def tab(line, after, offered=""):
        s.send("\x15" + line)
        s.wait("> " + re.escape(line))
        s.send("\t")
        s.settle(0.15)
        s.wait("> " + re.escape(after) + " *\n +" + offered)

    tab("!print(alpha", "!print(alpha_", "alpha_one  alpha_two")
    tab("!print(alpha_o", "!print(alpha_one")
    tab("!x9.zzq", "!x9.zzq")
    tab("!äö.alpha_o", "!äö.alpha_o")
    tab("!alpha_one.bit_c", "!alpha_one.bit_count")
    tab("!js alpha", "!js alpha", "Enter")  # names of Python are none of JavaScript
    s.send("\x15")
    own(s, "!js let gamma_x = 1")
    s.wait("javascript ─ run 2")
    s.settle(0.3)
    tab("!js gamma", "!js gamma_x")
    s.send("\x15")
    own(s, "!def f(a=(")
    s.wait("py… ")
    tab_in_block = "alpha_t"
    s.send(tab_in_block)
    s.wait(tab_in_block)
    s.send("\t")
    s.wait("… alpha_two")
    s.send("\x01\t")  # nothing in front of the cursor
    s.settle(0.1)
    s.send("\x03")


def test_the_editor_writes_code(airlock):
    s = start(airlock, env={"EDITOR": editor(airlock, "echo \"print('from', '${2##*.}')\" > \"$2\"") + " --wait"})
    for line, ending in (("!", "py"), ("!js", "js"), (":editor", "sh")):
        if ending == "sh":
            s.send(":language bash\r")
            s.settle(0.1)
        s.send(line + "\r")
        s.wait(r"print\('from', '%s'\)|code" % ending)
        s.wait("to decide")
        s.send(":deny no\r")
        s.wait("denied")
        s.settle(0.1)
    assert [e["language"] for e in events(airlock, "run.proposed")] == ["python", "javascript", "bash"]
    assert list((airlock.home / "state").rglob("edit-*")) == []


@pytest.mark.parametrize("value,said", [
    ("/bin/false", "the editor ended with an error: nothing was changed"),
    ("nosuchprogram-77 -x", r"the editor \(VISUAL, EDITOR\)"),
    ("'unclosed", r"the editor \(VISUAL, EDITOR\): .*quot"),
    ("  ", "no editor: set EDITOR, for example EDITOR=nano"),
])
def test_an_editor_that_does_not_work(airlock, value, said):
    s = start(airlock, env={"EDITOR": value, "VISUAL": "", "PATH": "/nonexistent"})
    s.send("!\r")
    s.wait(said)
    assert not list((airlock.home / "data").rglob("01*.db"))


def test_an_expectation_is_written_at_the_gate(airlock):
    s = start(airlock)
    at_gate(s)
    s.send("E")
    s.wait(r"expect \( ; between\): ")
    s.type("exit 0 ;  ; stdout contains 42;; ")
    s.send("\r")
    s.wait(r"expects +exit 0")
    s.wait(r"\[a\]|to decide")
    s.send("\x07")
    s.wait(r"\[a\]")
    s.settle(0.6)
    s.send("E")
    s.wait(r"between\): exit 0 ; stdout contains 42;?")
    s.type(" ; nonsense")
    s.send("\r")
    s.wait("nonsense. is no check")
    s.send("\x07")
    s.wait(r"\[a\]")
    s.settle(0.6)
    s.send("E")
    s.wait("between")
    s.send("\x03")  # leaves it as it is
    s.wait_gone(r"between\)")
    assert [e.get("expect") for e in events(airlock, "run.proposed")][1:] == [["exit 0", "stdout contains 42"]]


def test_lease_why_and_leaving_at_the_gate(airlock):
    s = start(airlock)
    at_gate(s, "!import shutil; shutil.rmtree('/home/x')")
    s.send("w")
    s.wait("why|because|rule")
    s.settle(0.1)
    s.send("w")
    s.settle(0.6)
    for key in ("\x1b[5~", "\x1b[6~", "\x1b[H", "\x1b[F", "\x1b[A", "\x1b[B", "g", "G"):
        s.send(key)
        s.settle(0.05)
    s.send("l")
    s.wait("lease: runs=5")
    s.type(",minutes=0")
    s.send("\r")
    s.wait("lease 'runs=5,minutes=0'")
    s.settle(0.6)
    s.send("\x07")
    s.settle(0.6)
    s.send("l")
    s.wait("lease: runs=5")
    s.send("\r")
    s.wait("LEASE 5 runs")
    s.wait(r"to decide|\[a\]")  # a HIGH finding is not covered by it
    s.send("\x07")
    s.settle(0.6)
    s.send("d")
    s.wait("deny because: ")
    s.send("\r")  # without words
    s.wait("run 1 denied|denied")
    denied = events(airlock, "gate.decided")
    assert [(e["decision"], e["by"], e.get("reason", "")) for e in denied] == [("deny", "person", "")]


def test_the_code_at_the_gate_is_edited(airlock):
    s = start(airlock, env={"VISUAL": editor(airlock, "case $(cat \"$1\") in *6*) echo 'print(7*7)' > \"$1\";; *) exit 3;; esac")})
    at_gate(s)
    s.send("e")
    s.wait("edited, revision 2")
    s.settle(0.5)  # what is typed while the editor leaves is thrown away
    s.send("\x07")
    s.wait(r"\[a\]")
    s.settle(0.6)
    s.send("e")
    s.wait("the editor ended with an error: nothing was changed")
    assert [e["code"].strip() for e in events(airlock, "run.proposed")] == ["print(6*7)", "print(7*7)"]
    assert [e["rev"] for e in events(airlock, "run.proposed")] == [1, 2]


def test_searching_from_the_prompt_and_back(live):
    s = live
    own(s, "!for i in range(60): print('row', i)")
    s.send("\r")
    s.wait("row 59")
    s.send(ESC)
    s.settle(0.1)
    s.send("n")
    s.wait("nothing was searched for yet: /")
    s.send("3")
    s.settle(0.05)
    s.send("/")
    s.wait(r"\n ?/")
    s.send("\t")  # no names complete here
    s.type("row 3")
    s.send("\r")
    s.wait("row 30|row 3 ")
    for key in "nnNNN":
        s.send(key)
        s.settle(0.05)
    s.wait("row 3")
    s.send("/")
    s.settle(0.05)
    s.type("nowhere")
    s.send("\r")
    s.wait("not found: nowhere")
    s.send("N")
    s.settle(0.1)
    s.send("/")
    s.settle(0.05)
    s.send("\r")  # an empty one ends it
    s.settle(0.1)
    s.send("n")
    s.wait("nothing was searched for yet: /")


def test_what_was_typed_is_there_again(airlock):
    s = start(airlock)
    own(s, "!x = 1")
    s.wait("x +int")
    s.send(":renmae\r")
    s.wait("did you mean")
    s.send("\x10")  # ^P: what was typed before
    s.wait("> :renmae")
    s.send("\x10")
    s.wait("> !x = 1")
    s.send("\x15")
    s.send(":quit\r")
    assert s.ended() == 0
    s = start(airlock)
    s.send("\x10")  # at the very first line as well
    s.wait("> :quit")
    s.send("\x10\x10")
    s.wait("> !x = 1")


def test_line_by_line_a_lone_sign_is_no_message(airlock):
    done = airlock.run("--plain", input=b"!\n!js\n!sh if true; then\necho\nfi\n\n:quit\n")
    assert (done.stdout + done.stderr).count(b"the code stands on the same line, behind the !") == 2
    assert codes(airlock) == ["if true; then\necho\nfi\n"]
