#!/bin/sh
# test.sh [gcc|clang]...: installs what is missing, builds, runs the whole suite
# with gcc and again with clang under the address and undefined-behaviour
# sanitizers (or only the ones named). The last line is
#   N passed, N failed, N skipped
# in total; what was skipped, and why, is listed above it. FLEXC_BUILD_ROOT
# holds the builds (default build-test/).
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/scripts/lib.sh"
builds=${FLEXC_BUILD_ROOT:-$root/build-test}

passed=0
failed=0
skipped=0

# Reads CTest's log of all tests: a line "TEST: REASON" for each that says
# "skipped: REASON", also for parts of a test program.
skip_reasons() {
    awk '/^[0-9]+\/[0-9]+ Test: / { name = $3 }
        /^skipped: / { sub(/^skipped: /, ""); print "skipped " name ": " $0 }' \
        "$1" | sort -u
}

# Adds CTest's summary on standard input to passed, failed and skipped: prints
# the three numbers of this run. Cases that skip inside a test program that
# passes count as skipped too (the log is the argument).
count() {
    inner=$(awk '/ SKIPPED TEST\(S\)$/ { n += $1 } END { print n + 0 }' "$1")
    awk -v inner="$inner" '
        /^[0-9]+% tests passed, [0-9]+ tests? failed out of [0-9]+$/ {
            failed = $4; all = $NF; skipped = 0
        }
        /^[ \t]+[0-9]+ - .* \((Skipped|Disabled)\)$/ { skipped++ }
        END { print all - failed - skipped, failed + 0, skipped + inner }'
}

# run NAME CMAKE_ARG...: one build and its tests.
run() {
    name=$1
    shift
    build=$builds/$name
    say "== $name: build"
    if ! cmake -S "$root" -B "$build" -G Ninja -DFLEXC_WERROR=ON "$@" \
        >"$builds/$name-configure.log" 2>&1; then
        cat "$builds/$name-configure.log"
        failed=$((failed + 1))
        return
    fi
    if ! cmake --build "$build" -j "$(flexc_jobs)" >"$builds/$name-build.log" \
        2>&1; then
        grep -E -A 8 'error|FAILED' "$builds/$name-build.log" | head -n 80
        say "== $name: the build fails, see $builds/$name-build.log"
        failed=$((failed + 1))
        return
    fi
    say "== $name: test"
    log=$build/Testing/Temporary/LastTest.log
    rm -f "$log"
    ctest --test-dir "$build" -j "$(flexc_jobs)" --output-on-failure 2>&1 |
        tee "$builds/$name-test.log"
    if [ ! -s "$log" ]; then
        say "== $name: no tests were run"
        failed=$((failed + 1))
        return
    fi
    skip_reasons "$log"
    # shellcheck disable=SC2046
    set -- $(count "$log" <"$builds/$name-test.log")
    passed=$((passed + $1))
    failed=$((failed + $2))
    skipped=$((skipped + $3))
}

# shellcheck disable=SC2086
flexc_need $flexc_build_packages $flexc_test_packages
flexc_need_sanitizers
# shellcheck disable=SC2086
flexc_want $flexc_optional_packages

mkdir -p "$builds"
for name in ${*:-gcc clang}; do
    case $name in
    gcc) run gcc -DCMAKE_C_COMPILER=gcc ;;
    clang)
        run clang -DCMAKE_C_COMPILER=clang \
            -DFLEXC_SANITIZE=address,undefined
        ;;
    *) die "usage: scripts/test.sh [gcc|clang]..." ;;
    esac
done

echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
