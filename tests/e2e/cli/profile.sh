#!/bin/sh
# profile.sh FLEXC FLEXZOO: flexc profile measures this machine into a profile
# that a compile takes; it refuses what it does not understand, and leaves
# nothing behind but the file. Numbers are not looked at: other programs run.
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

# refuses CODE WORD ARG...
refuses() {
    code=$1
    word=$2
    shift 2
    got=0
    "$flexc" profile "$@" >stdout 2>stderr || got=$?
    [ "$got" = "$code" ] || fail "flexc profile $*: exit $got, not $code"
    [ ! -s stdout ] || fail "flexc profile $*: prints $(head -n 3 stdout)"
    grep -qF -e "$word" stderr ||
        fail "flexc profile $*: no '$word' in $(cat stderr)"
}

refuses 2 --target a.dev --target
refuses 2 z80 a.dev --target z80
refuses 2 'does not run on this machine' a.dev --target cortex-m4
refuses 2 --storage a.dev --storage tape
refuses 2 --quick a.dev --quick yes
refuses 2 two a.dev b.dev
mkdir weights
refuses 4 no-such a.dev --folder no-such
[ ! -e a.dev ] || fail "a refused profile is there"

echo "of another time" >host.dev
"$flexc" profile host.dev --folder weights >stdout || fail "flexc profile"
cat stdout
grep -q '^name host$' host.dev || fail "the profile is not named host"
for key in storage loader-shares-core read read-latency decode step gemm \
    depthwise weights ewise pool winograd transform exp cache; do
    grep -q "^$key " host.dev || fail "no $key in $(cat host.dev)"
done
[ -z "$(ls weights)" ] || fail "left behind: $(ls weights)"
grep -q 'gemv' stdout || fail "the table has no gemv"
"$zoo" tiny -o tiny.onnx
"$flexc" tiny.onnx --budgets max --device host.dev -o tiny ||
    fail "a compile does not take it"
exit $failed
