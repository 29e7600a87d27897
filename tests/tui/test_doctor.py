"""`airlock doctor` and `airlock contract`, in the shell and on the screen: what a sandbox proved, and what it must keep."""
import json
import os
import shutil
import subprocess
import tempfile

from conftest import BINARY


def probed(airlock):
    return [e for e in airlock.json("show", "--json", "last")[1] if e["type"] == "sandbox.probed"]


def test_the_lights_and_the_page_behind_them(airlock):
    s = airlock.screen(rows=36, cols=120)
    s.wait("a task, !code")
    s.line("!print(6 * 7)")
    s.wait(r"│ 42 +│")
    s.wait("local ●●●○●")
    s.send("\x1b")
    s.wait("Tab pane")
    s.send("I")
    s.wait("Isolation of local")
    s.wait(r"PASS +filesystem")
    s.wait(r"read a file of this user: E[A-Z]+")
    s.wait(r"UNPROVED +code that does not end")
    s.send("q")
    s.wait("Tab pane")
    s.send(":contract\r")
    s.wait(r"network +deny +enforced")
    s.wait(r"sandbox local, process")
    s.close()
    (event,) = probed(airlock)
    assert event["by"] == "birth" and [p["result"] for p in event["probes"]] == ["PASS"] * 3 + ["UNPROVED", "PASS"]
    r = airlock.screen("replay", "last", rows=36, cols=120)
    r.wait("REPLAY")
    r.send("G")
    r.wait("local ●●●○●")
    r.send("I")
    r.wait(r"PASS +network")
    r.send("q")
    r.wait(r"2 Code")
    r.send(":doctor\r")
    r.wait("Isolation of local")
    assert "Enter tries" not in "\n".join(r.screen.display)
    r.close()


def test_all_probes_at_length_from_the_screen(airlock):
    s = airlock.screen(rows=50, cols=120)
    s.wait("a task, !code")
    s.line("!print(6 * 7)")
    s.wait(r"│ 42 +│")
    s.send("\x1b")
    s.wait("Tab pane")
    s.send(":doctor\r")
    s.wait("Enter tries everything")
    s.send("\r")
    s.wait("all probes at work|tried at length")
    s.wait(r"doctor: 7 passed, 0 failed, 0 unproved", timeout=90)
    s.wait("local ●●●●●")  # what was open is settled
    s.close()
    names = [p["name"] for e in probed(airlock) if e["by"] == "doctor" for p in e["probes"]]
    assert names == ["filesystem", "network", "process", "timeout", "state", "limits", "kill"]
    assert airlock.run("verify", "last").returncode == 0


def test_what_the_doctor_proved_is_remembered_for_these_circumstances(airlock):
    def timeout_light():
        assert airlock.run("exec", "--lease", "runs=1", "-", input=b"1").returncode == 0
        return [p["result"] for p in probed(airlock)[-1]["probes"] if p["name"] == "timeout"]
    assert timeout_light() == ["UNPROVED"]
    assert airlock.run("doctor", "timeout").returncode == 0
    assert timeout_light() == ["PASS"]
    file = os.path.join(airlock.env["XDG_STATE_HOME"], "airlock", "doctor-local")
    with open(file) as f:
        text = f.read()
    with open(file, "w") as f:
        f.write(text.replace(" uid ", " of another kernel, uid "))
    assert timeout_light() == ["UNPROVED"]


