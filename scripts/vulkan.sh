#!/usr/bin/env bash
# Makes sure the GPU tests have a Vulkan loader and Mesa's software driver (lavapipe), installing them where that is allowed.
#
# longrun itself needs neither; only its tests do. Which adapter a test runs on is the test's own choice: no ICD variable is set.
# Exit codes: 0 both are there, 3 they are not and could not be installed.
set -euo pipefail

say() { printf 'vulkan: %s\n' "$*" >&2; }

loader() { PATH=$PATH:/sbin:/usr/sbin ldconfig -p 2>/dev/null | grep -q 'libvulkan\.so\.1'; }
driver() { compgen -G '/usr/share/vulkan/icd.d/lvp_icd*.json' >/dev/null || compgen -G '/etc/vulkan/icd.d/lvp_icd*.json' >/dev/null; }

if loader && driver; then exit 0; fi

if ! command -v apt-get >/dev/null; then
    say "no software driver is here, and no apt-get to install one; GPU tests run only if another adapter is found"
    exit 3
fi
if [ "$(id -u)" = 0 ]; then
    as_root=()
elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
    as_root=(sudo -n)
else
    say "no software driver is here; for the GPU tests: sudo apt-get install libvulkan1 mesa-vulkan-drivers"
    exit 3
fi

say "installing libvulkan1 and mesa-vulkan-drivers"
install() {
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get -o Acquire::Retries=2 -o DPkg::Lock::Timeout=120 install -qq -y --no-install-recommends libvulkan1 mesa-vulkan-drivers
}
if install >/dev/null 2>&1 || { "${as_root[@]}" apt-get -qq update && install >/dev/null; }; then
    loader && driver && exit 0
fi
say "the installation did not succeed; GPU tests run only if another adapter is found"
exit 3
