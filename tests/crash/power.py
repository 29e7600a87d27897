"""power.py - the power fails at each write and sync of whole sessions. The shim keeps the sequence; from it the folder of sessions is
built as a disk may be found afterwards, and every session in it is opened, verified and compared with what had been acknowledged.

A file that was synced has these bytes; of what was written since, each write is there, not there, or torn at sectors of 512 or 4096
bytes, in any order. A name that was made, changed or removed is there or not until its folder was synced, each by itself."""
import json
import os
import random
import shutil
import struct
import subprocess
import sys

import harness
from harness import QUICK, count_line, remove, run_cases, world
from kill import SCENARIOS, start

RECORD = struct.Struct("=BBHIQ")
CHECK = os.path.join(os.path.dirname(harness.SHIM), "check_image")
LOSSES = ("nothing", "all unsynced", "some writes", "sectors of 512", "sectors of 4096", "names")
WRITERS = ("run", "resume", "rerun", "rename", "archive", "unarchive", "import")


class Inode:
    def __init__(self, data=b""):
        self.synced, self.ops = bytearray(data), []

    def sync(self):
        self.synced, self.ops = self.content("nothing", None), []

    def content(self, loss, pick):
        data = bytearray(self.synced)
        for op, at, p in self.ops if loss != "all unsynced" else ():
            if loss not in ("nothing", "names") and pick.random() < 1 / 3:
                continue
            if op == "T":
                data[at:] = bytes(max(0, at - len(data)))
                continue
            size = 512 if loss == "sectors of 512" else 4096 if loss == "sectors of 4096" else len(p)
            done = 0
            while done < len(p):
                n = min(size - (at + done) % size if size != len(p) else len(p), len(p) - done)
                if size == len(p) or pick.random() < 1 / 2:
                    if len(data) < at + done:
                        data.extend(bytes(at + done - len(data)))
                    data[at + done:at + done + n] = p[done:done + n]
                done += n
        return data


class Disk:
    """What the record says of the files below one folder."""

    def __init__(self, folder):
        self.now = {}
        for top, _, names in os.walk(folder):
            for name in names:
                path = os.path.join(top, name)
                with open(path, "rb") as f:
                    self.now[path] = Inode(f.read())
        self.synced = dict(self.now)

    def apply(self, op, path, at, p):
        if op == "C":
            self.now[path] = Inode()
        elif op in "WT" and path in self.now:
            self.now[path].ops.append((op, at, p))
        elif op == "S" and path in self.now:
            self.now[path].sync()
        elif op == "S":  # a folder
            here = [q for q in {**self.now, **self.synced} if os.path.dirname(q) == path]
            for q in here:
                self.synced.pop(q, None)
            self.synced.update({q: self.now[q] for q in here if q in self.now})
        elif op == "U":
            self.now.pop(path, None)
        elif op == "R" and path in self.now:
            self.now[p.decode()] = self.now.pop(path)
        elif op == "L" and path in self.now:
            self.now[p.decode()] = self.now[path]

    def image(self, folder, sessions, loss, pick):
        remove(folder)
        os.makedirs(folder, mode=0o700)
        for path in {**self.now, **self.synced}:
            if os.path.dirname(path) != sessions:
                continue
            there = self.now if loss == "nothing" or pick.random() < 1 / 2 else self.synced
            if path in there:
                fd = os.open(os.path.join(folder, os.path.basename(path)), os.O_WRONLY | os.O_CREAT, 0o600)
                os.write(fd, there[path].content(loss, pick))
                os.close(fd)


def read_log(path):
    with open(path, "rb") as f:
        data = f.read()
    at = 0
    while at < len(data):
        op, _, path_len, length, offset = RECORD.unpack_from(data, at)
        at += RECORD.size
        yield chr(op), data[at:at + path_len].decode(), offset, data[at + path_len:at + path_len + length]
        at += path_len + length


class Checker:
    def __init__(self):
        self.child = subprocess.Popen([CHECK], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, path, seq):
        self.child.stdin.write("%s %d\n" % (path, seq))
        self.child.stdin.flush()
        return self.child.stdout.readline().split(" ", 2)

    def close(self):
        self.child.stdin.close()
        self.child.wait()


