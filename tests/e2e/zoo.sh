#!/bin/sh
# zoo.sh FLEXC FLEXRUN FLEXZOO REFRUN: small networks of every kind that the zoo
# writes, at several budgets: the same bits at all of them (flexrun compares),
# within 1e-3 |want| + 1e-4 max|want| of naive operators in double precision,
# arena in use = the plan's peak <= the budget, steps and reads as planned. Once
# through table files, once through the emitted C.
set -eu
flexc=$1
flexrun=$2
zoo=$3
refrun=$4
dir=$(mktemp -d "${TMPDIR:-/tmp}/flexc-test-XXXXXX")
trap 'rm -rf "$dir"' EXIT
cd "$dir"
failed=0

fail() {
    echo "FAIL: $*"
    failed=1
}

# values KEY FILE: the numbers of a key in a JSON file, one a line.
values() {
    sed -n "s/^.*\"$1\":[[:space:]]*\([0-9.e+-]*\),\{0,1\}\$/\1/p" "$2"
}

# network NAME [OPTION]...: compiles for the least budget, for all weights resident, and for
# two in between; runs each.
network() {
    name=$1
    shift
    "$zoo" "$name" "$@" -o "$name.onnx" || exit 1
    mkdir -p "$name"
    printf 'close 0.001 0.0001\n' >"$name/tolerance"
    "$refrun" "$name.onnx" -o "$name/output" --seed 3 >/dev/null || {
        fail "$name: refrun"
        return
    }
    "$flexc" "$name.onnx" --budgets min,max -o probe -q --tables \
        --json probe.json || {
        fail "$name: flexc"
        return
    }
    least=$(values peak probe.json | head -n 1)
    most=$(values peak probe.json | tail -n 1)
    budgets="min,$(((least * 3 + most) / 4)),$(((least + most) / 2)),max"
    for tables in --tables ""; do
        rm -rf out
        # shellcheck disable=SC2086
        "$flexc" "$name.onnx" --budgets "$budgets" -o out -q $tables \
            --json plan.json || {
            fail "$name: flexc --budgets $budgets $tables"
            return
        }
        for plan in 0 1 2 3; do
            check_plan "$name" "$plan" "${tables:-C}"
        done
    done
    echo "$name: budgets $budgets"
    rm -rf "$name" "$name.onnx" probe out
}

check_plan() {
    what="$1 plan $2 ($3)"
    "$flexrun" out --plan "$2" --seed 3 --runs 2 --check "$1" -q \
        --json run.json || {
        fail "$what"
        return
    }
    line=$(($2 + 1))
    peak=$(values peak plan.json | sed -n "${line}p")
    streamed=$(values streamed_bytes plan.json | sed -n "${line}p")
    first_read=$(values read_bytes plan.json | sed -n "${line}p")
    [ "$(values arena_peak run.json)" = "$peak" ] ||
        fail "$what: arena $(values arena_peak run.json), planned $peak"
    planned=$((first_read + streamed))
    [ "$(values bytes_read run.json)" = "$planned" ] ||
        fail "$what: read $(values bytes_read run.json) bytes in two \
inferences, planned $planned"
    digest=$(sed -n 's/.*"sha256":[[:space:]]*"\(.*\)".*/\1/p' run.json)
    if [ "$2" = 0 ] && [ "$3" = --tables ]; then
        first=$digest
    fi
    [ "$digest" = "$first" ] || fail "$what: other bits than plan 0"
}

for network in tiny squeezenet-small mobilenetv2-small resnet-small \
    vgg19-small vit-small gpt2-small; do
    network "$network"
done
# ViT-B/16: all twelve blocks, of two heads.
network vit --patch 16 --res 64 --width 0.167
exit $failed
