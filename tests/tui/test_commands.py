"""What every command refuses, and how: too few words, too many, names that are not there, a place that can't be read."""
import os
import re
import subprocess

import pytest

import bundle as b
from conftest import BINARY

USAGE = """
    show                             | show takes ID or ID:RUN
    show a b                         | show takes ID or ID:RUN
    verify                           | verify takes ID, or --all
    verify a b                       | verify takes ID, or --all
    verify --all a                   | verify takes ID, or --all
    diff a                           | diff takes two runs or sessions
    diff a b c                       | diff takes two runs or sessions
    diff {id} {id} --what nothing    | --what 'nothing': it is code, stdout
    diff {id}:1 {id}:7               | has no run '7' (it has 1)
    diff {id} {id} --mask nosuch     | no mask 'nosuch'
    rerun                            | rerun takes ID…
    rerun {id} --jobs 0              | --jobs '0': it is 1 to 64
    rerun {id} --jobs 65             | --jobs '65': it is 1 to 64
    rerun {id} --jobs x              | --jobs 'x': it is 1 to 64
    rerun {id} --jobs 2x             | --jobs '2x': it is 1 to 64
    rerun {id} --jobs +2             | --jobs '+2': it is 1 to 64
    rerun {id} --lease zero          | lease 'zero': it is runs=N
    rerun {id} --mask nosuch         | no mask 'nosuch'
    rerun {id} {id} --into {id}      | rerun --into takes one session
    rerun {id} --into {id} --on x    | rerun --into takes one session
    rerun {id} --into {id} -s x      | rerun --into takes one session
    rerun {id} --into {id} -c pids=9 | rerun --into takes one session
    replay                           | replay takes ID or ID:RUN
    replay a b                       | replay takes ID or ID:RUN
    replay {id} --speed 0.2          | --speed 0.2: it is 0.25 to 64
    replay {id} --speed 65           | --speed 65: it is 0.25 to 64
    replay {id} --speed 2x           | --speed 2x: it is 0.25 to 64
    replay {id} --speed nan          | --speed nan: it is 0.25 to 64
    replay {id} --idle-cap -1        | --idle-cap -1: it is seconds, 0 to 3600
    replay {id} --idle-cap 3601      | --idle-cap 3601: it is seconds
    replay {id} --idle-cap x         | --idle-cap x: it is seconds
    replay {id} --idle-cap nan       | --idle-cap nan: it is seconds
    replay {id} --plain --from 9     | has no run '9' (it has 1)
    replay {id}:2 --plain            | has no run '2' (it has 1)
    replay {id} --frames - --size 9  | --size 9: it is COLSxROWS
    search                           | search takes one TEXT of 1 to 1000 bytes
    search a b                       | 'b' is no filter
    search a ~nosuch                 | ~nosuch
    stats ~nosuch                    | ~nosuch
    tree                             | tree takes ID
    tree a b                         | tree takes ID
    fork                             | fork takes ID or ID:RUN
    fork a b                         | fork takes ID or ID:RUN
    resume                           | resume takes ID, a name, or last
    resume a b                       | resume takes ID, a name, or last
    export                           | export takes ID
    export a b                       | export takes ID
    export {id}                      | export needs --format: one of md, html, ipynb, jsonl, cast
    export {id} --format nosuch      | no format 'nosuch'; there are: md
    export {id} -o x.nosuch          | x.nosuch does not end like a format
    export {id} -o nodot             | nodot does not end like a format
    export {id} -o x.html --artifacts | --artifacts does not go with html
    export {id} --format md --artifacts | --artifacts
    export {id} -o - --format md --artifacts | --artifacts
    import                           | import takes FILE, or - for standard input
    import a b                       | import takes FILE, or - for standard input
    run                              | planner human needs the screen (airlock)
    run -p human t                   | planner human needs the screen (airlock)
    run -p nosuch t                  | no planner 'nosuch'; there are: human
    run -p anthropic                 | what is anthropic to do? airlock run -p anthropic "TASK"
    exec -s nosuch -                 | no sandbox 'nosuch'; there are: local
    -c x=1 contract                  | contract key x is not known
    -c nosuchfile contract           | contract key nosuchfile is not known
    -c pids=1 contract               | pids=1: takes 8-4096
    --budget x contract              | budget_usd=x: takes 0-100000
    -s nosuch contract               | no sandbox 'nosuch'
    config a                         | config takes: list, get KEY, set KEY VALUE, path
    config list a                    | config takes: list, get KEY
    config path a                    | config takes: list, get KEY
    config get                       | config takes: list, get KEY
    config set theme                 | config takes: list, get KEY
    config get nosuch                | unknown key 'nosuch'
    config set nosuch 1              | unknown key 'nosuch'
    cost a b                         | cost takes ID, or nothing for all sessions
    help nosuch                      | no command 'nosuch' to help with
    --json                           | --json does not go with the screen
    --json resume {id}               | --json does not go with the screen
    sandboxes frob                   | reap [ID…] | adopt ID… | ignore ID… | show ID…], not 'frob'
    sandboxes adopt                  | airlock sandboxes adopt takes ids
    sandboxes ignore                 | airlock sandboxes ignore takes ids
    sandboxes show                   | airlock sandboxes show takes ids
    sessions rename a                | sessions rename takes ID NAME
    sessions rename a x y            | sessions rename takes ID NAME
    sessions rename {id} last        | 'last' always means the newest session
    sessions tag                     | sessions tag takes ID TAG…
    sessions rm                      | sessions rm takes ID…
    sessions rm last {id}            | 'last' goes alone
    sessions undelete                | sessions undelete takes ID…
    sessions purge                   | sessions purge takes ID…
    sessions archive                 | sessions archive takes ID…
    sessions unarchive               | sessions unarchive takes ID…
    providers nope                   | providers takes no 'nope'
    contract {id} {id}               | contract takes one ID, or nothing
    help show diff                   | help takes one COMMAND
    sessions unarchive {id}          | session {id} is
"""
WANT_A_SESSION = """show verify rerun replay tree fork resume cost contract|diff,{word},{word}|export,{word},--format,md|sessions,rename,{word},x
    |sessions,tag,{word},x|sessions,rm,{word}|sessions,undelete,{word}|sessions,purge,{word}|sessions,archive,{word}|sessions,unarchive,{word}"""