def judge(checker, folder, acked, chains, problems, where):
    """Every session of which something was acknowledged, and every one that is there."""
    there = {n.split(".")[0] for n in os.listdir(folder) if n.endswith((".db", ".db.gz"))}
    for session in sorted(there | set(acked)):
        seq = acked.get(session, 0)
        answer = checker.ask("%s/%s.db" % (folder, session), seq)
        if answer[0] == "ok" and int(answer[1]) >= seq and (seq == 0 or answer[2].strip() == chains[session, seq]):
            continue
        if answer[0].strip() == "missing" and seq == 0:
            continue
        problems.append("%s: %s, %d acknowledged: %s" % (where, session, seq, " ".join(answer).strip()))


def chains_of(w, checker, wanted):
    """The chain of the finished sessions after each acknowledged event, from a copy."""
    folder = os.path.join(w.root, "whole")
    remove(folder)
    shutil.copytree(w.sessions, folder)
    return {(s, n): checker.ask("%s/%s.db" % (folder, s), n)[2].strip() for s, n in wanted if n}


def power_case(name, seed, deaf=False):
    """`deaf`: as if no sync had been asked for; then much must be lost, or this test sees nothing."""
    w = world()
    log, folder = os.path.join(w.root, "log"), os.path.join(w.root, "image")
    if os.path.exists(log):
        os.unlink(log)
    pick, problems, images, cuts = random.Random(seed), [], 0, 0
    begin = {}

    def remember():  # the files as they were before the program began
        begin["disk"] = Disk(w.home)
    r, every, _ = start(w, name, before_run=remember, shim={"ops": "", "log": log, "dir": w.home})
    printed = [e["seq"] for e in r.lines()]
    acked = {}
    for e in every[:len(every) - len(printed)]:
        acked[e["session"]] = max(acked.get(e["session"], 0), e["seq"])
    end = {n.split(".")[0]: 0 for n in os.listdir(w.sessions) if n.endswith((".db", ".db.gz"))}
    for session in end:
        end[session] = w.run("show", "--json", session).lines()[-1]["seq"]
    wanted = set(end.items()) | set(acked.items()) | {(e["session"], e["seq"]) for e in r.lines()}
    disk, checker, pending = begin["disk"], Checker(), b""
    chains = chains_of(w, checker, wanted)
    for number, (op, path, at, p) in enumerate(read_log(log)):
        if op == "A":
            *whole, pending = (pending + p).split(b"\n")
            for line in whole:
                e = json.loads(line) if line.startswith(b'{"seq":') else {}
                if e:
                    acked[e["session"]] = max(acked.get(e["session"], 0), e["seq"])
        elif op in "CWTSURL":
            if op != "S" or not deaf:
                disk.apply(op, path, at, p)
        else:
            continue
        if op != "A" and not path.startswith(w.sessions) and w.sessions.encode() not in p:
            continue
        cuts += 1
        if QUICK and cuts % 9 != 0:
            continue
        for loss in LOSSES:
            disk.image(folder, w.sessions, loss, pick)
            judge(checker, folder, acked, chains, problems, "after step %d (%s %s), %s lost" % (number, op, path[-30:], loss))
            images += 1
    for loss in LOSSES * 4 if r.status == 0 else ():  # exit 0 acknowledges all of it
        disk.image(folder, w.sessions, loss, pick)
        judge(checker, folder, end, chains, problems, "at the end, %s lost" % loss)
        images += 1
    checker.close()
    if deaf:
        return "control: %s without its syncs loses what was acknowledged" % name, [] if problems else ["nothing seen"], {}
    return "%s: %d cuts, %d images (seed %d)" % (name, cuts, images, seed), problems[:12], {
        "images of a power cut": images, "images that lost something acknowledged": len(problems)}


def main():
    if not harness.can_run():
        return 0
    todo = [(power_case, (name, seed)) for seed in range(1 if QUICK else 3) for name in (WRITERS[:1] + WRITERS[4:5] if QUICK else WRITERS)]
    sums, failed = run_cases(todo + [(power_case, ("rename", 0, True))])
    for what in ("images of a power cut", "images that lost something acknowledged"):
        count_line(sums.get(what, 0), what)
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
