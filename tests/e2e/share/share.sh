#!/bin/sh
# share.sh FLEXC FLEXZOO LIBRARY: two real models, compiled each on its own, in
# one arena whose size changes (share.c.in).
# Environment: FLEXC_SOURCE_DIR, FLEXC_BUILD_DIR, FLEXC_SANITIZE.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
flexc=$1
zoo=$2
library=$3
dir=$(mktemp -d "${TMPDIR:-/tmp}/flexc-test-XXXXXX")
trap 'rm -rf "$dir"' EXIT
cd "$dir"

fail() {
    echo "FAIL: $*"
    exit 1
}

flags=
if [ -n "$FLEXC_SANITIZE" ]; then
    flags="-fsanitize=$FLEXC_SANITIZE"
fi
compiler=$(sed -n 's/^CMAKE_C_COMPILER:[A-Z]*=//p' \
    "$FLEXC_BUILD_DIR/CMakeCache.txt")
runtime="-I$FLEXC_SOURCE_DIR/runtime/include -I$FLEXC_SOURCE_DIR/runtime"
# As installed.
mkdir flexrt
cp "$FLEXC_SOURCE_DIR/runtime/ports/posix/flx_posix.h" flexrt/
for pair in one:mobilenetv2-small two:squeezenet-small; do
    "$zoo" "${pair#*:}" -o model.onnx >/dev/null
    "$flexc" model.onnx --name "${pair%:*}" --budgets min,auto:4,max -q \
        --compress none -o "${pair%:*}.flex"
    make -s -C "${pair%:*}.flex" CC="$compiler" CFLAGS="$flags" \
        FLEXRT_CFLAGS="$runtime" || fail "the emitted Makefile of ${pair%:*}"
done
cp "$here/share.c.in" share.c
# shellcheck disable=SC2086
"$compiler" $flags -std=c11 -D_XOPEN_SOURCE=700 -Wall -Wextra -Werror -I. \
    $runtime -Ione.flex -Itwo.flex share.c one.flex/one.o two.flex/two.o \
    "$library" -lzstd -lm -lpthread -o share || fail "the program does not build"
./share one.flex/one.flxw two.flex/two.flxw
