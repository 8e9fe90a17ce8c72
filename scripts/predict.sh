#!/bin/sh
# predict.sh [--target T] [--runs N]: is measured what is predicted? Builds,
# profiles this machine (flexc profile), compiles the six networks for FlexNN's
# budgets and max with that profile, runs each plan, and prints measured latency
# (median; least) over predicted. Then the share of ResNet-152's time at max that
# is spent outside of its boxes. Ends with an error when a ratio of medians is
# off by more than 10 %.
#   --target T  instruction set (default host)
#   --runs N    timed inferences a plan (default 15, after 2 others)
# FLEXC_BUILD is the build folder (default build/). On demand, never in CI: other
# programs show in the ratios, so that where the system allows it (root) the
# runs have real-time priority.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/scripts/lib.sh"
build=${FLEXC_BUILD:-$root/build}
work=$build/predict
target=host
runs=15
while [ $# -gt 0 ]; do
    case $1 in
    --target) target=$2 ;;
    --runs) runs=$2 ;;
    *) die "usage: scripts/predict.sh [--target T] [--runs N]" ;;
    esac
    shift 2
done

# shellcheck disable=SC2086
flexc_need $flexc_build_packages
mkdir -p "$work"
say "building in $build"
{
    cmake -S "$root" -B "$build" -G Ninja &&
        cmake --build "$build" -j "$(flexc_jobs)" --target flexc flexrun flexzoo
} >"$work/build.log" 2>&1 || {
    tail -n 40 "$work/build.log"
    die "the build fails; all of it is in $work/build.log"
}
first=
if command -v chrt >/dev/null && chrt -f 1 true 2>/dev/null; then
    first="chrt -f 1"
fi

say "profiling"
$first "$build/flexc" profile "$work/host.dev" --target "$target" \
    --folder "$work" >"$work/profile.log"
tail -n 1 "$work/profile.log"

# value KEY: a number of the JSON on standard input.
value() {
    sed -n "s/^.*\"$1\":[[:space:]]*\([0-9.e+-]*\),\{0,1\}\$/\1/p"
}

printf '%-12s %6s %10s %10s %10s %7s %7s\n' network budget predicted median \
    least median least
off=0
while read -r net budget; do
    [ -f "$work/$net.onnx" ] || "$build/flexzoo" "$net" -o "$work/$net.onnx"
    rm -rf "$work/$net.flex"
    "$build/flexc" "$work/$net.onnx" --budgets "$budget,max" --target \
        "$target" --device "$work/host.dev" -o "$work/$net.flex" -q \
        --json "$work/$net.json"
    plan=0
    for us in $(value latency_us <"$work/$net.json"); do
        $first "$build/flexrun" "$work/$net.flex" --plan $plan --warmup 2 \
            --runs "$runs" -q --trace "$work/trace.json" --json "$work/run.json"
        awk -v net="$net" -v us="$us" \
            -v budget="$([ $plan = 0 ] && echo "$budget" || echo max)" \
            -v median="$(value median <"$work/run.json")" \
            -v least="$(value min <"$work/run.json" | head -n 1)" 'BEGIN {
                ms = us / 1000
                ratio = median / ms
                printf "%-12s %6s %7.2f ms %7.2f ms %7.2f ms %7.3f %7.3f\n",
                    net, budget, ms, median, least, ratio, least / ms
                exit !(ratio >= 0.9 && ratio <= 1.1)
            }' || off=$((off + 1))
        plan=$((plan + 1))
    done
    if [ "$net" = resnet152 ]; then
        outside=$($first "$build/flexrun" "$work/$net.flex" --plan 1 --warmup 2 \
            --runs "$runs" --profile-layers | tail -n 1)
    fi
    rm -rf "$work/$net.flex" "$work/trace.json"
done <<'NETS'
squeezenet 10M
mobilenetv2 12M
resnet152 35M
vgg19 60M
vit 200M
gpt2 370M
NETS
echo "resnet152 at max: ${outside#"${outside%%[! ]*}"}"
echo "$off of 12 plans are off by more than 10 %"
[ "$off" -eq 0 ]
