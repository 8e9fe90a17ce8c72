#!/bin/sh
# demo_offline.sh BIN: the demo without network: seeded weights, three budgets,
# switches, one output.
set -eu
dir=$(mktemp -d "${TMPDIR:-/tmp}/flexc-test-XXXXXX")
trap 'rm -rf "$dir"' EXIT
FLEXC_BIN=$1 FLEXC_BUILD=$dir FLEXC_OFFLINE=1 \
    "$FLEXC_SOURCE_DIR/scripts/demo.sh" >"$dir/log" || {
    cat "$dir/log"
    exit 1
}
cat "$dir/log"
for text in 'seeded weights' 'from max to min' 'the same output each time'; do
    grep -q "$text" "$dir/log" || {
        echo "FAIL: the demo does not say '$text'"
        exit 1
    }
done
