#!/bin/sh
# coverage.sh LINES BRANCHES CORE - what `tests/run.sh coverage` went through: a table of the worst files, the whole, and the
# modules that decide (cleaning of text, capsule and gate, store). Exits 1 below one of the three percentages. Branches of
# assertions (INVARIANT: they end the program, on purpose) are not counted; nothing else is left out.
set -u
cd "$(dirname "$0")/.." || exit 1
lines=$1 branches=$2 core=$3 b=build/cov
core_files='^(ui/text[a-z_]*\.c|src/tool/capsule[a-z_]*\.c|src/tool/gate[a-z_]*\.c|sessions/store[a-z_]*\.c)$'
gcovr --root . --object-directory "$b" --filter '(src|ui|sessions|providers)/' --exclude 'providers/guest/' \
    --exclude-branches-by-pattern '.*INVARIANT\(.*' --gcov-ignore-parse-errors --json-summary "$b/coverage.json" \
    --html-details "$b/coverage.html" >/dev/null 2>"$b/gcovr.log" || { tail -20 "$b/gcovr.log"; exit 1; }
"${PYTHON:-/usr/bin/python3}" - "$b/coverage.json" "$lines" "$branches" "$core" "$core_files" <<'END'
import json, re, sys

data = json.load(open(sys.argv[1]))
goals = [float(g) for g in sys.argv[2:5]]
core = re.compile(sys.argv[5])
files = data["files"]


def total(rows, kind):
    had = sum(f[kind + "_covered"] for f in rows)
    of = sum(f[kind + "_total"] for f in rows)
    return 100.0 * had / of if of else 100.0


def row(name, lines, branches):
    print("%-42s %7.1f %9.1f" % (name, lines, branches))


print("%-42s %7s %9s" % ("", "lines %", "branches %"))
worst = sorted(files, key=lambda f: f["branch_total"] - f["branch_covered"], reverse=True)[:25]
for f in worst:
    row(f["filename"], total([f], "line"), total([f], "branch"))
print()
for f in sorted((f for f in files if core.match(f["filename"])), key=lambda f: f["filename"]):
    row(f["filename"], total([f], "line"), total([f], "branch"))
mine = [f for f in files if core.match(f["filename"])]
got = [total(files, "line"), total(files, "branch"), total(mine, "branch")]
print()
row("the modules that decide", total(mine, "line"), got[2])
row("all", got[0], got[1])
names = ["lines of everything", "branches of everything", "branches of the modules that decide"]
bad = [i for i in range(3) if got[i] < goals[i]]
for i in bad:
    print("below the goal: %s %.1f %% of %.0f %%" % (names[i], got[i], goals[i]))
sys.exit(1 if bad else 0)
END
