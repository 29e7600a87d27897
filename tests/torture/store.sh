#!/bin/sh
# store.sh - the session file alone: killed in the middle of commits, every write failing in turn, power cuts, damage to
# each kind of row and page. The cases are those of `make check`, with more rounds of power cuts.
set -u
export CMOCKA_MESSAGE_OUTPUT=TAP STORE_CRASH_ROUNDS=8
[ "$TORTURE" = quick ] && STORE_CRASH_ROUNDS=1
bad=0
for t in crash faults damage; do
    "$B/tests/unit/test_store_$t" || bad=1
done >"$B/torture/store.out"
cat "$B/torture/store.out"
awk '/calls failed in turn/ { calls += $1 } /images of a power cut/ { images += $1 }
    END { printf "# count %d system calls of the store failed in turn\n# count %d images of a power cut\n", calls, images }' \
    "$B/torture/store.out"
exit $bad
