#!/bin/sh
# kernels_asm.sh SOURCE: the inner loops of products, as clang compiles them for
# each target with vectors (and gcc, which spills once in four steps of K with
# AVX2's 16 registers), have only vector multiply-adds and no spills.
set -eu
check=$1/scripts/check-kernels
failed=0
try() {
    echo "== $*"
    "$check" "$@" || failed=1
}
if command -v clang >/dev/null; then
    try clang --target=x86_64-linux-gnu -march=x86-64-v3
    try clang --target=x86_64-linux-gnu -march=x86-64-v4
    try clang --target=aarch64-linux-gnu -march=armv8-a -ffreestanding
else
    echo "skipped: no clang"
    [ "$(uname -m)" = x86_64 ] || exit 77
fi
if [ "$(uname -m)" = x86_64 ] && command -v gcc >/dev/null; then
    try --most 2 gcc -march=x86-64-v3
    try gcc -march=x86-64-v4
fi
exit $failed
