#!/bin/sh
# flexc.sh FLEXC FLEXZOO PROTO_DIR: the command line of flexc, as a user meets
# it: for each bad input the documented exit code, one line that names the node,
# file or option and the way out, and nothing left behind.
set -eu
flexc=$1
zoo=$2
proto=$3
root=$(cd "$(dirname "$0")/../../.." && pwd)
command -v protoc >/dev/null || {
    echo "skipped: protoc (protobuf-compiler) is missing"
    exit 77
}
dir=$(mktemp -d "${TMPDIR:-/tmp}/flexc-test-XXXXXX")
trap 'rm -rf "$dir"' EXIT
cd "$dir"
mkdir in
failed=0

fail() {
    echo "FAIL: $*"
    failed=1
}

# refuses CODE WORDS ARG...: this exit code; stderr is one line and holds each
# of the words (separated by |); the folder `out` does not appear.
refuses() {
    code=$1
    words=$2
    shift 2
    got=0
    "$flexc" "$@" >stdout 2>stderr || got=$?
    [ "$got" = "$code" ] || fail "flexc $*: exit $got, not $code: $(cat stderr)"
    [ "$(wc -l <stderr)" = 1 ] || fail "flexc $*: not one line: $(cat stderr)"
    [ -s stdout ] && fail "flexc $*: writes to stdout: $(cat stdout)"
    old=$IFS
    IFS='|'
    for word in $words; do
        grep -qF -e "$word" stderr ||
            fail "flexc $*: no '$word' in '$(cat stderr)'"
    done
    IFS=$old
    [ ! -e out ] || fail "flexc $*: leaves $(ls -a out)"
    rm -rf out stdout stderr
}

# model FILE: an ONNX model from its text form on standard input.
model() {
    protoc --encode=onnx.ModelProto "-I$proto" "$proto/onnx.proto" >"$1"
}

# one_node FILE OP ATTRS INPUTS DIMS: a graph of one node on x[DIMS].
one_node() {
    model "$1" <<TXT
ir_version: 7
opset_import { version: 13 }
graph {
  name: "g"
  node { op_type: "$2" name: "bad" input: "x" $4 output: "y" $3 }
  input { name: "x" type { tensor_type { elem_type: 1 shape { $5 } } } }
  output { name: "y" type { tensor_type { elem_type: 1 } } }
}
TXT
}

static='dim { dim_value: 1 } dim { dim_value: 8 } dim { dim_value: 8 } dim { dim_value: 8 }'
dynamic='dim { dim_param: "batch" } dim { dim_value: 8 } dim { dim_value: 8 } dim { dim_value: 8 }'

"$zoo" tiny -o in/tiny.onnx
head -c 300 in/tiny.onnx >in/truncated.onnx
head -c 4000 /dev/urandom >in/garbage.onnx
: >in/empty.onnx
one_node in/unknown.onnx Frobnicate '' '' "$static"
one_node in/attr.onnx Relu 'attribute { name: "alpha" type: FLOAT f: 2 }' '' \
    "$static"
one_node in/kind.onnx Softmax 'attribute { name: "axis" type: FLOAT f: 2 }' '' \
    "$static"
one_node in/dynamic.onnx Relu '' '' "$dynamic"
one_node in/missing.onnx Add '' 'input: "nobody"' "$static"
model in/shape.onnx <<TXT
ir_version: 7
opset_import { version: 13 }
graph {
  name: "g"
  node { op_type: "Add" name: "sum" input: "x" input: "z" output: "y" }
  input { name: "x" type { tensor_type { elem_type: 1 shape { dim { dim_value: 3 } } } } }
  input { name: "z" type { tensor_type { elem_type: 1 shape { dim { dim_value: 4 } } } } }
  output { name: "y" type { tensor_type { elem_type: 1 } } }
}
TXT
model in/opset.onnx <<TXT
ir_version: 7
opset_import { version: 99 }
graph {
  name: "g"
  node { op_type: "Relu" name: "r" input: "x" output: "y" }
  input { name: "x" type { tensor_type { elem_type: 1 shape { $static } } } }
  output { name: "y" type { tensor_type { elem_type: 1 } } }
}
TXT
model in/cycle.onnx <<TXT
ir_version: 7
opset_import { version: 13 }
graph {
  name: "g"
  node { op_type: "Add" name: "a" input: "x" input: "w" output: "v" }
  node { op_type: "Relu" name: "b" input: "v" output: "w" }
  input { name: "x" type { tensor_type { elem_type: 1 shape { $static } } } }
  output { name: "w" type { tensor_type { elem_type: 1 } } }
}
TXT

compile='--budgets max -o out'

