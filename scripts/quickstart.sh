#!/usr/bin/env bash
# From a clone to a report: builds longrun, fetches CDNOW (a retailer's real log, 23,570 customers), fits it, and ends with the
# table of results and the report's path. Without network it does the same on a simulated log.
#
# Exit codes are longrun's: 0 healthy, 1 finished but the diagnostics refuse the result, 2 failed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

say() { printf '\n== %s\n' "$*"; }
fail() {
    printf '\nquickstart: %s\n' "$*" >&2
    exit 2
}

command -v cargo >/dev/null || fail "cargo is not here; https://rustup.rs installs it in a minute"
command -v cc >/dev/null || fail "no C linker is here; on Debian or Ubuntu: sudo apt-get install build-essential"

say "building longrun (release)"
cargo build --release --locked --bin longrun || fail "the build failed; the lines above say where"
target=$(cargo metadata --format-version 1 --no-deps | sed -E 's/.*"target_directory":"([^"]*)".*/\1/')
longrun=$target/release/longrun

say "fetching CDNOW"
status=0
./scripts/fetch_cdnow.sh cdnow || status=$?
case $status in
0)
    config=configs/cdnow.toml
    ;;
3)
    config=configs/demo.toml
    say "no network: going on with a simulated log"
    "$longrun" simulate --output data/demo
    ;;
*)
    fail "CDNOW could not be fetched; the line above says why"
    ;;
esac

# A directory of its own, so that running this again replaces nothing else.
say "longrun run $config"
status=0
"$longrun" run "$config" --set output.dir=runs/quickstart --overwrite || status=$?
case $status in
0) ;;
1) printf '\nquickstart: the run finished, but its diagnostics refuse the result; the report says why\n' >&2 ;;
*) printf '\nquickstart: the run failed; the lines above say where and what to try\n' >&2 ;;
esac
exit "$status"
