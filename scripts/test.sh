#!/usr/bin/env bash
# Everything a change must pass, in the order that fails soonest: format, lints, documentation, tests, image and machines. CI runs this script.
#
# GPU tests need a Vulkan adapter; where none can be had they say so and pass, unless LONGRUN_REQUIRE_GPU=1. Tests on CDNOW and
# the donations need scripts/fetch_cdnow.sh; without its files they say so and pass, unless LONGRUN_REQUIRE_DATA=1.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

step() {
    local name=$1 began=$SECONDS
    shift
    printf '\n== %s\n   %s\n' "$name" "$*"
    if ! "$@"; then
        printf '\ntest.sh: FAILED at "%s" after %d s: %s\n' "$name" "$((SECONDS - began))" "$*" >&2
        exit 1
    fi
    printf '   %s: %d s\n' "$name" "$((SECONDS - began))"
}

command -v cargo >/dev/null || {
    printf 'test.sh: cargo is not here; https://rustup.rs installs it\n' >&2
    exit 1
}

./scripts/vulkan.sh || [ $? = 3 ]

step format cargo fmt --all --check
step lints cargo clippy --locked --workspace --all-targets --all-features -- -D warnings
step documentation env RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --all-features --no-deps
step tests cargo test --locked --workspace --all-features
# What is no Rust: the image and the machines of docs/guide/gcp.md. Each says what it lacks where it cannot be tried.
step "image's lints" ./scripts/lint_image.sh
step terraform ./scripts/check_terraform.sh
step image ./scripts/check_image.sh "${CARGO_TARGET_DIR:-target}/debug/longrun"

printf '\ntest.sh: all passed in %d s\n' "$SECONDS"