def with_word(word):
    """Every command that takes a session, with this one."""
    first, *rest = "".join(WANT_A_SESSION.split("\n    ")).split("|")
    return [[c, word] for c in first.split()] + [r.format(word=word).split(",") for r in rest]


@pytest.fixture
def one(airlock):
    """The id of the only session there is: one run."""
    return b.take(airlock, [b.created(), b.task("t"), *b.whole(1, "print(1)", "1\n")])


def test_usage_errors_say_what_to_type(airlock, one):
    for line in USAGE.strip().splitlines():
        words, says = line.format(id=one).split(" | ", 1)
        done = airlock.run(*words.split())
        assert (done.returncode, done.stdout) == (2, b""), (words, done)
        assert done.stderr.startswith(b"airlock: ") and says.strip().encode() in done.stderr, (words, done.stderr)
        assert done.stderr.count(b"\n") == 1, words
    for args, says in ((("search", ""), b"one TEXT of 1 to 1000"), (("search", "x" * 1001), b"one TEXT of 1 to 1000"),
                       (("search", "a\nb"), b"without line ends"), (("sessions", "rename", one, ""), b"a name has 1 to 200 bytes"),
                       (("sessions", "rename", one, "x" * 201), b"a name has 1 to 200 bytes"),
                       (("sessions", "tag", one, "two words"), b"'two words': one word"), (("sessions", "tag", one, "ok", ""), b"one word"),
                       (("sessions", "tag", one, "a\tb"), b"one word"), (("sessions", "tag", one, "x" * 65), b"at most 64 bytes")):
        done = airlock.run(*args)
        assert done.returncode == 2 and says in done.stderr, (args, done)


def test_a_session_that_is_not_there(airlock, one):
    for words in with_word("nosuch"):
        done = airlock.run(*words)
        assert done.returncode == 3 and b'no session "nosuch" (`airlock sessions` lists them)' in done.stderr, (words, done)
    for words in (["diff", one, "nosuch"], ["rerun", "nosuch", "--json"], ["tree", "nosuch", "--json"]):
        assert airlock.run(*words).returncode == 3, words


def test_no_place_for_sessions(airlock):
    file = airlock.home / "file"
    file.write_text("x")
    for words in [*with_word("last"), ["sessions"], ["search", "x"], ["stats"], ["cost"], ["verify", "--all"], ["sessions", "trash"]]:
        done = airlock.run("--data", str(file), *words)
        assert done.returncode == 1 and done.stderr.endswith(b"file/sessions: Not a directory\n"), (words, done)
    for words in (["exec", "-"], ["import", "-"]):
        done = airlock.run("--data", str(file), *words, input=b.bundle([b.created()]))
        assert done.returncode != 0 and b"file" in done.stderr, (words, done)
    done = airlock.run("--plain", "--data", str(file), input=b"!print(1)\nsay\n:tour\n")
    assert done.stdout == b"" and done.stderr.count(b"airlock: ") == 3, done
    env = {k: v for k, v in airlock.env.items() if not k.startswith("XDG")}
    airlock.env = {**env, "HOME": "relative"}
    done = airlock.run("sessions")
    assert done.returncode == 3 and b"HOME is not set to an absolute path" in done.stderr


