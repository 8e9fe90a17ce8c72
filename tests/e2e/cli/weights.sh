#!/bin/sh
# weights.sh FLEXC FLEXRUN FLEXZOO: --weights f16 and i8 make a blob of about a
# half and a quarter, plans that need less, the same bits at every budget, in
# tables and in C; integer networks stay as they are.
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

# value KEY FILE: the first number of a key in a JSON file.
value() {
    sed -n "s/^.*\"$1\":[[:space:]]*\([0-9.e+-]*\),\{0,1\}\$/\1/p" "$2" |
        head -n 1
}

# compile MODEL OUT OPTION...: into tables for min, something between and max.
compile() {
    model=$1
    out=$2
    shift 2
    "$flexc" "$model" --name m -o "$out" --json "$out.json" --tables -q \
        --compress none "$@" || fail "flexc $model $*"
}

# same_bits DIR: under all plans, with switches between them.
same_bits() {
    "$flexc" check "$1" >check 2>&1 || fail "flexc check $1: $(cat check)"
    grep -q "the same bits each time" check || fail "$1: $(cat check)"
}

# hash DIR: of the first output.
hash() {
    "$flexrun" "$1" --plan 0 2>&1 |
        sed -n 's/.*sha256 \([0-9a-f]*\).*/\1/p' | head -n 1
}

# at_most A B PERCENT WHAT: A is at most so much of B.
at_most() {
    [ "$(($1 * 100))" -le "$(($2 * $3))" ] || fail "$4: $1 of $2 is above $3%"
}

# The models are small: biases, scales and padding weigh more than elsewhere.
for net in squeezenet-small mobilenetv2-small vit-small gpt2-small; do
    "$zoo" $net -o $net.onnx || fail "flexzoo $net"
    for numerics in fast direct; do
        for type in f32 f16 i8; do
            compile $net.onnx least --weights $type --budgets max \
                --numerics $numerics
            least=$(value min_budget least.json)
            compile $net.onnx $net-$type --weights $type --numerics $numerics \
                --budgets min,$((least * 2)),max
            same_bits $net-$type
        done
        f32=$(value blob_bytes $net-f32.json)
        at_most "$(value blob_bytes $net-f16.json)" "$f32" 65 "$net f16"
        at_most "$(value blob_bytes $net-i8.json)" "$f32" 55 "$net i8"
    done
    [ "$(hash $net-f32)" != "$(hash $net-f16)" ] || fail "$net: f16 is as f32"
done

# off_by A B: the largest difference of two .npy files of floats, as part of the
# largest element of B.
off_by() {
    for file in "$1" "$2"; do
        od -An -v -w4 -tf4 -j128 "$file" >"$file.txt"
    done
    paste "$1.txt" "$2.txt" | awk '
        function size(x) { return x < 0 ? -x : x }
        { if (size($1 - $2) > d) d = size($1 - $2)
          if (size($2) > m) m = size($2) }
        END { printf "%.9g\n", d / m }'
}

# same A B: numbers that differ by what their decimals can.
same() {
    awk "BEGIN { d = $1 - $2; exit !(d < 1e-6 && d > -1e-6) }"
}

# What the JSON says is what two runs differ by.
for type in f16 i8; do
    for run in f32 $type; do
        "$flexrun" squeezenet-small-$run --plan 0 --seed 1 --output $run \
            >/dev/null || fail "flexrun $run"
    done
    want=$(off_by ${type}_0.npy f32_0.npy)
    told=$(value max squeezenet-small-$type.json)
    same "$told" "$want" || fail "$type: says it is off by $told, is $want"
    same "$told" 0 && fail "$type: says there is no error"
    [ -z "$(value max squeezenet-small-f32.json)" ] || fail "f32 has an error"
done
"$zoo" tiny -o tiny.onnx
"$flexc" tiny.onnx --budgets max --weights i8 -o tiny >out || fail "tiny"
grep -q "i8 weights, random inputs: 'output' is off by" out ||
    fail "no error in $(cat out)"

# The C that is printed computes the same as tables in process, threads too.
for type in f16 i8; do
    "$flexc" squeezenet-small.onnx --name m -o c-$type --weights $type -q \
        --numerics direct --budgets min,max --threads 3 || fail "C of $type"
    [ "$(hash c-$type)" = "$(hash squeezenet-small-$type)" ] ||
        fail "$type: other bits in C than in tables"
    same_bits c-$type
    [ "$("$flexrun" c-$type --threads 3 | grep -c "$(hash c-$type)")" -ge 1 ] ||
        fail "$type: other bits with 3 threads"
done

# Integers are not touched, nor is what has no weights.
data=${FLEXC_TEST_DATA:-${FLEXC_SOURCE_DIR:-$(dirname "$0")/../../..}/../shared}
qdq=$data/models/tiny_kws_dscnn_int8/model.onnx
if [ -f "$qdq" ]; then
    compile "$qdq" q-f32 --weights f32 --budgets max
    compile "$qdq" q-i8 --weights i8 --budgets max
    [ "$(hash q-f32)" = "$(hash q-i8)" ] || fail "an integer network changes"
else
    echo "skipped: no $qdq"
fi

# A model of f16 weights keeps them, exactly.
half=$data/models/squeezenet1_1_fp16/model.onnx
if [ -f "$half" ]; then
    compile "$half" half --budgets max
    compile "$half" whole --weights f32 --budgets max
    at_most "$(value blob_bytes half.json)" "$(value blob_bytes whole.json)" \
        55 "a model of f16"
    [ "$(hash half)" = "$(hash whole)" ] || fail "f16 is not kept exactly"
    [ -z "$(value max half.json)" ] || fail "an exact model has an error"
else
    echo "skipped: no $half"
fi

# Microcontrollers: the lattice is another one.
compile squeezenet-small.onnx mcu --weights f16 --budgets min,max \
    --target cortex-m4
"$flexrun" mcu --storage memory >out 2>&1 || fail "cortex-m4: $(cat out)"

code=0
"$flexc" squeezenet-small.onnx --budgets max --weights f8 >out 2>&1 || code=$?
[ "$code" = 2 ] && grep -q "f32|f16|i8" out || fail "f8: exit $code, $(cat out)"

# An option that would do nothing is refused.
for weights in "" "--weights f32"; do
    got=0
    # shellcheck disable=SC2086
    "$flexc" vit-small.onnx --budgets max --input none.npy $weights -q \
        -o refused 2>err || got=$?
    [ "$got" = 2 ] && grep -q "error of --weights f16 or i8" err ||
        fail "--input $weights: exit $got, $(cat err)"
    [ ! -e refused ] || fail "--input $weights: writes"
done

[ $failed = 0 ] && echo "ok"
exit $failed
