#!/bin/sh
# run.sh [CATEGORY...] - what a careful person wants to see tried, category by category (tests/torture/NAME.sh, all of them
# when none is named). TORTURE=quick takes a sample of each. A category prints TAP (`ok`, `not ok`, `# SKIP`) and figures as
# `# count N WHAT`; its whole report is kept in build/torture/NAME.tap. Ends in `N passed, N failed, N skipped`; exits 1 when
# something failed.
set -u
cd "$(dirname "$0")/../.." || exit 1
make=${MAKE:-make}
export TORTURE="${TORTURE:-full}" B="${B:-build}" PYTHON="${PYTHON:-/usr/bin/python3}"
export AIRLOCK="${AIRLOCK:-$PWD/$B/airlock}"
reports=$B/torture
mkdir -p "$reports"

if ! $make -s -j2 B="$B" all units torture-tools >"$reports/build.log" 2>&1; then
    cat "$reports/build.log"
    echo "0 passed, 1 failed, 0 skipped"
    exit 1
fi

passed=0 failed=0 skipped=0
run_category() { # name
    report=$reports/$1.tap
    began=$(date +%s)
    sh "tests/torture/$1.sh" >"$report" 2>"$report.err"
    rc=$?
    p=$(grep '^ok ' "$report" | grep -vc '# SKIP')
    f=$(grep '^not ok ' "$report" | grep -vc '# SKIP')
    s=$(grep -cE '^(not )?ok .*# SKIP' "$report")
    if [ "$f" -eq 0 ] && { [ $rc -ne 0 ] || [ $((p + s)) -eq 0 ]; }; then
        f=1 # it died, or tried nothing
        tail -20 "$report.err"
    fi
    printf '%-10s %d passed, %d failed, %d skipped (%d s)\n' "$1" "$p" "$f" "$s" $(($(date +%s) - began))
    sed -n 's/^# count /           /p' "$report"
    grep -A6 '^not ok ' "$report" | grep -v '# SKIP' | head -40
    sed -n 's/^.*# SKIP /           SKIP /p' "$report" | sort | uniq -c
    passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
}

if [ $# -eq 0 ]; then
    for c in tests/torture/*.sh; do
        c=${c##*/}
        [ "$c" = run.sh ] || set -- "$@" "${c%.sh}"
    done
fi
for c in "$@"; do
    run_category "$c"
done
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
