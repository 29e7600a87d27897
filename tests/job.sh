#!/bin/sh
# job.sh OUT KIND PROGRAM - one test program for run.sh: its report on stdout in one piece, its counts as a line
# `passed failed skipped` in OUT/counts. KIND is tap (cmocka), fuzz (from the seeds) or py (pytest on $AIRLOCK).
set -u
out=$(mktemp -d "$1/job.XXXXXX") || exit 1
counts=$1/counts kind=$2 t=$3
p=0 f=0 s=0

report_tap() {
    timeout 300 "$t" >"$out/tap" 2>"$out/err"
    rc=$?
    # cmocka says "not ok … # SKIP" of a test that was skipped.
    s=$(grep -cE '^(not )?ok .*# SKIP' "$out/tap")
    p=$(grep '^ok ' "$out/tap" | grep -vc '# SKIP')
    f=$(grep '^not ok ' "$out/tap" | grep -vc '# SKIP')
    if [ $rc -ne 0 ] && [ "$f" -eq 0 ]; then
        f=1 # it died, or a sanitizer spoke
    fi
    if [ "$f" -gt 0 ]; then
        echo "FAILED  $t (exit $rc): $p passed, $f failed"
        grep -A4 '^not ok ' "$out/tap" | grep -v '# SKIP' | head -60
        tail -40 "$out/err"
    else
        echo "ok      $t: $p passed$([ "$s" -gt 0 ] && echo ", $s SKIPPED")"
        [ "$s" -gt 0 ] && sed -n 's/.*# SKIP /        SKIP /p' "$out/tap" | sort | uniq -c | sed 's/^ *\([0-9]*\) \( *SKIP.*\)/\2 (\1)/'
    fi
}

# Every seed, and mutations from a fixed beginning: coverage-guided fuzzing is `make fuzz`.
report_fuzz() {
    name=${t##*/fuzz_}
    count=${FUZZ_COUNT:-20000}
    if timeout 120 "$t" "tests/fuzz/corpus/$name.seeds" "$count" >"$out/tap" 2>"$out/err"; then
        p=1
        echo "ok      fuzz $name: $(cat "$out/tap")"
    else
        f=1
        # Once more the same way, each input kept before it is tried.
        timeout 300 "$t" "tests/fuzz/corpus/$name.seeds" "$count" "build/fuzz-$name.input" >/dev/null 2>&1
        echo "FAILED  fuzz $name: the input is build/fuzz-$name.input (run it: $t -one build/fuzz-$name.input)"
        tail -40 "$out/err"
    fi
}

number() { # word
    n=$(echo "$line" | sed -n "s/.*\b\([0-9][0-9]*\) $1.*/\1/p")
    echo "${n:-0}"
}

report_py() {
    "${PYTHON:-/usr/bin/python3}" -m pytest -q -rs -p no:cacheprovider "$t" >"$out/py" 2>&1
    rc=$?
    line=$(tail -1 "$out/py")
    p=$(number passed) s=$(number skipped) f=$(($(number failed) + $(number 'errors\{0,1\}')))
    [ $rc -ne 0 ] && [ "$f" -eq 0 ] && f=1
    if [ "$f" -gt 0 ]; then
        echo "FAILED  $t: $line"
        tail -120 "$out/py"
    else
        echo "ok      $t: $line"
        grep '^SKIPPED' "$out/py"
    fi
}

"report_$kind" >"$out/report"
cat "$out/report"
echo "$p $f $s" >>"$counts"
rm -rf "$out"
