#!/usr/bin/env bash
# Tries Dockerfile.gpu without a Docker engine: performs its runtime stages in Debian roots (docker/check_image.py) and runs the demo in them.
#
# Usage: scripts/check_image.sh [BINARY]; without one it takes target/release/longrun (under CARGO_TARGET_DIR where it is set). The binary
# must have been built on the Dockerfile's Debian suite or an older one: the check compares its glibc. Roots are kept in target/image.
# Exit codes: 0 all held, or what it needs is missing (it says what); 1 something did not hold. LONGRUN_REQUIRE_IMAGE=1 makes missing needs a failure.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

target=${CARGO_TARGET_DIR:-target}
binary=${1:-$target/release/longrun}

missing() {
    printf 'image: %s\n' "$*" >&2
    [ "${LONGRUN_REQUIRE_IMAGE:-0}" = 1 ] && exit 1
    printf 'image: skipped\n' >&2
    exit 0
}

[ -x "$binary" ] || missing "$binary is not here; cargo build --release makes it, or name another"
[ "$(id -u)" = 0 ] || missing "only root can make a Debian root and mount it"
for tool in python3 debootstrap unshare objdump; do
    PATH=$PATH:/usr/sbin command -v "$tool" >/dev/null && continue
    case $tool in objdump) package=binutils ;; unshare) package=util-linux ;; *) package=$tool ;; esac
    command -v apt-get >/dev/null || missing "$tool is not here"
    printf 'image: installing %s\n' "$package" >&2
    { apt-get install -qq -y --no-install-recommends "$package" >/dev/null 2>&1 ||
        { apt-get -qq update && apt-get install -qq -y --no-install-recommends "$package" >/dev/null; }; } ||
        missing "$tool is not here, and Debian's package $package could not be installed"
done
unshare --mount --pid --fork --net true 2>/dev/null || missing "this machine does not allow new mount and network namespaces"

PATH=$PATH:/usr/sbin exec python3 -B docker/check_image.py "$binary" "$target/image"
