#!/bin/sh
# install.sh: what is installed serves a project that knows only the prefix:
# find_package(flexc), flexc_add_model, pkg-config, man pages; and programs run
# from there. Environment: FLEXC_SOURCE_DIR, FLEXC_BUILD_DIR, FLEXC_SANITIZE.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
dir=$(mktemp -d "${TMPDIR:-/tmp}/flexc-test-XXXXXX")
trap 'rm -rf "$dir"' EXIT
prefix=$dir/prefix

fail() {
    echo "FAIL: $*"
    exit 1
}

cmake --install "$FLEXC_BUILD_DIR" --prefix "$prefix" >"$dir/install.log" ||
    fail "cmake --install"
# Found by the prefix alone: the build tree and the environment must not help.
unset FLEXC_DEVICES FLEXRT_INCLUDE FLEXC
for program in flexc flexrun flexzoo; do
    "$prefix/bin/$program" --help >/dev/null || fail "$program --help"
    page=$(find "$prefix" -name "$program.1")
    grep -q '^\.SH DESCRIPTION' "$page" || fail "man page of $program"
done
[ "$(find "$prefix" -name '*.dev' | wc -l)" -gt 0 ] || fail "device profiles"

# A project.
mkdir "$dir/app"
cp "$here/CMakeLists.txt.in" "$dir/app/CMakeLists.txt"
cp "$here/app.c.in" "$dir/app/app.c"
"$prefix/bin/flexzoo" tiny -o "$dir/app/tiny.onnx"
flags=
if [ -n "$FLEXC_SANITIZE" ]; then
    flags="-fsanitize=$FLEXC_SANITIZE"
fi
compiler=$(sed -n 's/^CMAKE_C_COMPILER:[A-Z]*=//p' \
    "$FLEXC_BUILD_DIR/CMakeCache.txt")
{
    cmake -S "$dir/app" -B "$dir/build" -G Ninja \
        -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_C_COMPILER="$compiler" \
        -DCMAKE_C_FLAGS="-Wall -Wextra -Werror $flags" &&
        cmake --build "$dir/build"
} >"$dir/app.log" 2>&1 || {
    cat "$dir/app.log"
    fail "the project does not build"
}
(cd "$dir/build" && ./app tiny_model.flex/tiny_model.flxw) >"$dir/out" 2>&1 ||
    fail "the project's program: $(cat "$dir/out")"

# The same input under the same plans with the installed flexrun: same bits.
"$prefix/bin/flexrun" "$dir/build/tiny_model.flex" \
    --input "$dir/build/input.npy" --output "$dir/run" >/dev/null ||
    fail "flexrun on the project's model"
tail -c "$(wc -c <"$dir/build/output.bin")" "$dir/run_0.npy" \
    >"$dir/run.bin"
cmp "$dir/run.bin" "$dir/build/output.bin" || fail "other bits in flexrun"

# The same by pkg-config and the emitted Makefile.
if command -v pkg-config >/dev/null; then
    PKG_CONFIG_PATH=$(dirname "$(find "$prefix" -name flexrt.pc)")
    export PKG_CONFIG_PATH
    # The prefix of this test is not the one that was configured.
    pc="pkg-config --define-variable=prefix=$prefix"
    "$prefix/bin/flexc" "$dir/app/tiny.onnx" --budgets min,max \
        --name tiny_model -o "$dir/make.flex" -q
    make -s -C "$dir/make.flex" CC="$compiler" CFLAGS="$flags" \
        FLEXRT_CFLAGS="$($pc --cflags flexrt)" || fail "the emitted Makefile"
    # shellcheck disable=SC2046,SC2086
    "$compiler" $flags -std=c11 -D_XOPEN_SOURCE=700 -o "$dir/app2" \
        $($pc --cflags flexrt) -I"$dir/make.flex" "$dir/app/app.c" \
        "$dir/make.flex/tiny_model.o" $($pc --libs flexrt) -lm ||
        fail "a program by pkg-config"
    (cd "$dir" && ./app2 make.flex/tiny_model.flxw) >"$dir/out2" 2>&1 ||
        fail "the program by pkg-config: $(cat "$dir/out2")"
    cmp "$dir/output.bin" "$dir/build/output.bin" || fail "other bits by make"
fi
echo "install: all as documented"
