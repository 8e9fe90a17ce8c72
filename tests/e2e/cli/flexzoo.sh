#!/bin/sh
# flexzoo.sh FLEXZOO: the command line of flexzoo, as a user meets it: exact
# standard error and exit code of each refusal, and that nothing is left behind.
set -eu
zoo=$1
dir=$(mktemp -d "${TMPDIR:-/tmp}/flexc-test-XXXXXX")
trap 'rm -rf "$dir"' EXIT
cd "$dir"
failed=0

fail() {
    echo "FAIL: $*"
    failed=1
}

# refuses CODE STDERR ARG...: this exit code, exactly this line, no file.
refuses() {
    code=$1
    want=$2
    shift 2
    got_code=0
    "$zoo" "$@" >out 2>err || got_code=$?
    [ "$got_code" = "$code" ] || fail "flexzoo $*: exit $got_code, not $code"
    [ "$(cat err)" = "flexzoo: $want" ] ||
        fail "flexzoo $*: stderr '$(cat err)', not 'flexzoo: $want'"
    [ -s out ] && fail "flexzoo $*: writes to stdout"
    rm -f out err
    [ -z "$(ls)" ] || fail "flexzoo $*: leaves $(ls)"
}

refuses 2 "error usage: which network? flexzoo --list names them; flexzoo --help tells more"
refuses 2 "error usage: no network is called 'vgg'; flexzoo --list names those there are" \
    vgg -o x.onnx
refuses 2 "error usage: 'vit' after 'tiny': one network a call" tiny vit -o x.onnx
refuses 2 "option '-o': error usage: missing; add -o tiny.onnx" tiny
refuses 2 "option '-o': error usage: needs a value" tiny -o
refuses 2 "option '--frob': error usage: unknown; flexzoo --help lists the options" \
    tiny --frob -o x.onnx
refuses 2 "option '--res': error usage: '0' is not a positive whole number" \
    tiny --res 0 -o x.onnx
refuses 2 "option '--res': error usage: 100 is not a multiple of 32; try 96" \
    vgg19 --res=100 -o x.onnx
refuses 2 "option '--width': error usage: '9' is not a number in 0.01 .. 4" \
    tiny --width 9 -o x.onnx
refuses 2 "option '--seed': error usage: '-1' is not a whole number below 2^64" \
    tiny --seed -1 -o x.onnx
refuses 2 "option '--seq': error usage: 1025 is outside 1 .. 1024" \
    gpt2 --seq 1025 -o x.onnx
refuses 2 "option '--patch': error usage: does not apply to 'tiny'; leave it out" \
    tiny --patch 8 -o x.onnx
refuses 4 "no/x.onnx: error io: cannot create: No such file or directory" \
    tiny -o no/x.onnx

"$zoo" --help >help
for option in --seed --res --width --seq --patch --list -o; do
    grep -q -e "^  $option " help || fail "--help does not tell of $option"
done
"$zoo" --list >list
for name in vgg19 resnet152 mobilenetv2 squeezenet vit gpt2; do
    grep -q "^$name " list || fail "--list has no $name"
done
[ "$(awk '$1 == "vgg19" { print $2 }' list)" = 143667240 ] ||
    fail "--list: parameters of vgg19"
[ "$(awk '$1 == "gpt2" { print $2 }' list)" = 124439808 ] ||
    fail "--list: parameters of gpt2"
if [ -w /dev/full ]; then
    code=0
    "$zoo" --list >/dev/full 2>/dev/null || code=$?
    [ "$code" = 4 ] || fail "--list to a full device: exit $code, not 4"
fi
rm -f help list

"$zoo" tiny -o a.onnx
"$zoo" tiny --seed 1 --res 8 --width 1 -o b.onnx
"$zoo" tiny --seed=2 -o c.onnx
cmp a.onnx b.onnx || fail "the defaults are not seed 1, resolution 8, width 1"
cmp -s a.onnx c.onnx && fail "two seeds give the same file"
[ "$(ls)" = "a.onnx
b.onnx
c.onnx" ] || fail "left behind: $(ls)"

# Another implementation of protobuf reads the file as the schema has it.
proto=
for d in /usr/include/onnx /usr/local/include/onnx; do
    if [ -f $d/onnx.proto ]; then proto=$d; fi
done
if [ -n "$proto" ] && command -v protoc >/dev/null; then
    protoc -I"$proto" --decode=onnx.ModelProto onnx.proto <a.onnx >text
    [ "$(grep -c '^  node {' text)" = 4 ] || fail "protoc does not see 4 nodes"
    grep -q '^  [0-9]*: ' text && fail "protoc sees unknown fields"
    grep -q 'op_type: "Gemm"' text || fail "protoc sees no Gemm"
else
    echo "skipped: protoc (protobuf-compiler) is missing"
fi

[ $failed = 0 ] && echo "flexzoo: all as documented"
exit $failed
