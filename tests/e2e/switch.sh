#!/bin/sh
# switch.sh FLEXC FLEXRUN FLEXZOO: a request to switch at every step of every
# pair of plans, repeated ones and random ones end in the output bits of a run
# without any, and take no more steps than flexc states.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
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

# compile NAME: four plans in `out`.
compile() {
    "$zoo" "$1" -o model.onnx
    "$flexc" model.onnx --budgets min,max -o out -q --tables --json c.json
    least=$(sed -n 's/.*"peak":[[:space:]]*\([0-9]*\).*/\1/p' c.json | head -n 1)
    most=$(sed -n 's/.*"peak":[[:space:]]*\([0-9]*\).*/\1/p' c.json | tail -n 1)
    "$flexc" model.onnx -o out -q --tables \
        --budgets "min,$(((least * 3 + most) / 4)),$(((least + most) / 2)),max"
}

# Every pair at every step; and no switch takes more steps than flexc states.
"$(dirname "$here")/../scripts/switch-run" "$(dirname "$flexc")" tiny \
    squeezenet-small gpt2-small || failed=1

# The same request again and again, while one is pending.
compile squeezenet-small
"$flexrun" out --plan 3 -q --json plain.json
want=$(digest plain.json)
"$flexrun" out --plan 3 --switch 0:0,0:1,0:0,1:0,1:0,2:3,2:3 --runs 3 -q \
    --json run.json || fail "requests while one is pending"
[ "$(digest run.json)" = "$want" ] || fail "repeated requests: other bits"

n_taken=0
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
# A plan that was not compiled in, from a file; to it and back.
"$flexc" model.onnx -o alone -q --tables --budgets max
for plan in 0 1 2 3; do
    "$flexrun" alone --plan-file out/model-$plan.flxp -q --json run.json ||
        fail "plan file $plan"
    [ "$(digest run.json)" = "$want" ] || fail "plan file $plan: other bits"
    "$flexrun" alone --plan-file out/model-$plan.flxp --plan 0 -q \
        --switch 3:1,12:0 --json run.json || fail "switch to plan file $plan"
    [ "$(digest run.json)" = "$want" ] || fail "to file $plan: other bits"
done
code=0
head -c 400 out/model-0.flxp > cut.flxp
"$flexrun" alone --plan-file cut.flxp -q 2> err || code=$?
[ $code -eq 1 ] && grep -q "error plan:" err || fail "a plan cut off: $code"
"$zoo" tiny -o other.onnx
"$flexc" other.onnx -o other -q --tables --budgets max
code=0
"$flexrun" alone --plan-file other/other-0.flxp -q 2> err || code=$?
[ $code -eq 1 ] && grep -q "error plan:" err || fail "another model's: $code"
code=0
cp out/model-0.flxp old.flxp
printf '\001' | dd of=old.flxp bs=1 seek=4 conv=notrunc 2> /dev/null
"$flexrun" alone --plan-file old.flxp -q 2> err || code=$?
[ $code -eq 1 ] && grep -q "old.flxp.*version 1," err || fail "an old one: $code"
# One for other kernels or chunks is refused; one for the same, whatever the
# speed of storage that it was made for, is not.
"$zoo" vgg19-small --res 128 -o vgg.onnx
"$flexc" vgg.onnx -o vgg -q --tables --budgets max
for option in "--numerics direct" "--compress zstd" "--device nvme-1GBs"; do
    code=0
    # shellcheck disable=SC2086
    "$flexc" vgg.onnx -o changed -q --tables --budgets min $option
    "$flexrun" vgg --plan-file changed/vgg-0.flxp -q 2> err || code=$?
    case $option in
    --device*) [ $code -eq 0 ] ;;
    *) [ $code -eq 1 ] && grep -q "error plan:.*--numerics" err ;;
    esac || fail "a plan with $option: $code, $(cat err)"
done
echo "squeezenet-small: $n_taken switches"
[ "$n_taken" -gt 0 ] || fail "no random switch took effect"
exit $failed