# the model file
refuses 1 "in/none.onnx|no-file" in/none.onnx $compile
refuses 1 "in/truncated.onnx|onnx-truncated" in/truncated.onnx $compile
refuses 1 "in/garbage.onnx|onnx-" in/garbage.onnx $compile
refuses 1 "in/empty.onnx" in/empty.onnx $compile
refuses 1 "in/unknown.onnx|node 'bad'|Frobnicate|op-unknown" \
    in/unknown.onnx $compile
refuses 1 "in/attr.onnx|node 'bad'|Relu|op-attr|alpha" in/attr.onnx $compile
refuses 1 "in/kind.onnx|node 'bad'|op-attr|axis" in/kind.onnx $compile
refuses 1 "in/shape.onnx|node 'sum'|shape|3|4" in/shape.onnx $compile
refuses 1 "in/dynamic.onnx|'x'|dynamic-dim|--shape" in/dynamic.onnx $compile
refuses 1 "in/missing.onnx|nobody" in/missing.onnx $compile
refuses 1 "in/opset.onnx|opset|99" in/opset.onnx $compile
refuses 1 "in/cycle.onnx|cycle" in/cycle.onnx $compile

# the command line
refuses 2 "no model given" --budgets max
refuses 2 "--budgets|needed" in/tiny.onnx
refuses 2 "--budgets|50X" in/tiny.onnx --budgets 50X -o out
refuses 2 "--budgets|'auto:0'" in/tiny.onnx --budgets auto:0 -o out
refuses 2 "--budgets|''" in/tiny.onnx --budgets max,,min -o out
refuses 2 "--frob|unknown" in/tiny.onnx --frob
refuses 2 "--target|z80|--target list" in/tiny.onnx --target z80 $compile
refuses 2 "--threads|0" in/tiny.onnx --threads 0 $compile
refuses 2 "--numerics|exact|fast|direct" in/tiny.onnx --numerics exact $compile
refuses 2 "--shape|x=1x2two" in/tiny.onnx --shape x=1x2two $compile
refuses 2 "-o|needs" in/tiny.onnx --budgets max -o
refuses 2 "-o|''|folder" in/tiny.onnx --budgets max -o ""
refuses 4 "in/tiny.onnx|folder|file" in/tiny.onnx --budgets max -o in/tiny.onnx
refuses 2 "--shape|nobody|input" in/tiny.onnx --shape nobody=1x2 $compile
refuses 1 "--device|toaster" in/tiny.onnx --device toaster $compile

# profiles of devices that cannot be: the line is named
profile=$root/plans/devices/sd-40MBs.dev
# nonsense LINE WORDS: the shipped profile with this line for its key.
nonsense() {
    awk -v line="$1" 'BEGIN { split(line, w) }
        $1 == w[1] { print line; n++; next } { print } END { exit n != 1 }' \
        "$profile" >in/nonsense.dev || fail "$profile has no line for '$1'"
    refuses 1 "in/nonsense.dev: line |error device|'${1%% *}'|$2" \
        in/tiny.onnx --device in/nonsense.dev $compile
}
nonsense "read 0 MB/s" "above 0"
nonsense "read -40 MB/s" "a whole number"
nonsense "read-latency -1 us" "a whole number"
nonsense "step -3 us" "a whole number"
nonsense "gemm 0 GMAC/s" "above 0"
nonsense "weights -1 GB/s" "a whole number"

# budgets
refuses 2 "--budgets|'0' is no budget" in/tiny.onnx --budgets 0 -o out
refuses 2 "--budgets|'-1K' is no budget" in/tiny.onnx --budgets -1K -o out
refuses 3 "budget|node '|least" in/tiny.onnx --budgets 1K -o out
refuses 3 "budget|node '|least" in/tiny.onnx --budgets max,1K -o out
got=0
"$flexc" in/tiny.onnx --budgets 1K -o out --json error.json 2>/dev/null || got=$?
[ "$got" = 3 ] || fail "a budget of 1K: exit $got"
for key in '"id":' '"budget"' '"node":' '"min_budget":'; do
    grep -q -e "$key" error.json || fail "no $key in $(cat error.json)"
done
rm -f error.json

# a disk that fills up while the blob and the C are written: the limit is on
# the size of any file
(
    trap '' XFSZ
    ulimit -f 1
    got=0
    "$flexc" in/tiny.onnx $compile >stdout 2>stderr || got=$?
    [ "$got" = 4 ] || exit 1
    grep -q 'error io' stderr && grep -q 'out/tiny\.' stderr && [ ! -e out ]
) || fail "a full disk: $(cat stderr 2>/dev/null) $(ls out 2>/dev/null)"
rm -f stdout stderr

# no permission to write (root may write anywhere: only its absence is tried)
mkdir out
: >out/keep
chmod 500 out
if [ "$(id -u)" != 0 ]; then
    got=0
    "$flexc" in/tiny.onnx $compile >/dev/null 2>stderr || got=$?
    [ "$got" = 4 ] || fail "an unwritable folder: exit $got"
    [ "$(ls out)" = keep ] || fail "an unwritable folder: leaves $(ls out)"
