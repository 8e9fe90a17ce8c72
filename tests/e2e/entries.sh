#!/bin/sh
# entries.sh FLEXC FLEXRUN FLEXZOO: one model under several shapes from one blob.
# An image network for three sizes is not larger than for one, and each entry
# gives the bits of a compile for its size alone, under every plan and with
# switches, through tables and emitted C; what --shape says is checked.
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

bytes() {
    wc -c <"$1"
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

# One row of panels is 16 channels of one width: sizes that do not divide.
"$zoo" mobilenetv2-small --dynamic -o net.onnx
sizes="64 96 45"
for size in $sizes; do
    "$flexc" net.onnx --shape "input=1x3x${size}xW,W=$size" --budgets min,max \
        -o "one$size" -q --tables
    "$flexrun" "one$size" --plan 0 -q --json one.json
    digest one.json >"want$size"
done
for tables in --tables "" "--compress zstd --tables"; do
    # shellcheck disable=SC2086
    "$flexc" net.onnx --shape 'input=1x3xHxW,H=64/96/45,W=64/96/45' -q \
        --budgets min -o no $tables || fail "nine entries"
    [ "$(find no -name '*.flxp' | wc -l)" = 9 ] || fail "not nine entries"
    rm -rf no
    rm -rf all
    # shellcheck disable=SC2086
    "$flexc" net.onnx --shape 'input=1x3xSxS,S=64/96/45' -q $tables \
        --budgets min,400K,max -o all --json all.json
    # shellcheck disable=SC2086
    "$flexc" net.onnx --shape 'input=1x3x64x64' -q $tables --budgets min \
        -o single
    # Each size is within two chunks' worth of what one alone takes.
    [ "$(bytes all/net.flxw)" -le $(($(bytes single/net.flxw) + 8192)) ] ||
        fail "$tables: $(bytes all/net.flxw) bytes of weights, one size has \
$(bytes single/net.flxw)"
    for size in $sizes; do
        for run in "0" "1" "2" "0 --switch random:1" "2 --switch random:2"; do
            # shellcheck disable=SC2086
            "$flexrun" all --entry "S$size" --plan $run -q --json run.json ||
                fail "entry S$size, plan $run"
            grep -q "\"entry\":[[:space:]]*\"S$size\"" run.json ||
                fail "S$size: $(cat run.json)"
            digest run.json | cmp -s - "want$size" ||
                fail "entry S$size, plan $run $tables: other bits"
        done
        grep -q "\"name\":[[:space:]]*\"S$size\"" all.json ||
            fail "JSON has no S$size"
    done
    if [ -n "$tables" ]; then
        "$flexc" check all >check.txt || fail "check: $(cat check.txt)"
        [ "$(grep -c '^the same bits each time' check.txt)" = 3 ] ||
            fail "check: $(cat check.txt)"
        "$flexc" inspect all/net.flxt | grep -q "entry 2 'S45'" ||
            fail "inspect does not name entries"
    fi
    # A plan is of one entry, though all have the model's id.
    exits 1 "is no plan of this model" "$flexrun" all --entry S64 \
        --plan-file all/net-S96-1.flxp -q
    "$flexrun" all --entry S96 --plan-file all/net-S96-1.flxp -q ||
        fail "a plan of its own entry is refused"
done
"$flexc" inspect all/net-S96-1.flxp | grep -q "for entry 1" ||
    fail "inspect does not tell a plan's entry"

# Inputs choose the entry that they fit.
npy_zeros() {
    printf '\223NUMPY\001\000\166\000'
    printf '%-117s\n' \
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 3, $1, $1), }"
    head -c $((12 * $1 * $1)) /dev/zero
}
npy_zeros 45 >zeros45.npy
npy_zeros 46 >zeros46.npy
"$flexrun" all --input zeros45.npy -q --json run.json
grep -q '"entry":[[:space:]]*"S45"' run.json || fail "an input of 45 x 45 pixels"
exits 1 "it is .1,3,46,46. float, the input needs .1,3,64,64." "$flexrun" all --input zeros46.npy
"$flexc" net.onnx --shape 'input=1x3xSxS,S=8' --budgets min -o tiny -q --tables
exits 2 "has no entry 'S46'; it has 'S64', 'S96', 'S45'" "$flexrun" all \
    --entry S46
exits 2 "has no entry 'S45'; it has 'main'" "$flexrun" tiny --entry S45

# Compiles are deterministic, and dumps are by entry.
"$flexc" net.onnx --shape 'input=1x3xSxS,S=64/96/45' -q --compress zstd \
    --tables --budgets min,400K,max -o again --json - >/dev/null
diff -r all again >/dev/null || fail "two compiles differ"
[ "$("$flexc" net.onnx --shape 'input=1x3xSxS,S=32..100' --budgets min \
    --dump=plan -o no | grep '^# entry')" = "# entry S32
# entry S64
# entry S100" ] || fail "--dump=plan of a range"
[ "$("$flexc" net.onnx --shape 'input=1x3xSxS,S=32..100:20' --budgets min \
    --dump=plan -o no | grep -c '^# entry')" = 4 ] || fail "a range with a step"
"$flexc" net.onnx --shape 'input=1x3xSxS,S=32/48' -q --budgets max -o page \
    --report page.html
for page in page.html page-S48.html; do
    [ -s $page ] || fail "--report: no $page"
done

exits 2 "no input has a dimension K" "$flexc" net.onnx --budgets min \
    --shape 'input=1x3xSxS,S=32,K=3' -o no
exits 2 "W, a dimension of input 'input', has no value" "$flexc" net.onnx \
    --budgets min --shape 'input=1x3xHxW,H=32/64' -o no
exits 2 "size S has values already" "$flexc" net.onnx --budgets min \
    --shape 'input=1x3xSxS,S=32,S=64' -o no
exits 2 "S is 32 twice" "$flexc" net.onnx --budgets min \
    --shape 'input=1x3xSxS,S=32/32' -o no
exits 2 "more than 64" "$flexc" net.onnx --budgets min \
    --shape 'input=1x3xHxW,H=1..33:1,W=1/2' -o no
exits 2 "is not NAME=DIMS,SIZE=VALUES" "$flexc" net.onnx --budgets min \
    --shape 'input=1x3xSxS,S=0..8' -o no
exits 2 "is a plan for one set of shapes" "$flexc" net.onnx --plan-file x.plan \
    --shape 'input=1x3xSxS,S=32/64' -o no
exits 3 "entry S4000" "$flexc" net.onnx --budgets 1M \
    --shape 'input=1x3xSxS,S=32/4000' -o no
[ -e no ] && fail "a refused compile leaves files"

[ $failed = 0 ] && echo "entries: all as documented"
exit $failed
