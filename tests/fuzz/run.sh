#!/bin/sh
# run.sh [NAME...] - coverage-guided fuzzing of every target (or those named) with clang's libFuzzer, FUZZ_SECONDS each
# (60). What it finds is written to build/fuzz/NAME/; `make check` runs the same targets from their seeds without it.
set -u
cd "$(dirname "$0")/../.." || exit 1
command -v clang >/dev/null 2>&1 || { echo "fuzz: clang is not installed; fix: apt-get install clang libclang-rt-14-dev"; exit 3; }
b=build/fuzz seconds=${FUZZ_SECONDS:-60} bad=0
flags='-g -O1 -fno-omit-frame-pointer -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined'
if [ $# -eq 0 ]; then
    for f in tests/fuzz/fuzz_*.c; do
        f=${f##*/fuzz_}
        set -- "$@" "${f%.c}"
    done
fi
# The guest and the data files are built as ever; only the library is instrumented.
${MAKE:-make} -s -j2 B=$b CC=clang SAN=1 CFLAGS="$flags" LDFLAGS='-fsanitize=address,undefined' $b/libairlock.a || exit 1
# shellcheck disable=SC2046,SC2059
${MAKE:-make} -s -j2 B=$b CC=clang SAN=1 CFLAGS="$flags" LDFLAGS='-fsanitize=address,undefined' $(printf "$b/tests/fuzz/fuzz_%s " "$@") || exit 1
# shellcheck disable=SC2046
libs="$(pkg-config --libs $(sed -n 's/^PKGS *:= *//p' Makefile)) -lm"
for name in "$@"; do
    mkdir -p "$b/$name/corpus"
    # shellcheck disable=SC2086
    clang -std=c11 -D_GNU_SOURCE -I. -Isrc $flags -fsanitize=fuzzer,address,undefined -o "$b/$name/fuzz" "tests/fuzz/fuzz_$name.c" \
        $b/libairlock.a $libs || exit 1
    "$b/tests/fuzz/fuzz_$name" -split "tests/fuzz/corpus/$name.seeds" "$b/$name/corpus" || exit 1
    if "$b/$name/fuzz" -max_total_time="$seconds" -max_len=8192 -timeout=10 -print_final_stats=1 \
        -artifact_prefix="$b/$name/" "$b/$name/corpus" >"$b/$name/log" 2>&1; then
        echo "ok      $name: $(sed -n 's/.*number_of_executed_units: */executed /p' "$b/$name/log")"
    else
        echo "FOUND   $name: see $b/$name/log"
        tail -5 "$b/$name/log"
        bad=1
    fi
done
exit $bad