def test_what_an_imported_session_is_good_for(airlock, one):
    for words in (["resume", one], ["fork", one], ["rerun", one], ["rerun", one, "--into", one]):
        done = airlock.run(*words)
        assert done.returncode == 4 and b"was imported: it can be" in done.stderr, (words, done)
    for words in (["show", one], ["verify", one], ["diff", one, one], ["tree", one], ["replay", one, "--plain"],
                  ["export", one, "--format", "md"], ["cost", one], ["sessions", "rename", one, "x"]):
        assert airlock.run(*words).returncode == 0, words


def test_help_of_everything(airlock):
    whole = airlock.run("help").stdout
    assert whole == airlock.run("--help").stdout and b"airlock" in whole
    commands = [line.split()[1] for line in whole.decode().splitlines() if line.startswith("  airlock ") and line.split()[1].isalpha()]
    assert len(commands) > 15
    for c in set(commands) - {"help"}:
        one, other = airlock.run("help", c), airlock.run(c, "--help")
        assert one.returncode == 0 and one.stdout == other.stdout and c.encode() in one.stdout, c


def test_the_help_of_a_command_lists_what_goes_with_it(airlock, one):
    whole = set(re.findall(r"^  (?:-., )?(--[a-z-]+)", airlock.run("help").stdout.decode(), re.M))
    assert len(whole) > 40
    for c in ("verify", "diff", "replay", "exec", "config"):
        listed = set(re.findall(r"^  (?:-., )?(--[a-z-]+)", airlock.run(c, "--help").stdout.decode(), re.M))
        assert {"--json", "--data", "--help"} <= listed < whole
        for option in whole - listed:
            done = airlock.run(c, option, "1", one)
            assert done.returncode == 2 and b"does not go with" in done.stderr, (c, option, done)


def test_the_configuration_as_json_and_what_a_file_adds(airlock):
    for key, value in (("contract.cpu", "2"), ("masks.job", "job [0-9]+"), ("theme", "mono")):
        assert airlock.run("config", "set", key, value).returncode == 0
        assert airlock.run("config", "get", key).stdout.decode() == value + "\n"
        assert re.search(r"^%s +=  ?%s" % (re.escape(key), re.escape(value)), airlock.run("config").stdout.decode(), re.M)
        assert airlock.json("config", "get", key, "--json")[1] == [{"key": key, "value": value}]
    rows = {r["key"]: r for r in airlock.json("config", "--json")[1]}
    assert rows["theme"]["value"] == "mono" and rows["theme"]["default"] == "default"
    assert rows["contract.cpu"]["value"] == "2" and rows["masks.job"]["value"] == "job [0-9]+"
    path = airlock.json("config", "path", "--json")[1][0]["value"]
    assert path.encode() + b"\n" == airlock.run("config", "path").stdout
    for key in ("contract.pids", "masks.nope"):
        done = airlock.run("config", "get", key)
        assert done.returncode == 2 and b"is not set in the configuration" in done.stderr


def test_slips_in_options_are_told_before_anything_is_made(airlock):
    for args, code, says in (
            (("exec", "--expect", "frobs", "-"), 2, b"--expect: line 1: `frobs` is no check"),
            (("exec", "-c", "nope=1", "-"), 2, b"contract key nope is not known; `airlock contract` shows all"),
            (("exec", "-c", "tiemout=1", "-"), 2, b"contract key tiemout is not known; the nearest is timeout_s=1-86400"),
            (("--config", "/no/such.ini", "exec", "-"), 3, b"--config /no/such.ini: No such file or directory"),
            (("exec", "--policy", "/nope", "-"), 3, b"opening /nope: No such file"),
            (("sessions", "-qx"), 2, b"unknown option -qx"), (("sessions", "-qs"), 2, b"--sandbox needs NAME")):
        done = airlock.run(*args, input=b"print(1)")
        assert done.returncode == code and done.stdout == b"" and says in done.stderr, (args, done)
    assert airlock.run("sessions", "-qav").stdout == b""  # flags may stand together; quiet: no word on what there is not
    mine = airlock.home / "mine.ini"
    assert airlock.run("--config", str(mine), "config", "set", "theme", "mono").returncode == 0
    assert airlock.run("--config", str(mine), "config", "get", "theme").stdout == b"mono\n"


