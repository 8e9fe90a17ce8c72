#!/bin/sh
# plans.sh BUILD [MODEL]...: writes docs/PLANS.md; with models only prints it, of
# them alone. For each of FlexNN's six networks on three device profiles: the
# least budget; at the budget aimed at and at FlexNN's smallest, the predicted
# latency, the same against everything resident, the proven bound, the peak
# against what lives at once, and the time to plan; then the time to plan 32
# budgets. What scripts/switch-time wrote stays. Networks come from flexzoo,
# seeded.
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
        -o "$work/out" --json "$3" --report "$work/report.html"
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
                        -v live="$(number most_live "$work/report.html")" \
                        -v ms="$(number planning_ms "$work/p.json")" 'BEGIN {
printf "| %s | %s | %.2f | %s | %.2f | %.2f | %.2f | %.1f%% | %.3f | %.0f |\n",
       n, d, least / 1e6, b, t / 1e3, t / max, low / max, 100 * (t / low - 1),
       peak / live, ms
                        }'
                else
                    awk -v n="$name" -v d="$device" -v least="$least" \
                        -v b="$budget" 'BEGIN {
printf "| %s | %s | %.2f | %s | none | | | | | |\n", n, d, least / 1e6, b }'
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
Planner), likewise. *Gap*: latency over bound. *Peak / live*: the plan's peak over
the largest sum of bytes that live at once: no placement could go below 1.
*Planning*: processor time for the least budget and this plan.

| network | profile | least MB | budget | ms | of max | bound | gap | peak / live | planning ms |
|---|---|---|---|---|---|---|---|---|---|
P
    rows "$@"
    cat <<'P'

Processor time to plan 32 budgets at equal ratios, from the least to what holds
everything:

| network | page-cache ms | nvme-1GBs ms | sd-40MBs ms |
|---|---|---|---|
P
    many "$@"
}

# The text of 32 budgets at equal ratios.
budgets() {
    awk -v a="$1" -v b="$2" 'BEGIN {
        for (i = 0; i < 32; i++)
            printf "%s%d", i ? "," : "", a * exp(log(b / a) * i / 31) + 1 }'
}

many() {
    list | while read -r name ours flexnn; do
        case " $* " in "  " | *" $name "*) ;; *) continue ;; esac
        "$build/flexzoo" "$name" -o "$work/model.onnx"
        row="| $name |"
        for device in page-cache nvme-1GBs sd-40MBs; do
            plan "$device" "max" "$work/p.json"
            asked=$(budgets "$(number min_budget "$work/p.json")" \
                "$(number peak "$work/p.json")")
            plan "$device" "$asked" "$work/p.json"
            row="$row $(number planning_ms "$work/p.json" |
                awk '{ printf "%.0f", $1 }') |"
        done
        echo "$row"
    done
}

if [ $# -eq 0 ]; then
    page >"$work/PLANS.md"
    sed -n '/^## Switching/,$p' "$root/docs/PLANS.md" >"$work/switching"
    [ ! -s "$work/switching" ] || echo >>"$work/PLANS.md"
    cat "$work/switching" >>"$work/PLANS.md"
    mv "$work/PLANS.md" "$root/docs/PLANS.md"
else
    page "$@"
fi
