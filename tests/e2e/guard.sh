#!/bin/sh
# guard.sh FLEXC FLEXRUN: of an If on a run-time condition one side is skipped.
# Silero VAD chooses by its sample rate: each choice gives the bits of a model
# that is compiled for it alone, at the least budget and with everything
# resident, and runs no box more of the other side. Data: $FLEXC_TEST_DATA, else
# ../shared beside the source tree, else skipped.
set -eu
flexc=$1
flexrun=$2
data=${FLEXC_TEST_DATA:-${FLEXC_SOURCE_DIR:-$(dirname "$0")/../..}/../shared}
model=$data/models/silero_vad_v5/model.onnx
if [ ! -f "$model" ]; then
    echo "skipped: no test data at '$model'; set FLEXC_TEST_DATA"
    exit 77
fi
dir=$(mktemp -d "${TMPDIR:-/tmp}/flexc-test-XXXXXX")
trap 'rm -rf "$dir"' EXIT
cd "$dir"
failed=0

fail() {
    echo "FAIL: $*"
    failed=1
}

# rate BYTE BYTE FILE: a scalar of int64 in an .npy file.
rate() {
    {
        printf '\223NUMPY\001\000\166\000'
        printf '%-117s\n' "{'descr': '<i8', 'fortran_order': False, 'shape': (), }"
        # shellcheck disable=SC2059
        printf "\\$1\\$2\\0\\0\\0\\0\\0\\0"
    } >"$3"
}
rate 200 076 16000.npy
rate 100 037 8000.npy

# compile NAME OPTION...: with a shape that both sides take.
compile() {
    name=$1
    shift
    "$flexc" "$model" -q --name m -o "$name" --budgets min,max \
        --shape input=1x320 --shape state=2x1x128 "$@" || fail "$name"
}

digests() {
    sed -n 's/.*"sha256":[[:space:]]*"\(.*\)".*/\1/p' "$1"
}

# boxes SIDE FILE: boxes of that side that were not empty.
boxes() {
    grep "\"name\":\"If_0_$1_branch.*\"rows\"" "$2" | grep -c -v '"rows":\[\([0-9]*\),\1\]' ||
        :
}

compile both
taken=then
other=else
for hz in 16000 8000; do
    compile "only$hz" --const sr=$hz
    for plan in 0 1; do
        "$flexrun" both --plan $plan --input "sr=$hz.npy" --json both.json \
            --trace trace.json || fail "run $hz"
        "$flexrun" "only$hz" --plan $plan --json only.json || fail "only $hz"
        [ -n "$(digests both.json)" ] &&
            [ "$(digests both.json)" = "$(digests only.json)" ] ||
            fail "$hz, plan $plan: other bits than those of one side alone"
        [ "$(boxes "$taken" trace.json)" -ge 10 ] ||
            fail "$hz, plan $plan: the side that is taken has few boxes"
        [ "$(boxes "$other" trace.json)" = 0 ] ||
            fail "$hz, plan $plan: boxes of the other side ran"
    done
    taken=else
    other=then
done
exit $failed
