#!/bin/sh
# hostile.sh - every payload of tests/hostile in a real local sandbox, as root and as an ordinary user, between two
# inventories of the host. TORTURE=quick: those that `make check` runs too.
set -u
[ "$TORTURE" = quick ] || export HOSTILE=full
out=$(mktemp) || exit 1
trap 'rm -f "$out"' EXIT
CMOCKA_MESSAGE_OUTPUT=TAP "$B/tests/contract/test_hostile" 2>&1 | tee "$out"
# cmocka says "not ok … # SKIP" of a test that was skipped.
echo "# count $(cat tests/hostile/*.payloads | grep -c '^===') payloads"
echo "# count $(grep -a '^ok ' "$out" | grep -avc '# SKIP') runs of a payload that did nothing to the host"
echo "# count $(grep -a '^not ok ' "$out" | grep -avc '# SKIP') runs that did"
! grep -a '^not ok ' "$out" | grep -aqv '# SKIP'