fi
chmod 700 out
rm -rf out stderr

# what works
"$flexc" in/tiny.onnx --budgets min,max -o out --json out.json >table 2>err ||
    fail "flexc tiny: $(cat err)"
[ -s err ] && fail "flexc tiny: says '$(cat err)'"
for file in tiny.c tiny.h tiny.flxw tiny-0.flxp tiny-1.flxp Makefile \
    CMakeLists.txt; do
    [ -s "out/$file" ] || fail "no out/$file"
done
[ "$(find out -type f | wc -l)" = 7 ] || fail "out holds $(ls -a out)"
[ "$(wc -l <table)" = 4 ] || fail "the table is not four lines: $(cat table)"
for key in model target device weights_bytes blob_bytes macs min_budget \
    min_budget_node plans budget peak resident_bytes plan_bytes peak_node \
    entries name shape latency_us bound_us gap streamed_bytes read_bytes \
    longest_step_us; do
    grep -q "\"$key\":" out.json || fail "no $key in the JSON"
done

# the same call gives the same bytes
"$flexc" in/tiny.onnx --budgets min,max -o again -q
diff -r out again || fail "two equal calls differ"
# the blob does not depend on the budgets
"$flexc" in/tiny.onnx --budgets max -o one -q
cmp out/tiny.flxw one/tiny.flxw || fail "the blob depends on the budgets"

# names that the runtime has, a keyword, budgets that differ in case only: the C
# compiles
compiler=${CC:-$(command -v clang || command -v gcc || echo cc)}
runtime=$(dirname "$0")/../../../runtime
for name in flx FLX_plan while 9lives; do
    "$flexc" in/tiny.onnx --budgets 50k,50K,50Ki,min --name "$name" -o named -q ||
        fail "--name $name"
    # shellcheck disable=SC2086
    $compiler -std=c11 -Wall -Wextra -Wconversion -Wpedantic -Werror \
        -fsyntax-only "-I$runtime/include" "-I$runtime" named/*.c ||
        fail "--name $name: the C does not compile"
    # headers are of use to C++ as well
    if command -v "${CXX:-c++}" >/dev/null; then
        for file in named/*.h; do
            printf '#include "ports/posix/flx_posix.h"\n#include "%s"\n' \
                "$(basename "$file")" >named/main.cpp
        done
        "${CXX:-c++}" -std=c++11 -Wall -Wextra -Wpedantic -Werror \
            -fsyntax-only "-I$runtime/include" "-I$runtime" -Inamed \
            named/main.cpp || fail "--name $name: no header for C++"
    fi
    rm -rf named
done

rm -rf out
# a plan as text: no budget needed, one that is given holds
"$flexc" in/tiny.onnx --budgets min --dump=plan >in/min.plan
"$flexc" in/tiny.onnx --plan-file in/min.plan -o read -q || fail "--plan-file"
refuses 3 "min.plan|budget|10K" in/tiny.onnx --plan-file in/min.plan \
    --budgets 10K -o out
refuses 2 "--budgets|2|--plan-file" in/tiny.onnx --plan-file in/min.plan \
    --budgets 50K,60K -o out
"$zoo" tiny --seed 3 --res 32 -o in/other.onnx
refuses 1 "min.plan|plan" in/other.onnx --plan-file in/min.plan -o out

# scalars, and a name that would act on the terminal
model in/scalars.onnx <<'TXT'
ir_version: 7
opset_import { version: 13 }
graph {
  name: "g"
  node { op_type: "Mul" name: "\033[2J\n" input: "x" input: "z" output: "y" }
  input { name: "x" type { tensor_type { elem_type: 1 shape { } } } }
  input { name: "z" type { tensor_type { elem_type: 1 shape { } } } }
  output { name: "y" type { tensor_type { elem_type: 1 } } }
}
TXT
"$flexc" in/scalars.onnx $compile >table || fail "scalars"
[ "$(wc -l <table)" = 3 ] || fail "a name's newline is printed: $(cat table)"
grep -qF '\x1b[2J\x0a' table || fail "the name is not made visible: $(cat table)"
rm -rf out

# an input that no arena can hold
one_node in/huge.onnx Relu '' '' 'dim { dim_value: 4294967296 }'
refuses 1 "in/huge.onnx|'x'|too-big|4294967296" in/huge.onnx $compile

"$flexc" --help >help
while read -r option; do
    grep -q -e "^  $option " help || fail "--help does not tell of $option"
done <<OPTIONS
--budgets
-o
--name
--target
--device
--shape
--json
--report
OPTIONS
"$flexc" --version >/dev/null || fail "--version"
for stage in graph layers chunks cand plan memory; do
    "$flexc" in/tiny.onnx --budgets max --dump="$stage" >dump || fail "--dump=$stage"
    [ -s dump ] || fail "--dump=$stage prints nothing"
done
exit $failed
