#!/bin/sh
# switch.sh FLEXC FLEXRUN FLEXZOO: a request to switch at every step of every
# pair of plans of a small model, and random ones of a larger, end in the output
# bits of a run without any.
set -eu
flexc=$1
flexrun=$2
zoo=$3
dir=$(mktemp -d "${TMPDIR:-/tmp}/flexc-test-XXXXXX")
trap 'rm -rf "$dir"' EXIT
cd "$dir"
failed=0

fail() {
    echo "FAIL: $*"
    failed=1
}

digest() {
    sed -n 's/.*"sha256":[[:space:]]*"\(.*\)".*/\1/p' "$1"
}

# number KEY FILE
number() {
    sed -n "s/^.*\"$1\":[[:space:]]*\([0-9]*\),\{0,1\}\$/\1/p" "$2" | head -n 1
}

# compile NAME: four plans in `out`.
compile() {
    "$zoo" "$1" -o model.onnx
    "$flexc" model.onnx --budgets min,max -o out -q --tables --json c.json
    least=$(sed -n 's/.*"peak":[[:space:]]*\([0-9]*\).*/\1/p' c.json | head -n 1)
    most=$(sed -n 's/.*"peak":[[:space:]]*\([0-9]*\).*/\1/p' c.json | tail -n 1)
    "$flexc" model.onnx -o out -q --tables \
        --budgets "min,$(((least * 3 + most) / 4)),$(((least + most) / 2)),max"
}

n_run=0
n_taken=0
compile tiny
for from in 0 1 2 3; do
    "$flexrun" out --plan $from -q --json plain.json
    want=$(digest plain.json)
    steps=$(number steps plain.json)
    for to in 0 1 2 3; do
        step=0
        while [ "$step" -lt "$steps" ]; do
            "$flexrun" out --plan $from --switch "$step:$to" --runs 2 -q \
                --json run.json || fail "plan $from, step $step to $to"
            [ "$(digest run.json)" = "$want" ] ||
                fail "plan $from, step $step to $to: other bits"
            n_run=$((n_run + 1))
            n_taken=$((n_taken + $(grep -c '"released"' run.json || true)))
            step=$((step + 1))
        done
    done
done
echo "tiny: $n_run runs, $n_taken switches"
[ "$n_taken" -gt 0 ] || fail "no switch took effect"

n_taken=0
compile squeezenet-small
"$flexrun" out --plan 3 -q --json plain.json
want=$(digest plain.json)
for seed in 1 2 3 4 5 6 7 8; do
    for storage in cached memory; do
        "$flexrun" out --plan $((seed % 4)) --switch random:$seed --runs 3 -q \
            --storage $storage --json run.json ||
            fail "random:$seed, storage $storage"
        [ "$(digest run.json)" = "$want" ] ||
            fail "random:$seed, storage $storage: other bits"
        n_taken=$((n_taken + $(grep -c '"released"' run.json || true)))
    done
done
echo "squeezenet-small: $n_taken switches"
[ "$n_taken" -gt 0 ] || fail "no random switch took effect"
exit $failed
