#!/bin/sh
# flexc_faults.sh FLEXC FLEXRUN FLEXZOO PRELOAD: flexc compiles a small model
# while the k-th of its calls goes wrong (tests/fault/fault_preload.c), for k = 0,
# 1, 2 ... until there is no k-th: allocations, writes, renames; and the process
# is killed before the k-th change of the file system. Each time: the documented
# exit code and one line on stderr; what is there afterwards is what was there
# before, or a whole model, or is refused by flexrun, and never gives another
# output; nothing temporary is left (but by a kill); and the next flexc works.
set -eu
LC_ALL=C
export LC_ALL
flexc=$1
flexrun=$2
zoo=$3
preload=$4
dir=$(mktemp -d "${TMPDIR:-/tmp}/flexc-test-XXXXXX")
trap 'rm -rf "$dir"' EXIT
cd "$dir"
failed=0

fail() {
    echo "FAIL: $*"
    failed=1
}

LD_PRELOAD=$preload FLEXC_FAULT=alloc:0 FLEXC_FAULT_HIT=probe "$flexc" --version \
    >/dev/null 2>&1 || true
[ -e probe ] || {
    echo "skipped: no library can be loaded before this flexc's own"
    exit 77
}

digest() {
    sed -n 's/.*"sha256":[[:space:]]*"\(.*\)".*/\1/p' "$1"
}

"$zoo" tiny -o new.onnx
"$zoo" tiny --seed 7 -o old.onnx
for model in old new; do
    "$flexc" $model.onnx --name m --budgets min,max -o $model -q --tables
    "$flexrun" $model -q --json $model.json
done
[ "$(digest old.json)" != "$(digest new.json)" ] || fail "the models are alike"
ls new >whole

# look KIND K CODE: what is in `out` after a flexc that ended with CODE; before
# it there was the old model, or nothing.
look() {
    case $1 in
    kill) ;;
    *)
        if [ -d out ] && ls out | grep -q '\.tmp$'; then
            fail "$1:$2 leaves $(ls out | grep '\.tmp$')"
        fi
        [ "$was" = old ] || [ "$3" = 0 ] || [ ! -d out ] ||
            fail "$1:$2 leaves $(ls out)"
        ;;
    esac
    if "$flexrun" out -q --json run.json >/dev/null 2>said; then
        case $(digest run.json) in
        "$(digest new.json)") n_new=$((n_new + 1)) ;;
        "$(digest old.json)")
            n_old=$((n_old + 1))
            [ "$was" = old ] || fail "$1:$2: the old model out of nothing"
            [ "$3" != 0 ] || fail "$1:$2 has changed nothing"
            ;;
        *) fail "$1:$2: another output" ;;
        esac
    else
        n_refused=$((n_refused + 1))
        [ "$3" != 0 ] || fail "$1:$2: not complete: $(cat said)"
        [ "$(wc -l <said)" = 1 ] || fail "$1:$2: flexrun says $(cat said)"
        [ "$1" = kill ] || [ "$was" != old ] || [ "$1" = rename ] ||
            fail "$1:$2 has spoilt what was there: $(cat said)"
    fi
}

# enumerate KIND: until there is no k-th.
enumerate() {
    for was in nothing old; do
        k=0
        n_new=0
        n_old=0
        n_refused=0
        while :; do
            rm -rf out hit
            [ "$was" = nothing ] || cp -r old out
            code=0
            # In a shell of its own, so that nobody reports the killed child.
            {
                sh -c 'LD_PRELOAD=$1 FLEXC_FAULT=$2 FLEXC_FAULT_HIT=hit "$3" \
                    new.onnx --name m --budgets min,max -o out -q --tables \
                    2>said' sh "$preload" "$1:$k" "$flexc" || code=$?
            } 2>/dev/null
            [ -e hit ] || break
            case $1:$code in
            kill:137 | short:0) ;;
            # An allocation of a library for its comfort.
            alloc*:0) ;;
            alloc*:4 | write:4 | rename:4)
                [ "$(wc -l <said)" = 1 ] || fail "$1:$k says $(cat said)"
                ;;
            *) fail "$1:$k: exit code $code: $(cat said)" ;;
            esac
            look "$1" "$k" "$code"
            k=$((k + 1))
        done
        [ "$code" = 0 ] || fail "$1:$k, which does not happen: $code"
        [ "$k" -gt 0 ] || fail "$1: nothing to enumerate"
        # The next call, over what the last fault has left.
        "$flexc" new.onnx --name m --budgets min,max -o out -q --tables &&
            ls out | grep -v '\.tmp$' | cmp -s - whole ||
            fail "after $1: not repaired"
        echo "$1 over $was: $k faults; then new $n_new, old $n_old, refused \
$n_refused"
    done
}

for kind in alloc alloc-once write short rename kill; do
    enumerate $kind
done
exit $failed
