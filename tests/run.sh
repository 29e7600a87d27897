#!/bin/sh
# run.sh [golden|coverage] - every test there is: a normal and a sanitised build, the cmocka programs of both, the whole-program
# tests, the fuzz targets; four at a time, most of them wait rather than work. Prints a report of each program (job.sh) and a
# closing `N passed, N failed, N skipped`; exits 1 when something failed. `coverage` runs them once, in build/cov, and counts what
# every process goes through, however it ends (coverage/counts.c).
set -u
cd "$(dirname "$0")/.." || exit 1
only=${1:-}
make=${MAKE:-make}
out=$(mktemp -d "${TMPDIR:-/tmp}/airlock-check.XXXXXX") || exit 1
trap 'rm -rf "$out"' EXIT

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
        echo "0 passed, 1 failed, 0 skipped"
        exit 1
    fi
}

list() { # kind, files...
    kind=$1
    shift
    for t in "$@"; do
        case $t in *.d | *.o | *.counts | *.gcda | *.gcno) continue ;; esac
        [ -f "$t" ] && echo "$kind $t"
    done
}

if [ "$only" = coverage ]; then
    [ -f build/cov/counts.o ] || rm -rf build/cov # built without the counters' file
    mkdir -p build/cov
    ${CC:-cc} -std=c11 -D_GNU_SOURCE -g -O1 -fPIE -Wall -Wextra -Werror -c -o build/cov/counts.o tests/coverage/counts.c || exit 1
    build build/cov torture-tools fuzzers CPPFLAGS= \
        CFLAGS="-g -O0 --coverage -fprofile-update=atomic -fdata-sections -fno-builtin-fork$(printf ' -fno-builtin-exec%s' l le lp v ve vp)" \
        LDFLAGS='--coverage build/cov/counts.o -Wl,-T,tests/coverage/counts.ld -Wl,--wrap=__gcov_exit'
    export AIRLOCK="$PWD/build/cov/airlock" TORTURE=quick B=build/cov PYTHON="${PYTHON:-/usr/bin/python3}" FUZZ_COUNT="${FUZZ_COUNT:-3000}"
    {
        list py tests/tui/test_*.py
        list tap tests/torture/kill.sh tests/torture/faults.sh tests/torture/memory.sh tests/torture/power.sh
        list tap build/cov/tests/contract/test_* build/cov/tests/unit/test_* build/cov/tests/golden/test_* build/cov/tests/gate/gate_runs
        list fuzz build/cov/tests/fuzz/fuzz_*
    } >"$out/jobs"
    programs="build/cov/airlock build/cov/tests/crash/check_image $(awk '$1 != "py" && !/\.sh$/ { print $2 }' "$out/jobs")"
    find build/cov -name '*.gcda' -delete
    for t in $programs; do : >"$t.counts"; done
elif [ "$only" = golden ]; then
    build build
    list tap build/tests/golden/test_* >"$out/jobs"
else
    build build torture-tools
    build build/san SAN=1 fuzzers
    # Of `make torture` a sample.
    export AIRLOCK="$PWD/build/airlock" TORTURE=quick B=build PYTHON="${PYTHON:-/usr/bin/python3}"
    {
        list py tests/tui/test_*.py
        list tap tests/torture/kill.sh tests/torture/faults.sh tests/torture/memory.sh tests/torture/power.sh
        list tap build/tests/contract/test_* build/san/tests/contract/test_* build/tests/gate/gate_runs build/san/tests/gate/gate_runs
        list tap build/tests/unit/test_* build/tests/golden/test_* build/san/tests/unit/test_* build/san/tests/golden/test_*
        list fuzz build/san/tests/fuzz/fuzz_*
    } >"$out/jobs"
fi
: >"$out/counts"
xargs -P4 -L1 sh tests/job.sh "$out" <"$out/jobs"
for t in ${programs:-}; do COUNTS_INTO_GCDA=1 "$t"; done
# The key of the tests (tests/tui/conftest.py) in anything that was left in their home.
if grep -rlsF 'sk-ant-test-0123456789' "$out/home"; then
    echo "FAILED  a test left a key behind"
    echo "0 1 0" >>"$out/counts"
fi
awk -v jobs="$(wc -l <"$out/jobs")" '{ p += $1; f += $2; s += $3 }
    END { if (NR < jobs) f += jobs - NR; printf "%d passed, %d failed, %d skipped\n", p, f, s; exit f > 0 }' "$out/counts"