def test_an_ordinary_user_s_own_walls_are_tried():
    """What root may open anywhere is no measure for anybody else: the walls hold for both, and doctor must find that."""
    root = os.geteuid() == 0
    home = tempfile.mkdtemp(prefix="airlock-user-")
    try:
        shutil.copy(BINARY, home)
        os.chmod(os.path.join(home, os.path.basename(BINARY)), 0o755)
        if root:
            os.chown(home, 65534, 65534)
        env = {"HOME": home, "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "TERM": "xterm-256color"}
        who = {"user": 65534, "group": 65534, "extra_groups": []} if root else {}
        done = subprocess.run([os.path.join(home, os.path.basename(BINARY)), "doctor", "-s", "e2b", "--json"], cwd=home, env=env,
                              stdin=subprocess.DEVNULL, capture_output=True, timeout=60, **who)
        said = [json.loads(line) for line in done.stdout.splitlines()]
        (landlock,) = [x for x in said if x.get("check") == "landlock"]
        assert landlock["result"] == "PASS" or not landlock["detail"].startswith("ABI"), landlock
    finally:
        shutil.rmtree(home)


def test_a_contract_is_a_file(airlock, tmp_path):
    printed = airlock.run("contract", "-c", "timeout_s=7", "-c", "pids=64")
    assert printed.returncode == 0 and b"timeout_s   = 7 " in printed.stdout
    file = tmp_path / "airlock.contract"
    file.write_bytes(printed.stdout)
    assert airlock.run("contract", "-c", str(file)).stdout == printed.stdout
    assert b"pids        = 8 " in airlock.run("contract", "-c", str(file), "-c", "pids=8").stdout  # the later one counts
    fields = {f["key"]: f for f in json.loads(airlock.run("contract", "-c", "timeout_s=7\npids=64", "--json").stdout)["fields"]}
    assert fields["timeout_s"] == {"key": "timeout_s", "value": "7", "how": "enforced", "why": ""} and len(fields) == 15
    done = airlock.run("exec", "-c", str(file), "--lease", "runs=1", "-", input=b"import time; time.sleep(60)")
    assert done.returncode == 124
    assert b"timeout_s   = 7 " in airlock.run("contract", "last").stdout
    file.write_text("cpu = 2\nbogus = 3\n")
    done = airlock.run("contract", "-c", str(file))
    assert done.returncode == 2 and b"line 2: contract key bogus is not known" in done.stderr


def test_strict_refuses_what_cannot_be_enforced(airlock):
    airlock.env["E2B_API_KEY"] = "e2b_" + "0" * 40
    done = airlock.run("contract", "-s", "e2b", "-c", "files.mount=/usr/share:ro")
    assert done.returncode == 4 and b"files.mount = /usr/share:ro" in done.stdout and b"# not enforceable: no directory" in done.stdout
    assert b"can't enforce files" in done.stderr and b"strict=no" in done.stderr
    assert json.loads(airlock.run("contract", "-s", "e2b", "-c", "files.mount=/usr/share:ro", "--json").stdout)["refused"]
    done = airlock.run("exec", "-s", "e2b", "-c", "files.mount=/usr/share:ro", "--lease", "runs=1", "-", input=b"1")
    assert done.returncode == 125 and b"can't enforce files" in done.stderr
    assert airlock.run("contract", "-s", "e2b", "-c", "files.mount=/usr/share:ro", "-c", "strict=no").returncode == 0


def test_the_machine_is_looked_over_and_each_lack_has_its_fix(airlock):
    done = airlock.run("doctor", "-s", "local", "--json")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    checks = {line["check"].strip(): line for line in lines if "check" in line}
    for name in ("kernel", "userns", "cgroup", "seccomp", "landlock", "sqlite", "curl", "openssl", "cjson", "ncurses", "bubblewrap", "terminal",
                 "locale", "config", "data", "state", "runtime", "space", "own walls", "local", "network", "files"):
        assert name in checks, name
    assert all(line["result"] == "PASS" or line.get("fix") for line in lines if "check" in line)
    assert "system call filter on" in checks["own walls"]["detail"] and "no core files" in checks["own walls"]["detail"]
    assert {line["probe"]: line["result"] for line in lines if "probe" in line} == dict.fromkeys(
        ("filesystem", "network", "process", "timeout", "state", "limits", "kill"), "PASS")
    airlock.env["LC_ALL"] = "C"
    lacks = airlock.run("doctor", "-s", "local", "kill").stdout, airlock.run("doctor", "-s", "e2b").stdout
    assert b"probe kill" in lacks[0] and b"export LC_ALL=C.UTF-8" in lacks[1] and b"no key for E2B" in lacks[1]
