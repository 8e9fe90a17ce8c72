#!/bin/sh
# wide.sh FLEXC PROTO_DIR: two Concats of the same 500 computed inputs, then of
# 1000: twice the nodes take at most 2.4 times the instructions, from reading the
# model to writing the C, counted by valgrind (callgrind), so that nothing that
# is done for each node looks at all others. It was 3 times, and of 20,000 inputs
# minutes.
set -eu
flexc=$1
proto=$2
if [ -n "${FLEXC_SANITIZE-}" ]; then
    echo "skipped: valgrind does not run sanitizers"
    exit 77
fi
for tool in valgrind protoc; do
    command -v $tool >/dev/null || {
        echo "skipped: no $tool"
        exit 77
    }
done
dir=$(mktemp -d "${TMPDIR:-/tmp}/flexc-test-XXXXXX")
trap 'rm -rf "$dir"' EXIT
cd "$dir"

# model N: y and z are the products of x and each of 1 ... N, in either order.
model() {
    awk -v n="$1" '
        function concat(from, to, step, out, i) {
            printf "node { op_type: \"Concat\" output: \"%s\" ", out
            for (i = from; i != to + step; i += step)
                printf "input: \"a%d\" ", i
            print "attribute { name: \"axis\" type: INT i: 1 } }"
        }
        function value(kind, name) {
            printf "%s { name: \"%s\" type { tensor_type { elem_type: 1 ", \
                kind, name
            if (kind == "input")
                printf "shape { dim { dim_value: 2 } dim { dim_value: 4 } } "
            print "} } }"
        }
        BEGIN {
            print "ir_version: 7 opset_import { version: 13 } graph { name: \"g\""
            value("input", "x")
            for (i = 1; i <= n; i++) {
                printf "initializer { dims: 1 data_type: 1 name: \"c%d\" " \
                    "float_data: %d }\n", i, i
                printf "node { op_type: \"Mul\" input: \"x\" input: \"c%d\" " \
                    "output: \"a%d\" }\n", i, i
            }
            concat(1, n, 1, "y")
            concat(n, 1, -1, "z")
            value("output", "y")
            value("output", "z")
            print "}"
        }' | protoc --encode=onnx.ModelProto "-I$proto" "$proto/onnx.proto" \
        >"wide-$1.onnx"
}

# Instructions of compiling model N.
count() {
    model "$1"
    valgrind --tool=callgrind --callgrind-out-file=/dev/null \
        "$flexc" "wide-$1.onnx" --budgets max -q -o out 2>log ||
        { cat log && exit 1; }
    sed -n 's/^.*Collected : *\([0-9]*\).*$/\1/p' log
}

once=$(count 500)
twice=$(count 1000)
echo "500 inputs: $once instructions, 1000: $twice"
[ "$once" -gt 1000000 ] && [ $((twice * 10)) -le $((once * 24)) ] || {
    echo "FAIL: more than in proportion"
    exit 1
}
