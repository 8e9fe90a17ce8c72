#!/bin/sh
# commands.sh FLEXC FLEXZOO: flexc inspect tells what is in each kind of file,
# flexc check runs what was compiled; both refuse what is damaged, with one line
# that names the file.
set -eu
flexc=$1
zoo=$2
dir=$(mktemp -d "${TMPDIR:-/tmp}/flexc-test-XXXXXX")
trap 'rm -rf "$dir"' EXIT
cd "$dir"
failed=0

fail() {
    echo "FAIL: $*"
    failed=1
}

# tells WORDS ARG...: succeeds, and stdout holds each word (separated by |).
tells() {
    words=$1
    shift
    "$flexc" "$@" >stdout 2>stderr || fail "flexc $*: $(cat stderr)"
    [ ! -s stderr ] || fail "flexc $* says $(cat stderr)"
    has "$words" stdout "$*"
}

# refuses CODE WORDS ARG...: this exit code, nothing on stdout, one line on
# stderr with each of the words.
refuses() {
    code=$1
    words=$2
    shift 2
    got=0
    "$flexc" "$@" >stdout 2>stderr || got=$?
    [ "$got" = "$code" ] || fail "flexc $*: exit $got, not $code"
    [ ! -s stdout ] || fail "flexc $* prints $(head -n 3 stdout)"
    [ "$(wc -l <stderr)" = 1 ] || fail "flexc $*: not one line: $(cat stderr)"
    has "$words" stderr "$*"
}

has() {
    old=$IFS
    IFS='|'
    for word in $1; do
        grep -qF -e "$word" "$2" || fail "flexc $3: no '$word' in $(cat "$2")"
    done
    IFS=$old
}

# patch FILE OFFSET: another byte there.
patch() {
    byte=$(od -An -tu1 -j"$2" -N1 "$1" | tr -d ' ')
    # shellcheck disable=SC2059
    printf "\\$(printf %o $((byte ^ 255)))" |
        dd of="$1" bs=1 seek="$2" conv=notrunc 2>/dev/null
}

"$zoo" tiny -o tiny.onnx
"$zoo" squeezenet-small -o net.onnx
"$flexc" tiny.onnx --budgets min,max -o c -q --json c.json
"$flexc" net.onnx --budgets min,120K,max --tables -o t -q --json t.json
"$flexc" tiny.onnx --budgets min --dump=plan >tiny.plan

# values KEY FILE: the numbers of a key in a JSON file, one a line.
values() {
    sed -n "s/^.*\"$1\":[[:space:]]*\([0-9.e+-]*\),\{0,1\}\$/\1/p" "$2"
}

# ---- inspect ----

tells "graph tiny|Conv conv |Gemm fc |input input f32[1,3,8,8]|output output" \
    inspect tiny.onnx
tells "weight blob|read alignment|$(values blob_bytes t.json)" \
    inspect t/net.flxw
id=$(sed -n 's/^model id  *//p' stdout)
tells "tables of model 'net'|$id|'input' float 1x3x64x64|'output' float 1x10|\
plan 0, |plan 1, budget 120K|plan 2, budget max|layer 1 'features.0'" \
    inspect t/net.flxt
for peak in $(values peak t.json); do
    grep -q "arena $peak," stdout || fail "inspect t/net.flxt: no peak $peak"
done
cp tiny.plan other-name
tells "plan 1|peak $(values peak c.json | head -n 1)|end-of-plan" \
    inspect other-name

refuses 1 "none|no-file" inspect none
refuses 1 "c|error" inspect c
: >empty
refuses 1 "empty|error" inspect empty
refuses 1 "c/Makefile|input|.onnx" inspect c/Makefile
head -c 40 t/net.flxw >cut.flxw
refuses 1 "cut.flxw|blob" inspect cut.flxw
head -c 5000 t/net.flxw >cut.flxw
refuses 1 "cut.flxw|blob|length" inspect cut.flxw
cp t/net.flxw bad.flxw
patch bad.flxw 33
refuses 1 "bad.flxw|blob|checksum" inspect bad.flxw
head -c 400 t/net.flxt >cut.flxt
refuses 1 "cut.flxt|table" inspect cut.flxt
cp t/net.flxt bad.flxt
patch bad.flxt 500
refuses 1 "bad.flxt|table|checksum" inspect bad.flxt
head -c 300 tiny.onnx >cut.onnx
refuses 1 "cut.onnx|onnx-truncated" inspect cut.onnx
head -n 5 tiny.plan >cut.plan
refuses 1 "cut.plan|text" inspect cut.plan
refuses 2 "inspect|FILE" inspect
refuses 2 "inspect|FILE" inspect tiny.onnx net.onnx
refuses 2 "inspect|FILE" inspect -q

# ---- check ----

tells "plan 0 |plan 1 for max|switches|the same bits" check c
tells "plan 0 |plan 1 for 120K|plan 2 for max|switches|the same bits" check t
for peak in $(values peak t.json); do
    grep -q "arena $peak," stdout || fail "check t: no peak $peak"
done
refuses 1 "none|no-file" check none
mkdir nothing
refuses 1 "nothing|no compiled model" check nothing
refuses 2 "check|DIR" check
cp -r t damaged
patch damaged/net.flxw 100
refuses 1 "damaged/net.flxw|blob" check damaged
cp t/net.flxw damaged/net.flxw
patch damaged/net.flxt 500
refuses 1 "damaged/net.flxt|table" check damaged

# a model that is called like a command
cp tiny.onnx check
tells "check: 3 layers|max" ./check --budgets max -o out

"$flexc" --help >help
for command in inspect check; do
    grep -q "^  flexc $command " help || fail "--help does not tell of $command"
done
exit $failed