PRINTS = """show {id}|show {id}:1|show --json {id}|tree {id}|sessions|diff {id}:1 {id}:1|replay --plain {id}|replay --json {id}
    |export {id} --format md|stats|stats --json|cost|verify {id}|search print|contract|config|help|sandboxes|providers"""


def test_a_reader_that_has_enough_is_no_error_to_talk_of(airlock, one):
    """`airlock show last | head -1`: no word on stderr; a full disk has one, and says so."""
    for words in "".join(PRINTS.split("\n    ")).format(id=one).split("|"):
        gone, out = os.pipe()
        os.close(gone)
        done = subprocess.run([BINARY, *words.split()], stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.PIPE,
                              env=airlock.env, cwd=airlock.home, timeout=60)
        os.close(out)
        assert (done.returncode, done.stderr) == (1, b""), (words, done)
        with open("/dev/full", "wb") as full:
            done = subprocess.run([BINARY, *words.split()], stdin=subprocess.DEVNULL, stdout=full, stderr=subprocess.PIPE,
                                  env=airlock.env, cwd=airlock.home, timeout=60)
        assert done.returncode == 1 and done.stderr.count(b"\n") == 1 and b"No space left" in done.stderr, (words, done)


def field(airlock, name, *args):
    done = airlock.run("contract", *args)
    assert done.returncode == 0, done.stderr
    return re.search(r"^%s += (\S+)" % name, done.stdout.decode(), re.M).group(1)


def test_contracts_from_files_and_the_configuration(airlock):
    text = airlock.home / "strict.contract"
    text.write_text("# mine\npids = 16\n\ntimeout_s=7\n")
    assert [field(airlock, k, "-c", str(text), "--budget", "1.5") for k in ("pids", "timeout_s", "budget_usd")] == ["16", "7", "1.5"]
    assert airlock.run("config", "set", "contract.pids", "32").returncode == 0
    assert b"contract.pids         = 32\n" in airlock.run("config", "list").stdout
    assert field(airlock, "pids") == "32"
    assert field(airlock, "pids", "-c", str(text)) == "16"  # nearer wins
    assert field(airlock, "pids", "-c", "pids = 64\ntimeout_s = 9") == "64"
    text.write_text("pids = 16\nnosuch = 7\n")
    done = airlock.run("contract", "-c", str(text))
    assert done.returncode == 2 and b"strict.contract" in done.stderr and b"nosuch" in done.stderr
    text.write_text("#" * 70000)
    done = airlock.run("contract", "-c", str(text))
    assert done.returncode != 0 and b"strict.contract" in done.stderr
    done = airlock.run("contract", "-c", "/nosuch/file")
    assert done.returncode == 3 and b"/nosuch/file" in done.stderr


def test_the_trash_is_emptied_in_time_or_never(airlock, one):
    assert airlock.run("config", "set", "sessions.trash_days", "0").returncode == 0
    done = airlock.run("sessions", "rm", one)
    assert b"for ever" in done.stdout, done
    assert airlock.run("sessions", "undelete", one).returncode == 0
    assert airlock.run("sessions", "archive", one).returncode == 0
    done = airlock.run("sessions", "archive", one)
    assert done.returncode == 2 and b"session %s is" % one.encode() in done.stderr, done
    assert airlock.run("sessions", "rename", one, "packed").returncode == 0
    assert airlock.run("sessions", "unarchive", one).returncode == 0
    rows = airlock.json("sessions", "--json")[1]
    assert [(r["id"], r["name"]) for r in rows] == [(one, "packed")]
    assert os.path.exists(airlock.home / "data/airlock/sessions" / (one + ".db"))


def test_a_file_that_is_no_session_is_listed_with_its_problem(airlock, one):
    bad = airlock.home / "data/airlock/sessions/01jdz000000000000000000000.db"
    bad.write_bytes(b"no database, whatever it is called")
    bad.chmod(0o600)
    listed = airlock.run("sessions")
    assert b"01jdz0000" in listed.stdout and one.encode() in listed.stdout
    _, rows = airlock.json("sessions", "--json")
    assert {r["id"]: r.get("problem", "") != "" for r in rows} == {one: False, bad.stem: True}
    done = airlock.run("stats")
    assert done.returncode == 0 and b"01jdz0000" in done.stderr and done.stdout.startswith(b"sessions    1 ")
    done = airlock.run("verify", "--all")
    assert done.returncode != 0 and b"01jdz0000" in done.stdout + done.stderr
    for c in ("show", "tree", "verify", "cost", "contract"):
        done = airlock.run(c, bad.stem)
        assert b"01jdz0000" in done.stdout + done.stderr, (c, done)
