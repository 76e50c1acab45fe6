#!/usr/bin/env bash
# Lints Dockerfile.gpu (hadolint) and the shell scripts of the image, of the cloud host and of their checks (shellcheck, bash -n).
#
# Exit codes: 0 no complaint, or the linters could not be had (it says so); 1 a complaint. LONGRUN_REQUIRE_TERRAFORM=1 makes missing linters a failure.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

if ! cloud=$(scripts/cloud_tools.sh); then
    [ "${LONGRUN_REQUIRE_TERRAFORM:-0}" = 1 ] && exit 1
    printf 'lint: skipped, the linters could not be had\n' >&2
    exit 0
fi
PATH=$cloud/venv/bin:$PATH

hadolint --version
hadolint Dockerfile.gpu
scripts=(scripts/check_image.sh scripts/lint_image.sh scripts/cloud_tools.sh scripts/check_terraform.sh terraform/modules/gpu_host/host/*.sh)
for script in "${scripts[@]}"; do bash -n "$script"; done
shellcheck --version | sed -n 2p
shellcheck "${scripts[@]}"
printf 'lint: Dockerfile.gpu and %d scripts, no complaint\n' "${#scripts[@]}"
