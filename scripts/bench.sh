#!/bin/sh
# bench.sh [--rounds N] [--only NAME,...] [--kernels] [--errors]: builds, writes
# the six networks with flexzoo, compiles them at budget max, and runs them and
# ONNX Runtime (npm package onnxruntime-node, its CPU provider, all graph
# optimisations) in turns, pinned to the same cores, with 1 and 2 threads.
# Writes docs/BENCHMARKS.md and docs/BENCHMARKS.json; nothing else writes them.
# Ends with an error if outputs differ from those of ONNX Runtime.
#   --rounds N    turns per network and number of threads (default 7)
#   --only LIST   these networks only, and prints instead of writing
#   --kernels     also times the convolution kernels and their micro-kernel,
#                 with gcc and clang
#   --errors      also compares with a double-precision run: minutes
# FLEXC_BUILD is the build folder (default build/), FLEXC_BENCH_CORES the cores
# (default 0,1; the first is used with one thread). On demand, never in CI: a
# busy machine shows in the columns min and max.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/scripts/lib.sh"
build=${FLEXC_BUILD:-$root/build}
work=$build/bench
ort_version=1.30.0

# ---- 1. build ----

# shellcheck disable=SC2086
flexc_need $flexc_build_packages util-linux
command -v node >/dev/null || flexc_need nodejs
command -v npm >/dev/null || flexc_need npm
mkdir -p "$work/models"
say "building in $build"
{
    cmake -S "$root" -B "$build" -G Ninja &&
        cmake --build "$build" -j "$(flexc_jobs)"
} >"$work/build.log" 2>&1 || {
    tail -n 40 "$work/build.log"
    die "the build fails; all of it is in $work/build.log"
}

# ---- 2. the peer ----

# Its install script only fetches what other providers need.
if ! [ -d "$work/ort-$ort_version/node_modules/onnxruntime-node" ]; then
    say "installing: npm package onnxruntime-node@$ort_version"
    rm -rf "$work/ort-$ort_version"
    mkdir -p "$work/ort-$ort_version"
    (cd "$work/ort-$ort_version" && echo '{"private": true}' >package.json &&
        npm install --ignore-scripts --no-audit --no-fund --silent \
            "onnxruntime-node@$ort_version") >&2 ||
        die "onnxruntime-node@$ort_version cannot be installed"
fi

# ---- 3. the kernels, once per compiler and instruction set ----

for option in "$@"; do
    [ "$option" = --kernels ] || continue
    flexc_need clang
    rm -f "$work"/bench_conv-* "$work"/bench_micro-*
    for compiler in gcc clang; do
        for target in x86-64-v3 x86-64-v4; do
            for bench in bench_conv bench_micro; do
                say "building $bench with $compiler for $target"
                "$compiler" -D_XOPEN_SOURCE=700 -std=gnu11 -O3 \
                    -ffp-contract=off "-march=$target" \
                    -I"$root/runtime/include" -I"$root/runtime/kernels" \
                    "$root/scripts/bench/$bench.c" \
                    -o "$work/$bench-$compiler-$target" -lm
            done
        done
    done
done

# ---- 4. runs and tables ----

exec node "$root/scripts/bench/bench.js" "$root" "$build" \
    "$work/ort-$ort_version" "$@"
