#!/bin/sh
# plans.sh BUILD [MODEL]...: writes docs/PLANS.md; with models only prints it, of
# them alone. For each of FlexNN's six networks on three device profiles: the
# least budget; at the budget aimed at and at FlexNN's smallest, the predicted
# latency, the same against everything resident, the proven bound, and the time
# to plan. Networks come from flexzoo, seeded.
set -eu
LC_ALL=C
export LC_ALL
root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/scripts/lib.sh"
[ $# -ge 1 ] || die "usage: scripts/plans.sh BUILD [MODEL]..."
build=$(cd "$1" && pwd)
shift
target=x86-64-v4
work=$(mktemp -d "${TMPDIR:-/tmp}/flexc-plans-XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

# model, budget aimed at, FlexNN's smallest
list() {
    cat <<'L'
vgg19 6M 60M
resnet152 4M 35M
mobilenetv2 1.2M 12M
squeezenet 1.5M 10M
vit 3.5M 200M
gpt2 32M 370M
L
}

# number KEY FILE: the first number of this key.
number() {
    sed -n "s/.*\"$1\":[[:space:]]*\([-0-9.e+]*\).*/\1/p" "$2" | head -n 1
}

# plans DEVICE BUDGETS JSON
plan() {
    "$build/flexc" "$work/model.onnx" --name m --target "$target" \
        --device "$1" --budgets "$2" --compress none --tables -q \
        -o "$work/out" --json "$3"
    rm -r "$work/out"
}

rows() {
    list | while read -r name ours flexnn; do
        case " $* " in "  " | *" $name "*) ;; *) continue ;; esac
        "$build/flexzoo" "$name" -o "$work/model.onnx"
        for device in page-cache nvme-1GBs sd-40MBs; do
            plan "$device" "max" "$work/max.json"
            max=$(number latency_us "$work/max.json")
            least=$(number min_budget "$work/max.json")
            for budget in "$ours" "$flexnn"; do
                if plan "$device" "$budget" "$work/p.json" 2>/dev/null; then
                    awk -v n="$name" -v d="$device" -v least="$least" \
                        -v b="$budget" -v peak="$(number peak "$work/p.json")" \
                        -v t="$(number latency_us "$work/p.json")" \
                        -v low="$(number bound_us "$work/p.json")" \
                        -v max="$max" \
                        -v ms="$(number planning_ms "$work/p.json")" 'BEGIN {
printf "| %s | %s | %.2f | %s | %.2f | %.2f | %.2f | %.1f%% | %.0f |\n", n, d,
       least / 1e6, b, t / 1e3, t / max, low / max, 100 * (t / low - 1), ms
                        }'
                else
                    awk -v n="$name" -v d="$device" -v least="$least" \
                        -v b="$budget" 'BEGIN {
printf "| %s | %s | %.2f | %s | none | | | | |\n", n, d, least / 1e6, b }'
                fi
            done
        done
    done
}

page() {
    cat <<'P'
# Plans

Made by `scripts/plans.sh`: what the planner predicts, target x86-64-v4, one
compute thread and one loader, raw weights. *Least*: the smallest budget that
was found, MB of 10^6 bytes, everything counted. *Of max*: latency against the
same network with everything resident. *Bound*: the proven lower bound (DESIGN,
Planner), likewise. *Gap*: latency over bound. *Planning*: processor time for the
least plan and this one.

| network | profile | least MB | budget | ms | of max | bound | gap | planning ms |
|---|---|---|---|---|---|---|---|---|
P
    rows "$@"
}

if [ $# -eq 0 ]; then
    page >"$work/PLANS.md"
    mv "$work/PLANS.md" "$root/docs/PLANS.md"
else
    page "$@"
fi
