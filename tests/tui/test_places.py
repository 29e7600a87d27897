"""Where one is on the screen: help and questions lead back to it, and what was changed is seen there at once."""
import re

import pytest

from conftest import BINARY, Screen
from hand import events, own, paste, press, say, start
from test_compare import record

ESC = "\x1b"


def row_of(s, words):
    """The line of the list with these words; the prompt's own line, where they were typed, is none."""
    return [line for line in s.text().split("\n") if line.startswith("│") and re.search(words, line)]


@pytest.mark.parametrize("way,place,first", [
    ([ESC, "s"], "Sessions ─", "In the list of sessions"),
    ([ESC, "s", "F", "f", "i", "r", "s", "t", "\r"], "Found ─", "In what was found"),
    ([ESC, "T"], "Branches ─", "On a page"),
    ([ESC, "1"], "1 Plan", "In the plan"),
    ([ESC, "7"], "7 State", "In the panes"),
])
def test_help_begins_with_the_keys_of_the_place_and_leads_back_to_it(airlock, way, place, first):
    s = start(airlock)
    own(s, "!first = 1")
    s.wait("first +int")
    press(s, way, place)
    for leave in ("q", "?", ESC):
        press(s, ["?"], r"Keys and commands[^\n]*\n│ " + first)
        press(s, [leave], place)
        assert "Keys and commands" not in s.text()
    press(s, ["?", "G"], ":quit ")
    press(s, ["q", "?"], r"Keys and commands[^\n]*\n│ " + first)  # from its top again


@pytest.mark.parametrize("way", [[ESC, "?"], ["\x1bOP"], [ESC, "s", "?"]])
def test_the_help_can_be_searched(airlock, way):
    s = start(airlock)
    own(s, "!first = 1")
    s.wait("first +int")
    press(s, way, "Keys and commands")
    press(s, ["/"], r"\n / ")
    s.type("IDLE-cap")
    press(s, ["\r"], "not found: IDLE-cap")
    press(s, ["/"], r"\n / ")
    s.type("seconds")
    press(s, ["\r"], "ten seconds back")
    press(s, ["n"], "ten seconds on")
    press(s, ["n"], ":idle-cap SECONDS|:rewind ")
    press(s, ["n"] * 9, "not found: seconds")
    press(s, ["N"] * 3, "ten seconds back")
    press(s, ["/", ESC, "q"])
    s.wait_gone("Keys and commands")


def test_where_nothing_can_be_searched_it_says_where(airlock):
    s = start(airlock)
    own(s, "!first = 1")
    s.wait("first +int")
    press(s, [ESC])
    for pane in "178":
        press(s, [pane, "/"], "no search here: code, out, err and timeline")
        press(s, ["2", "/"], r"\n / ")
        press(s, [ESC, "\x07"], "no gate is open")


def test_a_new_name_given_behind_a_colon_is_in_the_list_at_once(airlock):
    record(airlock, "print('other')")
    s = start(airlock)
    own(s, "!x = 1")
    s.wait("x +int")
    press(s, [ESC, "s"], "2 sessions")
    press(s, [":"], "> :")
    own(s, "rename fine words")
    s.until(lambda: row_of(s, r"fine words +1 run"))
    press(s, [ESC, "g", "t"], "tags: ")  # of the row that is selected
    own(s, "weekly")
    s.until(lambda: row_of(s, "tags: +weekly|#weekly"))
    press(s, [":"], "> :")
    own(s, "tag")
    s.wait("no tags any more")
    s.until(lambda: not row_of(s, "weekly"))
    assert [e["tags"] for e in events(airlock, "session.tagged")] == [["weekly"], []]


def test_a_comparison_behind_a_colon_goes_there_and_back(airlock):
    s = start(airlock)
    own(s, "!first = 1")
    s.wait("first +int")
    own(s, "!second = 2")
    s.wait("second +int")
    s.send(":diff 1\r")
    s.wait("Code[^\\n]*Δ run 1")
    s.send(":diff\r")
    s.wait_gone("Δ run 1")


@pytest.mark.parametrize("line,says", [
    (":restore abc", "'abc' is no number of a run"),
    (":fork 0", "'0' is no number of a run"),
    (":restore 9", "there is no run 9"),
])
def test_a_run_that_is_none_is_named(airlock, line, says):
    s = start(airlock)
    own(s, "!x = 1")
    s.wait("x +int")
    s.send(line + "\r")
    s.wait(says)


def test_on_a_screen_too_small_for_the_gate_ctrl_c_denies_as_it_says(airlock):
    s = start(airlock)
    paste(s)  # the focus is the prompt's
    s.resize(9, 39)
    s.wait("a gate waits[^\n]*\n *\\^C denies")
    press(s, ["\x03"])
    s.wait_gone("a gate waits")
    s.resize(36, 120)
    s.wait("1 ⊘ denied")
    assert [e["decision"] for e in events(airlock, "gate.decided")] == ["deny"]


def test_an_answer_goes_with_the_next_command(airlock):
    s = start(airlock)
    say(s, ":nix", "no command :nix")
    s.send(":theme mono\r")
    s.wait_gone("no command :nix", 2)


def test_a_place_in_a_replay_that_is_none(airlock):
    record(airlock, "print('one')")
    s = airlock.screen("replay", "last", rows=30, cols=100)
    s.wait("REPLAY")
    for place in ("1:99", "1:", "1:2x", "200%", "#", "5", "run"):
        press(s, [":"], "> :")
        own(s, "seek " + place)
        s.wait("seek takes 50%, 1:30, #EVENT or run N")
        press(s, [":"], "> :")
        own(s, "seek run 1x")
        s.wait("there is no run 1x")


@pytest.mark.parametrize("way,there,back", [
    ([], "Sessions ─", "Sessions ─"),
    (["?"], "Keys and commands", "Keys and commands"),
    (["R"], "REPLAY", "REPLAY"),  # a process of its own, which the list waits for
    ([" ", " ", "D"], r"\] next", r"\] next"),
])
def test_ctrl_z_gives_the_shell_back_and_fg_the_screen(airlock, way, there, back):
    record(airlock, "print('one')"), record(airlock, "print('two')")
    s = Screen(["bash", "--norc", "-i"], {**airlock.env, "PS1": "sh> ", "HISTFILE": ""}, 30, 100)
    airlock.screens.append(s)
    s.wait("sh> ")
    s.send(BINARY + " sessions\r")
    s.wait("2 sessions")
    press(s, way, there)
    for _ in range(2):
        s.send("\x1a")
        s.wait(r"Stopped[^\n]*\n[\s\S]*sh> ")
        s.send("echo $((6*7))\r")
        s.wait("\n42 ")
        s.send("clear\r")
        s.wait_gone("Stopped|" + back)
        s.send("fg\r")
        s.wait(back)
        s.settle(0.2)
