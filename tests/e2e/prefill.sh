#!/bin/sh
# prefill.sh FLEXC FLEXRUN FLEXZOO REFRUN: a prompt and the tokens after it, as two
# entries of one blob. GPT-2 with a cache as a state: 16 tokens in one run of one
# entry, then 8 one by one in the other, give the logits of the naive operators on
# all 24 at once, within 1e-3 |want| + 1e-4 max|want|: at every budget with the
# same bits, through tables and emitted C, from storage or memory, with switches on
# the way and entries to and fro; the blob is that of one entry, and the cache is
# in the budget.
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

# The last output: the logits.
digest() {
    sed -n 's/.*"sha256":[[:space:]]*"\(.*\)".*/\1/p' "$1" | tail -n 1
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
"$zoo" gpt2-step-small --seq $tokens --dynamic -o cached.onnx
"$zoo" gpt2-step-small --seq $tokens -o step.onnx
positions $tokens position.npy

state='present.*=past.*'
"$flexc" step.onnx --state "$state" --budgets min,max -o step -q --tables
for tables in --tables ""; do
    # shellcheck disable=SC2086
    "$flexc" cached.onnx --shape input_ids=1xT,T=16/1/5 --shape position=1xT \
        --state "$state" --budgets min,1M,max -o out --threads 2 -q $tables \
        --json plan.json
    # Another prompt's length adds its table of positions at most.
    [ "$(wc -c <out/cached.flxw)" -le $(($(wc -c <step/step.flxw) + 8192)) ] ||
        fail "$(wc -c <out/cached.flxw) bytes of weights, of the step alone \
$(wc -c <step/step.flxw)"
    first=
    for turns in T16,T1:8 T5,T1:3,T16 T16,T1,T5,T1,T1; do
        first=
        for run in "0 --threads 2" "1" "2 --storage memory" \
            "0 --switch random:1" "1 --switch random:2" "2 --switch random:3"; do
            # shellcheck disable=SC2086
            "$flexrun" out --plan $run --sequence $turns --seed 3 -q \
                --input position=position.npy --check want --json run.json || {
                fail "plan $run $tables, $turns"
                continue
            }
            [ -n "$first" ] || first=$(digest run.json)
            [ "$(digest run.json)" = "$first" ] ||
                fail "plan $run $tables, $turns: other bits"
            case $run in
            *switch*) continue ;;
            esac
            peak=$(values peak plan.json | awk -v n="${run%% *}" \
                'NR % 4 == 1 && NR == 4 * n + 1')
            [ "$(values arena_peak run.json)" = "$peak" ] ||
                fail "plan $run, $turns: arena $(values arena_peak run.json), \
planned $peak"
        done
    done
    # Token by token the step is the step, whatever else is in the blob.
    "$flexrun" out --plan 0 --sequence "T1:$tokens" --seed 3 -q \
        --input position=position.npy --json run.json
    "$flexrun" step --plan 0 --sequence "$tokens" --seed 3 -q \
        --input position=position.npy --json one.json
    [ "$(digest run.json)" = "$(digest one.json)" ] ||
        fail "the step's bits depend on other entries"
    "$flexc" check out >check.txt || fail "check: $(cat check.txt)"
    [ -z "$tables" ] || [ "$(grep -c '^entry T' check.txt)" = 3 ] ||
        fail "check: $(cat check.txt)"
    rm -rf out
done

# The cache is in the peak of both entries: 1000 tokens more of it are 2 * 2
# blocks' keys and values of 2 heads of 64 floats each.
"$zoo" gpt2-step-small --seq 1024 --dynamic -o long.onnx
for net in cached long; do
    "$flexc" $net.onnx --shape input_ids=1xT,T=16/1 --shape position=1xT \
        --state "$state" --budgets min -o $net -q --tables --json $net.json
done
paste cached.json long.json | sed -n 's/.*"peak":[[:space:]]*\([0-9]*\),.*"peak":[[:space:]]*\([0-9]*\),.*/\1 \2/p' |
    awk '$2 - $1 < 2048000 { exit 1 } END { exit NR != 3 }' ||
    fail "1000 tokens more: $(values peak cached.json) $(values peak long.json)"

exits 2 "has no entry 'T2'; it has 'T16', 'T1'" "$flexrun" cached --sequence T2
exits 2 "is neither a number of runs nor" "$flexrun" cached --sequence T16:
exits 2 "is neither a number of runs nor" "$flexrun" cached --sequence T16,,T1
exits 2 "is neither a number of runs nor" "$flexrun" cached --sequence T16:0
exits 1 "needs 17 elements" "$flexrun" cached --sequence T16,T1 \
    --input position=position.npy
exits 2 "goes with none of" "$flexrun" cached --sequence T16,T1 --entry T1
exits 2 "past.0.key" "$flexc" cached.onnx --shape input_ids=1xT,T=16/1 \
    --shape position=1xT --shape past.0.key=1x2xCx64,C=24/25 \
    --state "$state" --budgets min -o no

[ $failed = 0 ] && echo "prefill: all within tolerance, the same bits"
exit $failed
