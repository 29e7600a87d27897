#!/bin/sh
# lint.sh - what compilers and checkers say beyond the build: the arrows of the house, the layout, clang's warnings,
# gcc -fanalyzer, clang-tidy, cppcheck, shellcheck, mandoc, codespell. Prints what it finds; exits 1 when there was something.
set -u
cd "$(dirname "$0")/.." || exit 1
bad=0
mkdir -p build
need() { command -v "$1" >/dev/null 2>&1 || { echo "lint: $1 is not installed: skipped"; return 1; }; }
fail() {
    echo "lint: $1"
    bad=1
}

files=$(git ls-files '*.c' '*.h')

# 1. arrows point down only (share/doc/ARCHITECTURE.md)
up() { # folder, prefixes that are above it
    git grep -nE "^#include \"($2)/" -- "$1/*.c" "$1/*.h"
}
if up src/base '(\.\./)*(ui|sessions|providers|src|tool|cli)' || up sessions '(\.\./)*(ui|providers|src|tool|cli)' ||
    up providers '(\.\./)*(ui|sessions|src|tool|cli)' || up src/tool '(\.\./)*(ui|src|cli)' || up ui '(providers/sandboxes|providers/planners|cli)'; then
    fail "an include points up the house"
fi

# 2. calls that never check a length, or start a shell
if git grep -nwE 'strcpy|strcat|sprintf|vsprintf|strtok|atoi|atol|gets|system|popen|tmpnam|mktemp' -- '*.c' ':!tests' |
    grep -vE '^[^:]*:[0-9]+: *(/?\*|//)' | grep -vE '"[^"]*\b(system|popen|gets)\b[^"]*"' | grep -v 'review'; then
    fail "a banned call"
fi

# 3. layout
if need clang-format; then
    for f in $files; do
        clang-format --dry-run -Werror "$f" >/dev/null 2>&1 || fail "$f is not laid out by .clang-format (clang-format -i $f)"
    done
fi

# 4. the other compiler
if need clang; then
    make -s -j2 B=build/lint-clang CC=clang all >build/lint.log 2>&1 || {
        cat build/lint.log
        fail "clang"
    }
fi

# 5. static analysis
make -s -j2 B=build/lint-analyzer CFLAGS='-O1 -fanalyzer -Wno-error -Wno-analyzer-malloc-leak -Wno-analyzer-fd-leak' all \
    >build/lint.log 2>&1
grep -E 'warning: .*\[-W|error:' build/lint.log && fail "gcc -fanalyzer"
if need cppcheck; then
    # shellcheck disable=SC2046
    cppcheck -q --std=c11 --inline-suppr --enable=warning,performance,portability --error-exitcode=1 -j2 \
        --suppress=missingIncludeSystem --suppress=normalCheckLevelMaxBranches -I. -Isrc -DAIRLOCK_VERSION='""' \
        $(git ls-files '*.c' ':!tests') || fail "cppcheck"
fi
tidy_checks='-*,bugprone-*,-bugprone-easily-swappable-parameters,-bugprone-reserved-identifier'
tidy_checks="$tidy_checks,-bugprone-assignment-in-if-condition,-bugprone-implicit-widening-of-multiplication-result"
tidy_checks="$tidy_checks,-bugprone-narrowing-conversions,-bugprone-branch-clone,-bugprone-suspicious-include,cert-err34-c"
tidy_checks="$tidy_checks,clang-analyzer-*,-clang-analyzer-security.insecureAPI.DeprecatedOrUnsafeBufferHandling"
if need clang-tidy; then
    # One file a call: clang-tidy 14 sees uninitialised va_lists where it read another file before.
    # shellcheck disable=SC2046
    git ls-files '*.c' ':!tests' | xargs -P2 -I{} clang-tidy --quiet --checks="$tidy_checks" {} -- -std=c11 -D_GNU_SOURCE \
        -I. -Isrc '-DAIRLOCK_VERSION=""' $(pkg-config --cflags ncursesw) >build/tidy.log 2>/dev/null
    if grep -E '(warning|error):' build/tidy.log | sort -u | head -60 | grep .; then
        fail "clang-tidy"
    fi
fi

# 6. scripts, man page, prose
if need shellcheck; then
    # shellcheck disable=SC2046
    shellcheck $(git ls-files '*.sh' ':!share/kernels') .ci/run || fail "shellcheck"
fi
if need mandoc && [ -f share/man/airlock.1 ]; then
    mandoc -T lint -W warning share/man/airlock.1 || fail "mandoc"
fi
if need codespell; then
    # shellcheck disable=SC2046
    codespell -q 3 -L 'doas,tiemout,nin,guage,reenable,sesions,nulll,ans,fo,te,nd,crate,ser,ot,hist,inout,ue,fpr,ligh,nown,othe,shwo' $(git ls-files ':!share/runbooks/data' ':!tests/golden' ':!tests/fuzz' ':!LICENSE') || fail "codespell"
fi
[ $bad -eq 0 ] && echo "lint: clean"
exit $bad
