"""`airlock replay`: from the record alone, the same each time, and the same as it was live."""
import json
import os


def record_tour(airlock):
    done = airlock.run("run", "--plain", "-p", "runbook:@tour", "--lease", "runs=20")
    assert done.returncode == 4, done.stderr
    return done.stdout


def test_lines_events_and_frames_of_a_replay(airlock):
    live = record_tour(airlock)
    again = airlock.run("replay", "last", "--plain")
    assert (again.returncode, again.stderr) == (0, b"")
    assert again.stdout == live
    assert airlock.run("replay", "last", "--json").stdout == airlock.run("show", "last", "--json").stdout
    frames = [airlock.run("replay", "last", "--frames", "-", "--size", "100x30").stdout for _ in range(2)]
    assert frames[0] == frames[1]
    numbers = [int(line.split()[0]) for line in frames[0].splitlines()]
    assert numbers == list(range(1, len(numbers) + 1))
    assert len(set(line.split()[1] for line in frames[0].splitlines())) > len(numbers) // 2
    other = airlock.run("replay", "last", "--frames", "-", "--size", "80x24").stdout
    assert len(other.splitlines()) == len(numbers) and other != frames[0]


def test_a_replay_begins_at_a_run_and_keeps_the_recorded_pace(airlock):
    record_tour(airlock)
    whole = airlock.run("replay", "last", "--plain", "--speed", "64").stdout
    assert whole == airlock.run("replay", "last", "--plain").stdout
    part = airlock.run("replay", "last:3", "--plain").stdout
    assert part.startswith(b"run 3: proposed") and whole.endswith(part)
    assert airlock.run("replay", "last", "--from", "s2.2", "--plain").stdout == part
    for args in (["--speed", "65"], ["--speed", "x"], ["--idle-cap", "-1"], ["--size", "0x3"], ["--from", "99"]):
        done = airlock.run("replay", "last", "--frames", "/dev/null", *args)
        assert done.returncode == 2, (args, done.stderr)


def test_a_torn_session_is_replayed_as_far_as_it_is_whole(airlock):
    record_tour(airlock)
    folder = airlock.home / "data/airlock/sessions"
    path = folder / [name for name in os.listdir(folder) if name.endswith(".db")][0]
    whole = airlock.json("replay", "last", "--json")[1]
    data = path.read_bytes()
    wrong = data.replace(b"left out 1 smudged", b"left out 2 smudged")
    assert wrong != data
    path.write_bytes(wrong)
    done = airlock.run("replay", "last", "--json")
    part = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 5
    assert ("only up to event %d" % len(part)).encode() in done.stderr
    assert part == whole[:len(part)] and 20 < len(part) < len(whole)
