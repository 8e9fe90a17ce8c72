#!/bin/sh
# flexrun.sh FLEXC FLEXRUN FLEXZOO PROTO_DIR: the command line of flexrun: for
# each mistake the documented exit code and one line that names the file or
# option and the way out; what works, from both kinds of compiled models.
set -eu
flexc=$1
flexrun=$2
zoo=$3
proto=$4
dir=$(mktemp -d "${TMPDIR:-/tmp}/flexc-test-XXXXXX")
trap 'rm -rf "$dir"' EXIT
cd "$dir"
TMPDIR=$dir/temp
export TMPDIR
mkdir "$TMPDIR"
failed=0

fail() {
    echo "FAIL: $*"
    failed=1
}

# refuses CODE WORDS ARG...: this exit code; stderr is one line and holds each
# of the words (separated by |).
refuses() {
    code=$1
    words=$2
    shift 2
    got=0
    "$flexrun" "$@" >stdout 2>stderr || got=$?
    [ "$got" = "$code" ] || fail "flexrun $*: exit $got, not $code: $(cat stderr)"
    [ "$(wc -l <stderr)" = 1 ] || fail "flexrun $*: not one line: $(cat stderr)"
    old=$IFS
    IFS='|'
    for word in $words; do
        grep -qF -e "$word" stderr ||
            fail "flexrun $*: no '$word' in '$(cat stderr)'"
    done
    IFS=$old
    [ -z "$(ls "$TMPDIR")" ] || fail "flexrun $*: leaves $(ls "$TMPDIR")"
}

# runs ARG...: without a word on stderr.
runs() {
    "$flexrun" "$@" >stdout 2>stderr || fail "flexrun $*: $(cat stderr)"
    [ -s stderr ] && fail "flexrun $*: says $(cat stderr)"
    [ -z "$(ls "$TMPDIR")" ] || fail "flexrun $*: leaves $(ls "$TMPDIR")"
}

digest() {
    sed -n 's/.*"sha256":[[:space:]]*"\(.*\)".*/\1/p' "$1"
}

# flip FILE OFFSET: changes one bit of a byte.
flip() {
    byte=$(od -An -tu1 -j"$2" -N1 "$1" | tr -d ' ')
    # shellcheck disable=SC2059
    printf "$(printf '\\%03o' $((byte ^ 1)))" |
        dd of="$1" bs=1 seek="$2" conv=notrunc 2>/dev/null
}

"$zoo" tiny -o tiny.onnx
"$zoo" tiny --seed 2 -o other.onnx
"$flexc" tiny.onnx --budgets min,max -o table -q --tables
"$flexc" tiny.onnx --budgets min,max -o code -q
"$flexc" other.onnx --budgets min,max -o other -q --tables

# ---- the command line ----
refuses 2 "no model is given|--help"
refuses 2 "--frob|--help" table --frob
refuses 2 "--plan|no plan 7|2, from 0" table --plan 7
refuses 3 "--budget|1K|least" table --budget 1K
refuses 3 "--budget|least" table --budget 1
refuses 2 "--budget|maximal|min|max" table --budget maximal
refuses 2 "--weights" table --weights f16
refuses 2 "--threads|at most 1|flexc --threads 4" table --threads 4
refuses 2 "--input|one too many|1 inputs" table --input a.npy --input b.npy
refuses 2 "--entry|decode|main" table --entry decode
refuses 2 "--switch|STEP:PLAN" table --switch 1
refuses 2 "--switch|no plan 5" table --switch 0:5
refuses 2 "--switch|99999|never reached" table --switch 99999:0
refuses 2 "--budgets|compiled already" table --budgets max

