#!/usr/bin/env bash
# Makes a Python environment with the tools that look at Dockerfile.gpu and terraform/: hadolint, shellcheck, Terraform as a library, and a
# reader of HCL, pinned in terraform/tests/requirements.txt; and beside it the published types of the Google provider (npm
# @cdktf/provider-google). Both lie in target/cloud (under CARGO_TARGET_DIR where it is set). Prints the path of the environment's folder.
#
# Exit codes: 0 all is there, 3 something it needs is missing or a registry could not be reached, 1 anything else.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

cloud=${CARGO_TARGET_DIR:-target}/cloud
wanted=terraform/tests/requirements.txt
# Types of release 6.50.0 of the provider, which terraform/modules/gpu_host/versions.tf asks for.
types=@cdktf/provider-google@16.12.1
say() { printf 'cloud tools: %s\n' "$*" >&2; }

mkdir -p "$cloud"
# One at a time: two scripts that begin together would install over each other.
exec 9>"$cloud/.lock"
if command -v flock >/dev/null; then flock 9; fi
if ! cmp --silent "$wanted" "$cloud/installed.txt"; then
    command -v python3 >/dev/null || { say "python3 is not here"; exit 3; }
    rm -rf "$cloud/venv"
    python3 -m venv "$cloud/venv" >&2 || { say "python3 cannot make environments (Debian: python3-venv)"; exit 3; }
    "$cloud/venv/bin/python" -m pip install --quiet --retries 1 --disable-pip-version-check --only-binary :all: --no-deps -r "$wanted" >&2 || {
        say "the packages of $wanted could not be installed"
        exit 3
    }
    cp "$wanted" "$cloud/installed.txt"
fi
if [ "$(cat "$cloud/types.txt" 2>/dev/null)" != "$types" ]; then
    command -v npm >/dev/null || { say "npm is not here (Debian: npm)"; exit 3; }
    rm -rf "$cloud/types" "$cloud/types.txt"
    mkdir -p "$cloud/types"
    archive=$(cd "$cloud/types" && npm pack --silent "$types" 2>/dev/null) || { say "npm could not fetch $types"; exit 3; }
    # Of 30 MB only what describes the resources is kept.
    tar -xzf "$cloud/types/$archive" -C "$cloud/types" --strip-components=1 --wildcards 'package/lib/*/index.d.ts' package/package.json
    rm "$cloud/types/$archive"
    printf '%s' "$types" >"$cloud/types.txt"
fi
(cd "$cloud" && pwd)
