"""What is printed from the program's tables is what stands in the tree; what the README promises is there."""
import os
import re
import shlex
import shutil
import subprocess

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def read(*path):
    with open(os.path.join(ROOT, *path), "rb") as f:
        return f.read()


def test_man_page_and_completions_are_what_the_program_prints(airlock):
    for word, path in (("man", "share/man/airlock.1"), ("bash", "share/completions/airlock.bash"),
                       ("zsh", "share/completions/_airlock"), ("fish", "share/completions/airlock.fish")):
        assert airlock.run("help", word).stdout == read(path), "%s is old: make docs" % path


def test_every_option_and_command_is_in_the_help(airlock):
    text = airlock.run("--help").stdout.decode()
    for word in ("exec", "run", "show", "verify", "sessions", "resume", "doctor", "--lease", "--policy", "--json",
                 "memory_mib", "files.mount", "126"):
        assert word in text
    for command in re.findall(r"^  airlock (\w+)", text, re.M):
        done = airlock.run(command, "--help")
        assert done.returncode == 0 and command.encode() in done.stdout


def test_version_and_unknown_words(airlock):
    assert re.match(rb"airlock \d+\.\d+\.\d+\n$", airlock.run("--version").stdout)
    assert airlock.run("help", "nonsense").returncode == 2


def test_completions_are_valid_shell(airlock):
    for shell in ("bash", "zsh", "fish"):
        text = airlock.run("help", shell).stdout
        if shutil.which(shell):
            assert subprocess.run([shell, "-n"], input=text).returncode == 0, shell
        shlex.split(text.decode(), comments=True)  # raises where a quote stays open
    for line in airlock.run("help", "fish").stdout.decode().splitlines():
        words = shlex.split(line)
        assert words[-2] == "-d", line  # an apostrophe of the text ended its word otherwise
    zsh = [line for line in airlock.run("help", "zsh").stdout.decode().splitlines() if line.startswith("        '--")]
    assert len(zsh) > 20
    for line in zsh:
        words = shlex.split(line.rstrip("\\"))
        assert len(words) == 1, line


def test_doctor_and_providers(airlock):
    done, rows = airlock.json("doctor", "--json")
    checks = {row["check"]: row for row in rows if "check" in row}
    probes = {row["probe"]: row for row in rows if "probe" in row}
    assert checks["review rules"]["result"] == "PASS"
    assert checks["local"]["result"] == "PASS", checks["local"]
    assert len(probes) == 7 and all(row["result"] == "PASS" for row in probes.values()), probes
    assert all(row["rows"] for row in probes.values())
    assert done.returncode == 0
    done = airlock.run("doctor", "nonesuch")
    assert done.returncode == 2 and b"no probe 'nonesuch'" in done.stderr
    _, rows = airlock.json("providers", "--json")
    names = {row["name"]: row for row in rows}
    assert names["local"]["ready"] and names["human"]["ready"] and names["runbook"]["ready"]


def test_the_tour_headless(airlock):
    done, events = airlock.json("run", "-p", "runbook:" + os.path.join(ROOT, "share/runbooks/tour.md"), "--lease", "runs=20",
                                "--json")
    assert done.returncode == 4
    verdicts = [e["verdict"] for e in events if e["type"] == "run.verdict"]
    assert "refuted" in verdicts and verdicts.count("verified") >= 4
    denied = [e for e in events if e["type"] == "gate.decided" and e["decision"] == "deny"]
    assert len(denied) == 1 and "HIGH line" in denied[0]["reason"]
    assert any(e["type"] == "run.result" and e["mime"] == "image/png" for e in events)
    assert airlock.run("verify", "last").returncode == 0


def test_the_realistic_runbooks(airlock):
    for name in ("clean-csv", "service-log"):
        done, events = airlock.json("run", "-p", "runbook:@" + name, "--lease", "runs=30", "--json")
        assert done.returncode == 0, [e for e in events if e["type"] in ("error", "run.verdict", "gate.decided")][-3:]


def test_a_broken_runbook_names_file_and_line(airlock):
    path = airlock.home / "bad.md"
    path.write_text("# t\n\nwords\n\n## step\n\n```python\nprint(1)\n")
    done = airlock.run("run", "-p", "runbook:%s" % path, "--lease", "runs=1")
    assert done.returncode in (1, 2) and re.search(rb"bad\.md:\d+:", done.stderr)
