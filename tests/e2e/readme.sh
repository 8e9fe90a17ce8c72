#!/bin/sh
# readme.sh BIN: README.md's session prints what README.md says.
set -eu
# The session names its target, whose code this machine must run.
if ! grep -qw avx2 /proc/cpuinfo 2>/dev/null; then
    echo "skipped: the session is for x86-64-v3"
    exit 77
fi
"$FLEXC_SOURCE_DIR/scripts/readme-session" "$1" --check
echo "readme: as printed"
