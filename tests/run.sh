#!/bin/sh
# run.sh [golden] - every test there is: a normal and a sanitised build, the cmocka programs of both, the whole-program
# tests. Prints one line per program and a closing `N passed, N failed, N skipped`; exits 1 when something failed.
set -u
cd "$(dirname "$0")/.." || exit 1
only=${1:-}
make=${MAKE:-make}
python=${PYTHON:-/usr/bin/python3}
out=$(mktemp -d "${TMPDIR:-/tmp}/airlock-check.XXXXXX") || exit 1
trap 'rm -rf "$out"' EXIT
passed=0 failed=0 skipped=0

export CMOCKA_MESSAGE_OUTPUT=TAP
export ASAN_OPTIONS=detect_leaks=1:abort_on_error=0 UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
# The tests bring their own home; nothing of the user's is read or written.
export HOME="$out/home" XDG_CONFIG_HOME="$out/home/.config" XDG_DATA_HOME="$out/home/.local/share"
export XDG_STATE_HOME="$out/home/.local/state" XDG_RUNTIME_DIR="$out/home/run"
mkdir -p "$HOME" "$XDG_RUNTIME_DIR"
chmod 700 "$HOME" "$XDG_RUNTIME_DIR"
# A fork bomb that no sandbox holds must end on its own. (Binds everybody but root, whose sandboxes are not root either.)
# shellcheck disable=SC3045
ulimit -u 4000 2>/dev/null || ulimit -p 4000 2>/dev/null || true
unset AIRLOCK_DATA_DIR AIRLOCK_CONFIG NO_COLOR ACCESSIBLE

build() { # dir, extra variables...
    b=$1
    shift
    if ! $make -s -j2 B="$b" "$@" all units >"$out/build" 2>&1; then
        cat "$out/build"
        echo "FAILED  the build in $b"
        echo "0 passed, 1 failed"
        exit 1
    fi
}

run_tap() { # program
    timeout 300 "$1" >"$out/tap" 2>"$out/err"
    rc=$?
    # cmocka says "not ok … # SKIP" of a test that was skipped.
    s=$(grep -cE '^(not )?ok .*# SKIP' "$out/tap")
    p=$(grep '^ok ' "$out/tap" | grep -vc '# SKIP')
    f=$(grep '^not ok ' "$out/tap" | grep -vc '# SKIP')
    if [ $rc -ne 0 ] && [ "$f" -eq 0 ]; then
        f=1 # it died, or a sanitizer spoke
    fi
    passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
    if [ "$f" -gt 0 ]; then
        echo "FAILED  $1 (exit $rc): $p passed, $f failed"
        grep -A4 '^not ok ' "$out/tap" | grep -v '# SKIP' | head -60
        tail -40 "$out/err"
    else
        echo "ok      $1: $p passed$([ "$s" -gt 0 ] && echo ", $s SKIPPED")"
        [ "$s" -gt 0 ] && grep '# SKIP' "$out/tap" | sed 's/^/        /'
    fi
}

run_all() { # dir
    for t in "$1"/tests/unit/test_* "$1"/tests/golden/test_* "$1"/tests/contract/test_*; do
        [ -x "$t" ] || continue
        case $t in *.d | *.o) continue ;; esac
        case $only in golden) case $t in */golden/*) ;; *) continue ;; esac ;; esac
        run_tap "$t"
    done
}

# Every seed, and mutations from a fixed beginning: coverage-guided fuzzing is `make fuzz`.
run_fuzzers() { # dir
    for t in "$1"/tests/fuzz/fuzz_*; do
        [ -x "$t" ] || continue
        name=$(basename "$t" | sed 's/^fuzz_//')
        if timeout 120 "$t" "tests/fuzz/corpus/$name.seeds" "${FUZZ_COUNT:-20000}" >"$out/tap" 2>"$out/err"; then
            passed=$((passed + 1))
            echo "ok      fuzz $name: $(cat "$out/tap")"
        else
            failed=$((failed + 1))
            # Once more the same way, each input kept before it is tried.
            timeout 300 "$t" "tests/fuzz/corpus/$name.seeds" "${FUZZ_COUNT:-20000}" "build/fuzz-$name.input" >/dev/null 2>&1
            echo "FAILED  fuzz $name: the input is build/fuzz-$name.input (run it: $t -one build/fuzz-$name.input)"
            tail -40 "$out/err"
        fi
    done
}

run_pytest() { # dir
    ls tests/tui/test_*.py >/dev/null 2>&1 || return 0
    AIRLOCK="$PWD/$1/airlock" "$python" -m pytest -q -rs -p no:cacheprovider tests/tui >"$out/py" 2>&1
    rc=$?
    line=$(tail -1 "$out/py")
    p=$(echo "$line" | sed -n 's/.*\b\([0-9][0-9]*\) passed.*/\1/p')
    f=$(echo "$line" | sed -n 's/.*\b\([0-9][0-9]*\) failed.*/\1/p')
    x=$(echo "$line" | sed -n 's/.*\b\([0-9][0-9]*\) errors\{0,1\}.*/\1/p')
    s=$(echo "$line" | sed -n 's/.*\b\([0-9][0-9]*\) skipped.*/\1/p')
    f=$((${f:-0} + ${x:-0}))
    [ $rc -ne 0 ] && [ "$f" -eq 0 ] && f=1
    passed=$((passed + ${p:-0})) failed=$((failed + f)) skipped=$((skipped + ${s:-0}))
    if [ "$f" -gt 0 ]; then
        echo "FAILED  whole program: $line"
        tail -120 "$out/py"
    else
        echo "ok      whole program ($1): $line"
        grep '^SKIPPED' "$out/py"
    fi
}

build build
run_all build
if [ "$only" != golden ]; then
    run_pytest build
    build build/san SAN=1 fuzzers
    run_all build/san
    run_fuzzers build/san
fi
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
