#!/bin/sh
# gate.sh - the approval gate: random keys, pastes, reports, signals and stalls on the real screen with a clock of ours
# (tests/gate/runs.c), a million gates in two halves; faults put in on purpose, which must be found out; then scenarios with
# the whole program on a pty (tests/gate/scenarios.py).
set -u
half=500000 bad=0
[ "$TORTURE" = quick ] && half=2000
"$B/tests/gate/gate_runs" $half 1 >"$B/torture/gate.1" &
"$B/tests/gate/gate_runs" $half 1000000001 >"$B/torture/gate.2" || bad=1
wait $! || bad=1
"$PYTHON" tests/gate/scenarios.py "$TORTURE" >"$B/torture/gate.3" || bad=1
cat "$B/torture/gate.3"
cat "$B/torture/gate.1" "$B/torture/gate.2"
cat "$B/torture/gate.1" "$B/torture/gate.2" | awk '
    $1 == "#" && $3 == "runs," { runs += $2; keys += $4; noise += $6; frames += $10; approvals += $12 }
    / random runs: / { wrong += $7 }
    END {
        printf "# count %d gates under random keys\n# count %d key presses and %d pieces of other input\n", runs, keys, noise
        printf "# count %d frames looked at\n# count %d approvals that a person gave\n# count %d approvals that none gave\n", \
            frames, approvals, wrong
    }'
exit $bad
