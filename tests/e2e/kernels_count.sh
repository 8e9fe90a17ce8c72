#!/bin/sh
# kernels_count.sh SOURCE: instructions that three kernels execute on a small
# layer, counted by valgrind (callgrind) for x86-64-v3, are within recorded
# bounds. Counts do not depend on what else runs; the bounds are 5 % above what
# clang 14 and gcc 12 took when they were recorded.
set -eu
root=$1
if ! command -v valgrind >/dev/null; then
    echo "skipped: no valgrind"
    exit 77
fi
if [ "$(uname -m)" != x86_64 ] || ! grep -qw avx2 /proc/cpuinfo; then
    echo "skipped: no x86-64-v3 here"
    exit 77
fi
dir=$(mktemp -d "${TMPDIR:-/tmp}/flexc-test-XXXXXX")
trap 'rm -rf "$dir"' EXIT
failed=0
seen=0

# Instructions of a run with these arguments.
count() {
    valgrind --tool=callgrind --callgrind-out-file=/dev/null "$@" 2>&1 |
        sed -n 's/^.*Collected : *\([0-9]*\).*$/\1/p'
}

for compiler in clang gcc; do
    command -v $compiler >/dev/null || continue
    $compiler -std=c11 -O3 -ffp-contract=off -march=x86-64-v3 \
        -I "$root/runtime/include" -I "$root/runtime/kernels" \
        -o "$dir/count" "$root/tests/e2e/kernels_count.c"
    none=$(count "$dir/count")
    while read -r kernel of_clang of_gcc; do
        bound=$of_clang
        [ $compiler = clang ] || bound=$of_gcc
        n=$(($(count "$dir/count" $kernel) - none))
        echo "$compiler $kernel: $n instructions, at most $bound"
        [ "$n" -gt 10000 ] && [ "$n" -le "$bound" ] || {
            echo "FAIL: $kernel is out of bounds"
            failed=1
        }
        seen=$((seen + 1))
    done <<'BOUNDS'
product 366000 607000
direct 2864000 3303000
depthwise 65500 342000
BOUNDS
done
[ $seen -gt 0 ] || { echo "skipped: no compiler"; exit 77; }
exit $failed
