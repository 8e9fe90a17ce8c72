#!/bin/sh
# state.sh FLEXC FLEXRUN FLEXZOO REFRUN: outputs that are inputs of the next run.
# GPT-2 one token at a time, with its cache as a state, gives the logits of the
# naive operators on all tokens at once, within 1e-3 |want| + 1e-4 max|want|: at
# every budget with the same bits, through tables and emitted C, with switches on
# the way; and the cache is in the budget.
set -eu
flexc=$1
flexrun=$2
zoo=$3
refrun=$4
dir=$(mktemp -d "${TMPDIR:-/tmp}/flexc-test-XXXXXX")
trap 'rm -rf "$dir"' EXIT
cd "$dir"
failed=0
tokens=24

fail() {
    echo "FAIL: $*"
    failed=1
}

# values KEY FILE: the numbers of a key in a JSON file, one a line.
values() {
    sed -n "s/^.*\"$1\":[[:space:]]*\([0-9.e+-]*\),\{0,1\}\$/\1/p" "$2"
}

digests() {
    sed -n 's/.*"sha256":[[:space:]]*"\(.*\)".*/\1/p' "$1"
}

# positions N FILE: 0 .. N-1, N <= 256, as int64 in an .npy file.
positions() {
    {
        printf '\223NUMPY\001\000\166\000'
        printf '%-117s\n' \
            "{'descr': '<i8', 'fortran_order': False, 'shape': ($1,), }"
        i=0
        while [ $i -lt "$1" ]; do
            # shellcheck disable=SC2059
            printf "\\$(printf %o $i)\\0\\0\\0\\0\\0\\0\\0"
            i=$((i + 1))
        done
    } >"$2"
}

# exits CODE TEXT COMMAND...: the code, and a line on stderr with the text.
exits() {
    code=$1
    text=$2
    shift 2
    status=0
    "$@" >out.txt 2>err.txt || status=$?
    { [ $status = "$code" ] && grep -q -e "$text" err.txt; } ||
        fail "$*: exit $status, $(cat err.txt)"
}

"$zoo" gpt2-small --seq $tokens -o whole.onnx
mkdir want
"$refrun" whole.onnx -o want/output --seed 3 >/dev/null
mv want/output_0.npy want/output_4.npy # after the cache's four
printf 'close 0.001 0.0001\n' >want/tolerance
"$zoo" gpt2-step-small --seq $tokens -o step.onnx
positions $tokens position.npy

"$flexc" step.onnx --state 'present.*=past.*' --budgets min,max -o probe -q \
    --tables --json probe.json
least=$(values peak probe.json | head -n 1)
most=$(values peak probe.json | tail -n 1)
budgets="min,$(((least * 3 + most) / 4)),$(((least + most) / 2)),max"
first=
for tables in --tables ""; do
    # shellcheck disable=SC2086
    "$flexc" step.onnx --state 'present.*=past.*' --budgets "$budgets" -o out \
        --threads 2 -q $tables --json plan.json
    for run in "0 --threads 2" "1" "2" "3" "0 --switch random:1" \
        "1 --switch random:2" "3 --switch random:3"; do
        # shellcheck disable=SC2086
        "$flexrun" out --plan $run --sequence $tokens --seed 3 -q \
            --input position=position.npy --check want --json run.json || {
            fail "plan $run $tables"
            continue
        }
        [ -n "$first" ] || first=$(digests run.json)
        [ "$(digests run.json)" = "$first" ] ||
            fail "plan $run $tables: other bits"
        case $run in
        *switch*) continue ;;
        esac
        peak=$(values peak plan.json | sed -n "$((${run%% *} + 1))p")
        [ "$(values arena_peak run.json)" = "$peak" ] ||
            fail "plan $run: arena $(values arena_peak run.json), planned $peak"
    done
    rm -rf out
done

# Two blocks' keys and values of 1000 tokens more: 2 * 2 * 2 * 64 floats each.
"$zoo" gpt2-step-small --seq $((tokens + 1000)) -o long.onnx
"$flexc" long.onnx --state 'present.*=past.*' --budgets min -o long -q \
    --tables --json long.json
more=$(($(values peak long.json | head -n 1) - least))
[ "$more" -ge 2048000 ] || fail "1000 tokens more take $more bytes"
# Without states there are both the old cache and the new one.
"$flexc" long.onnx --budgets min -o long -q --tables --json twice.json
[ "$(values peak twice.json | head -n 1)" -gt \
    $(($(values peak long.json | head -n 1) + 500000)) ] ||
    fail "states save no memory"

exits 2 "has no output 'future'" "$flexc" step.onnx --budgets min \
    --state future=past.0.key -o no
exits 2 "has no input 'past.2'" "$flexc" step.onnx --budgets min \
    --state present.0.key=past.2 -o no
exits 2 "OUT\\*=IN\\*" "$flexc" step.onnx --budgets min \
    --state 'present.*=past.0.key' -o no
exits 1 "'logits'" "$flexc" step.onnx --budgets min --state logits=past.0.key \
    -o no
exits 2 "how many runs" "$flexrun" probe --sequence 4 --runs 2
exits 1 "needs 5 times" "$flexrun" probe --sequence 5 \
    --input position=position.npy
exit $failed
