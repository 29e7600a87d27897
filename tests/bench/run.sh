#!/bin/sh
# run.sh [--json FILE] [NAME...] - measure the program beside floors and peers; see bench.h for the lines and the variables.
# NAME: append ingest open fold replay search diff-1pct diff-worst key start rss frame cell kernel-start gate sse sse-many sse-burst sse-screen flood flood-rss flood-tty flood-key e2b e2b-flood.
# Ends with `N passed, N failed, N skipped`; exits 1 when something failed.
set -u
cd "$(dirname "$0")/../.." || exit 1
make=${MAKE:-make}
b=${B:-build}
json=
if [ "${1:-}" = --json ]; then
    json=${2:?--json needs a FILE}
    shift 2
fi

# Each NAME is measured by one of these programs.
programs="append ingest open fold replay search diff cell key frame start sse sse_screen flood flood_key e2b"
if [ $# -gt 0 ]; then
    programs=
    for name in "$@"; do
        case $name in
        append-group) p=append ;;
        diff-1pct | diff-worst) p='diff' ;;
        rss) p=start ;;
        kernel-start | gate) p=cell ;;
        sse-many | sse-burst) p=sse ;;
        sse-screen) p=sse_screen ;;
        flood-rss | flood-tty) p=flood ;;
        flood-key) p=flood_key ;;
        e2b-flood) p=e2b ;;
        append | ingest | open | fold | replay | search | diff | cell | key | frame | start | sse | flood | e2b) p=$name ;;
        *)
            echo "bench: no scenario '$name'" >&2
            exit 2
            ;;
        esac
        case " $programs " in *" $p "*) ;; *) programs="$programs $p" ;; esac
    done
fi

set -- "$b/airlock"
for f in tests/bench/floor_*.c; do
    f=${f%.c}
    set -- "$@" "$b/$f"
done
for p in $programs; do
    set -- "$@" "$b/tests/bench/bench_$p"
done
$make -s -j2 B="$b" "$@" || exit 1

out=$(mktemp -d "${TMPDIR:-/tmp}/airlock-bench.XXXXXX") || exit 1
trap 'rm -rf "$out"' EXIT
trap 'exit 130' INT TERM
mkdir "$out/tmp"
export TMPDIR="$out/tmp" LC_ALL=C.UTF-8
unset AIRLOCK_DATA_DIR AIRLOCK_CONFIG NO_COLOR ACCESSIBLE
BENCH_JSON=
if [ -n "$json" ]; then
    : >"$json" || exit 1
    BENCH_JSON=$(realpath "$json")
fi
export BENCH_JSON

cores=$(nproc)
load=$(cut -d' ' -f1 /proc/loadavg)
echo "# $(uname -sr), $cores cores, load $load, $([ "${BENCH_FULL:-}" = 1 ] && echo full || echo 1/8) size; p50/p95/max"
awk -v l="$load" -v c="$cores" 'BEGIN { exit !(l > c) }' && echo "# others are at work here: times suffer, ratios less"
printf '%-18s %-26s %8s %6s  %-16s %6s  %-24s\n' name ours floor ratio peer ratio goal

for p in $programs; do
    timeout -k 5 600 "$b/tests/bench/bench_$p" >"$out/one" 2>"$out/err"
    rc=$?
    cat "$out/one"
    if [ $rc -ne 0 ] && ! grep -q ' FAIL$' "$out/one"; then
        echo "bench_$p ended with $rc  FAIL" | tee -a "$out/one"
    fi
    # What went wrong, without the screen that a harness shows.
    [ $rc -ne 0 ] && grep -v '^ *$' "$out/err" | tail -3 | cut -c1-160 | sed 's/^/#   /'
    cat "$out/one" >>"$out/all"
    rm -rf "$out/tmp" && mkdir "$out/tmp"
done
passed=$(grep -cE ' PASS( within noise)?$' "$out/all")
failed=$(grep -c ' FAIL$' "$out/all")
skipped=$(grep -c ' SKIP$' "$out/all")
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