# ---- the model ----
mkdir empty two
cp table/*.flxw two/a.flxw
cp table/*.flxw two/b.flxw
refuses 1 "none|no-file" none
refuses 1 "empty|no compiled model|flexc" empty
refuses 1 "two|more than one" two
cp -r table bad
name=$(basename table/*.flxt .flxt)
flip "bad/$name.flxt" 100
refuses 1 "bad/$name.flxt|table|checksum|compile the model again" bad
head -c 64 "table/$name.flxt" >"bad/$name.flxt"
refuses 1 "bad/$name.flxt|table|length" bad
cp "table/$name.flxt" bad/
# one bit of the first chunk
flip "bad/$name.flxw" 4100
for storage in cached direct memory; do
    refuses 1 "bad/$name.flxw|blob|checksum" bad --storage $storage
done
head -c 200 "table/$name.flxw" >"bad/$name.flxw"
refuses 1 "bad/$name.flxw|cut off" bad
cp other/*.flxw "bad/$name.flxw"
refuses 1 "bad/$name.flxw|model-id|not the weights of this model" bad
rm "bad/$name.flxw"
refuses 1 "bad/$name.flxw|no-file|compile the model again" bad
mkdir bad/"$name.flxw"
refuses 1 "bad/$name.flxw" bad

# ---- inputs ----
runs table -q --output plain --json plain.json
head -c 90 plain_0.npy >cut.npy
printf 'hello' >hello.pb
refuses 1 "none.npy|no-file" table --input none.npy
refuses 1 "cut.npy|input|header" table --input cut.npy
refuses 1 "hello.pb|TensorProto" table --input hello.pb
refuses 1 "plain_0.npy|input needs [1,3,8,8] float" table --input plain_0.npy
cp hello.pb hello.png
refuses 1 "hello.png|PNG or JPEG" table --input hello.png
refuses 2 "--input|nobody|'input'" table --input nobody=hello.pb

# ---- running and checking ----
for key in plan budget runs latency_ms median min max arena_peak \
    rss_over_idle bytes_read steps longest_step_us plan_longest_step_us \
    switches outputs name shape sha256; do
    grep -q "\"$key\":" plain.json || fail "no $key in the JSON"
done
want=$(digest plain.json)
[ ${#want} = 64 ] || fail "the digest is '$want'"
tail -c 40 plain_0.npy | sha256sum | grep -q "^$want " ||
    fail "the file holds other bytes than the digest is of"
for arg in "--plan 1" "--budget 1G" "--budget min" "--budget max" "--runs 3 --warmup 2" "--storage memory" \
    "--storage direct" "--switch 0:1" "--switch random:5"; do
    # shellcheck disable=SC2086
    runs table -q --json run.json $arg
    [ "$(digest run.json)" = "$want" ] || fail "$arg: other bits"
done
runs table -q --json run.json --seed 1
[ "$(digest run.json)" != "$want" ] || fail "another seed gives the same bits"
runs table
grep -q "sha256 $want" stdout || fail "the text has no digest"
runs table --json -
grep -q '^{' stdout || fail "--json - prints more than the JSON"
[ "$(digest stdout)" = "$want" ] || fail "--json -: other bits"
runs table -q --trace trace.json --runs 2
grep -q '"ph":"X"' trace.json || fail "no events in the trace"
runs table --profile-layers
grep -q 'GFLOP/s' stdout || fail "--profile-layers prints no table"

mkdir check
cp plain_0.npy check/output_0.npy
runs table -q --check check --rtol 0
flip check/output_0.npy $(($(wc -c <plain_0.npy) - 1)) # a sign or exponent
refuses 5 "mismatch|output 0|1 of 10|[0,9]|got" table -q --check check
refuses 1 "output_0" table -q --check empty
printf 'nearly\n' >check/tolerance
refuses 1 "check/tolerance|close R A" table -q --check check

# ---- the emitted C ----
cp -r code fresh
refuses 1 "fresh/tiny.so|--no-build" fresh --no-build
[ ! -e fresh/tiny.so ] || fail "--no-build builds"
CC=false refuses 4 "child|CC" fresh
CC=/none/cc refuses 4 "child|/none/cc|CC" fresh
[ "$(find fresh -type f | wc -l)" = 7 ] || fail "failed builds leave $(ls fresh)"
runs code -q --json run.json
[ "$(digest run.json)" = "$want" ] || fail "the C gives other bits"
runs code -q --no-build --plan 1 --json run.json
[ "$(digest run.json)" = "$want" ] || fail "the C gives other bits under plan 1"
inode=$(ls -i code/tiny.so)
runs code -q
runs "$dir/code/" -q
[ "$(ls -i code/tiny.so)" = "$inode" ] || fail "builds again without need"
for words in "min 0" "max 1"; do
    runs code -q --budget "${words% *}" --json run.json
    grep -q "\"plan\":[[:space:]]*${words#* }" run.json ||
        fail "--budget ${words% *} takes another plan than ${words#* }"
done

# another version of the format: told from the source before it is built, else
# by the library before its tables are looked at
cp -r fresh versions
sed -i '1s/; format [0-9]*,/; format 1,/' versions/tiny.c
refuses 1 "versions/tiny.c|version 1,|compile the model again" versions
[ ! -e versions/tiny.so ] || fail "builds a source of another version"
sed -i -e '1s/; format 1,//' -e 's/[.]version = .*/.version = 1u,/' versions/tiny.c
refuses 1 "versions/tiny.so|version 1,|compile the model again" versions
sed -i 's/FORMAT_VERSION == [0-9]*,/FORMAT_VERSION == 1,/' versions/tiny.c
got=0
"$flexrun" versions >stdout 2>stderr || got=$?
[ "$got" = 4 ] && grep -q 'compile the model again' stderr ||
    fail "headers of another version: exit $got, $(cat stderr)"

# a signal while the compiler runs, and one while flexc does
cat >slow-cc <<'SH'
#!/bin/sh
case "$*" in *--version*) echo slow; exit ;; esac
for arg; do
    case $arg in *.tmp.so) : >"$arg" ;; esac
