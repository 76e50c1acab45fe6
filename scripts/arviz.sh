#!/usr/bin/env bash
# Makes a Python environment with ArviZ, pinned in tests/arviz/requirements.txt, in target/arviz (under CARGO_TARGET_DIR where it is
# set), and prints the path of its python. Tests that hold figures or files against ArviZ use it; nothing else does.
#
# Exit codes: 0 it is there, 3 there is no python3 with venv or the index could not be reached, 1 anything else.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

venv=${CARGO_TARGET_DIR:-target}/arviz
wanted=tests/arviz/requirements.txt
say() { printf 'arviz: %s\n' "$*" >&2; }

if ! cmp --silent "$wanted" "$venv/installed.txt"; then
    command -v python3 >/dev/null || { say "python3 is not here"; exit 3; }
    rm -rf "$venv"
    python3 -m venv "$venv" >&2 || { say "python3 cannot make environments (Debian: python3-venv)"; exit 3; }
    "$venv/bin/python" -m pip install --quiet --retries 1 --disable-pip-version-check --only-binary :all: -r "$wanted" >&2 || {
        say "the packages of $wanted could not be installed"
        exit 3
    }
    cp "$wanted" "$venv/installed.txt"
fi
printf '%s\n' "$(cd "$venv" && pwd)/bin/python"
