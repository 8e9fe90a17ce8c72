#!/bin/sh
# odd.sh ODD_CASES FLEXRUN: odd inputs (odd_cases.c), at the least budget and with
# everything resident, as they are and with inputs turned into initialisers.
set -eu
cases=$1
flexrun=$2
dir=$(mktemp -d "${TMPDIR:-/tmp}/flexc-test-XXXXXX")
trap 'rm -rf "$dir"' EXIT
mkdir "$dir/cases" "$dir/tmp"
"$cases" "$dir/cases"
status=0
TMPDIR=$dir/tmp "$flexrun" --conformance "$dir"/cases/* --budgets min,max \
    >"$dir/out" || status=$?
grep -v ' ok$' "$dir/out"
[ $status = 0 ] && grep -q '^[1-9][0-9]* passed, 0 failed, 0 skipped$' "$dir/out"
