#!/bin/sh
# runtime/ configures and builds alone: on this machine without zstd, and with
# a bare-metal toolchain (skipped without one), warnings being errors. Then
# nothing but the device API is exported, and bare-metal code has no data of
# its own.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
source=$FLEXC_SOURCE_DIR/runtime

build() {
    dir=$work/$1
    shift
    if ! { cmake -S "$source" -B "$dir" -G "Unix Makefiles" \
        -DCMAKE_C_FLAGS_INIT=-Werror "$@" && cmake --build "$dir"; } \
        >"$work/log" 2>&1; then
        cat "$work/log"
        exit 1
    fi
    test -f "$dir/libflexrt.a"
}

build host -DCMAKE_DISABLE_FIND_PACKAGE_PkgConfig=ON
if nm "$work/host/libflexrt.a" | grep -q ZSTD_; then
    echo "zstd is needed although it was not found"
    exit 1
fi
others=$(nm -g --defined-only "$work/host/libflexrt.a" |
    awk 'NF == 3 && $3 !~ /^(flx_|k_|__)/ { print $3 }')
if [ -n "$others" ]; then
    echo "exported besides flx_ and kernels: $others"
    exit 1
fi

if ! command -v arm-none-eabi-gcc >/dev/null; then
    echo "skipped: no arm-none-eabi-gcc"
    exit 77
fi
for cpu in cortex-m4 cortex-m7; do
    build "$cpu" -DFLEXRT_CPU=$cpu -DCMAKE_COMPILE_WARNING_AS_ERROR=ON \
        -DCMAKE_TOOLCHAIN_FILE="$source/ports/baremetal/arm-none-eabi.cmake"
    arm-none-eabi-size -t "$work/$cpu/libflexrt.a" | tail -1
    arm-none-eabi-size -t "$work/$cpu/libflexrt.a" | awk '
        /TOTALS/ && ($2 != 0 || $3 != 0) {
            print "static data on the device: " $2 + $3 " bytes"
            exit 1
        }'
done