done
kill -"$SIGNAL" $PPID
exec sleep 60
SH
chmod +x slow-cc
cp -r fresh ended
for SIGNAL in INT TERM HUP; do
    export SIGNAL
    got=0
    CC=$dir/slow-cc "$flexrun" ended >stdout 2>stderr || got=$?
    case $got in 129 | 130 | 143) ;; *) fail "SIG$SIGNAL: exit $got" ;; esac
    [ "$(find ended -type f | wc -l)" = 7 ] ||
        fail "SIG$SIGNAL leaves $(ls ended)"
done
CC=$dir/slow-cc "$flexrun" tiny.onnx --cc >stdout 2>stderr && fail "no signal"
[ -z "$(ls "$TMPDIR")" ] || fail "a signal leaves $(ls "$TMPDIR")"

# --no-build starts no process, a compiler that is asked for its version neither.
cat >noting-cc <<'END'
#!/bin/sh
touch "$(dirname "$0")/was-called"
exec cc "$@"
END
chmod +x noting-cc
export CC="$dir/noting-cc"
runs code -q --json run.json
rm was-called
runs code -q --no-build --json run.json
[ ! -e was-called ] || fail "--no-build runs the compiler"
unset CC
runs code -q --json run.json

echo '/* changed */' >>code/tiny.c
refuses 1 "code/tiny.so|older" code --no-build
echo '#error "not C any more"' >>code/tiny.c
got=0
"$flexrun" code >stdout 2>stderr || got=$?
[ "$got" = 4 ] || fail "a source that does not compile: exit $got"
tail -n 1 stderr | grep -q 'code/tiny.c' || fail "no name of the source"
[ -e code/tiny.so ] || fail "a failed build removes the old library"

"$flexc" tiny.onnx --budgets min,max -o within -q --inline-blob
"$flexc" tiny.onnx --budgets min,max -o alone -q --self-contained
runs within -q --json run.json
[ "$(digest run.json)" = "$want" ] || fail "--inline-blob: other bits"
runs alone -q --plan 1 --json run.json
[ "$(digest run.json)" = "$want" ] || fail "--self-contained: other bits"

# ---- a model that is compiled first ----
runs tiny.onnx -q --budgets min,max
runs tiny.onnx -q --cc --json run.json
[ "$(digest run.json)" = "$want" ] || fail "tiny.onnx: other bits"
head -c 300 tiny.onnx >cut.onnx
refuses 1 "cut.onnx|onnx-truncated" cut.onnx
refuses 3 "budget|least" tiny.onnx --budgets 1K
FLEXC=/none/flexc
export FLEXC
runs tiny.onnx -q # the one beside flexrun comes first
unset FLEXC

# ---- folders of tests ----
if command -v protoc >/dev/null; then
    # put MESSAGE FILE: text form on standard input
    put() {
        protoc --encode="onnx.$1" "-I$proto" "$proto/onnx.proto" >"$2"
    }
    # case NAME OP VALUE: y = OP(x, z) with x = 1 2, z = 3 4 and y = 4 VALUE
    case_of() {
        mkdir -p "$1/test_data_set_0"
        put ModelProto "$1/model.onnx" <<TXT
ir_version: 7
opset_import { version: 13 }
graph {
  name: "g"
  node { op_type: "$2" input: "x" input: "z" output: "y" }
  input { name: "x" type { tensor_type { elem_type: 1 shape { dim { dim_value: 2 } } } } }
  input { name: "z" type { tensor_type { elem_type: 1 shape { dim { dim_param: "n" } } } } }
  output { name: "y" type { tensor_type { elem_type: 1 shape { dim { dim_value: 2 } } } } }
}
TXT
        for file in "input_0 1 2" "input_1 3 4" "output_0 4 $3"; do
            # shellcheck disable=SC2086
            set -- "$1" $file
            echo "dims: 2 data_type: 1 float_data: $3 float_data: $4" |
                put TensorProto "$1/test_data_set_0/$2.pb"
        done
    }
    case_of right Add 6
    case_of wrong Add 7
    case_of strange Frobnicate 6
    mkdir hollow
    got=0
    "$flexrun" --conformance right wrong/ strange hollow --budgets min,max \
        >stdout 2>stderr || got=$?
    [ "$got" = 5 ] || fail "--conformance: exit $got"
    grep -qx 'right ok' stdout || fail "right: $(cat stdout)"
    grep -q '^wrong FAIL .*\[1\]: got 6, expected 7' stdout ||
        fail "wrong: $(cat stdout)"
    grep -q '^strange unsupported Frobnicate' stdout ||
        fail "strange: $(cat stdout)"
    grep -q '^hollow FAIL .*model.onnx' stdout || fail "hollow: $(cat stdout)"
    [ "$(tail -n 1 stdout)" = "1 passed, 2 failed, 1 skipped" ] ||
        fail "the last line: $(tail -n 1 stdout)"
    runs --conformance right
    [ -z "$(ls "$TMPDIR")" ] || fail "--conformance leaves $(ls "$TMPDIR")"
else
    echo "skipped: protoc (protobuf-compiler) is missing"
fi
exit $failed
