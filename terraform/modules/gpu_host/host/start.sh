#!/usr/bin/env bash
# Runs as root at every start of the machine, from its metadata. Makes it fit to work: the data disk, NVIDIA's driver *with Vulkan*, Docker,
# the container image; then does what the machine's role says. Whatever goes wrong is logged with severity ERROR, and the machine goes off.
#
# Nothing here knows about customers or models. Commands are found by PATH and paths begin with LONGRUN_HOST_ROOT (empty), so that
# terraform/tests can try every ending on a machine without a GPU.
set -Eeuo pipefail

metadata=${LONGRUN_METADATA:-http://metadata.google.internal/computeMetadata/v1}
root=${LONGRUN_HOST_ROOT:-}
data=$root/var/lib/longrun
programs=$root/usr/local/sbin
uid=10001 # the user of the container image
export DEBIAN_FRONTEND=noninteractive

attribute() { curl -sf --retry 5 --retry-connrefused -H 'Metadata-Flavor: Google' "$metadata/instance/attributes/$1"; }

# One line for Cloud Logging: SEVERITY EVENT MESSAGE. Until the forwarder is there, the serial console has to do.
say() {
    local line
    line=$(python3 -c 'import datetime, json, sys; t = datetime.datetime.now(datetime.timezone.utc); print(json.dumps({"time": t.isoformat(), "severity": sys.argv[1], "event": sys.argv[2], "message": sys.argv[3]}))' "$@")
    if [ -x "$programs/longrun-forward-logs" ]; then printf '%s\n' "$line" | "$programs/longrun-forward-logs"; else printf '%s\n' "$line"; fi
}

fail() { # MESSAGE
    trap - EXIT
    say ERROR host_failed "$1"
    [ "${role:-nightly}" = dev ] || power_off
    exit 1
}
power_off() { if [ -x "$programs/longrun-power-off" ]; then "$programs/longrun-power-off"; else systemctl poweroff; fi; }
at=unknown
trap 'at=$LINENO' ERR
trap 'fail "start.sh ended at line $at, which nobody foresaw; the serial console has the lines before"' EXIT

install_files() {
    role=$(attribute longrun-role) || fail "the machine's metadata has no longrun-role"
    mkdir -p "$programs" "$root/etc/systemd/system"
    local key
    for key in forward-logs night power-off; do
        attribute "longrun-$key" >"$programs/longrun-$key"
        chmod 0755 "$programs/longrun-$key"
    done
    attribute longrun-unit >"$root/etc/systemd/system/longrun-night.service"
    systemctl daemon-reload
}

mount_data() {
    local disk=$root/dev/disk/by-id/google-longrun
    [ -e "$disk" ] || fail "there is no disk $disk: attached_disk.device_name must be longrun"
    # A disk that holds something is never formatted.
    if [ -z "$(blkid -o value -s TYPE "$disk" || true)" ]; then mkfs.ext4 -q -m 0 -L longrun "$disk"; fi
    mkdir -p "$data"
    mountpoint -q "$data" || mount -o noatime,nodev,nosuid "$disk" "$data"
    mkdir -p "$data/.host"
    chown "$uid:$uid" "$data"
}

packages() { apt-get -o Acquire::Retries=3 -o DPkg::Lock::Timeout=300 install -qq -y --no-install-recommends "$@" >&2; }

sees_nvidia() { vulkaninfo --summary 2>/dev/null | grep -E '^[[:space:]]*deviceName[[:space:]]*=.*NVIDIA' >/dev/null; }

# The driver's compute half is what images for machine learning come with; Vulkan is in the other half, libnvidia-gl.
assert_driver() {
    command -v nvidia-smi >/dev/null || fail "there is no NVIDIA driver: nvidia-smi is missing; boot_image must have one"
    local version branch gl exact
    version=$(nvidia-smi --query-gpu=driver_version --format=csv,noheader | head -n 1) || fail "nvidia-smi does not reach the GPU: $version"
    branch=${version%%.*}
    if ! command -v vulkaninfo >/dev/null; then
        apt-get -qq update >&2 || true
        packages libvulkan1 vulkan-tools || fail "vulkan-tools could not be installed; the first start needs the way out that nat = true opens"
    fi
    if ! sees_nvidia; then
        case $branch in '' | *[!0-9]*) fail "nvidia-smi names no driver version: $version" ;; esac
        gl=libnvidia-gl-$branch
        if dpkg-query -W "libnvidia-compute-$branch-server" >/dev/null 2>&1; then gl=$gl-server; fi
        # Both halves and the kernel's module must be of one version, to the last digit.
        exact=$(dpkg-query -W -f '${Version}' "${gl/-gl-/-compute-}" 2>/dev/null || true)
        say INFO driver_incomplete "Vulkan does not see the GPU with driver $version; installing $gl${exact:+ $exact}"
        apt-get -qq update >&2 || true
        packages "$gl${exact:+=$exact}" ||
            fail "$gl${exact:+ $exact} could not be installed: the archive has moved on (take a newer boot_image) or cannot be reached (nat = true)"
        sees_nvidia || fail "Vulkan does not see the GPU although $gl is installed: driver $version; vulkaninfo says: $(vulkaninfo --summary 2>&1 | tail -n 5 | tr '\n' ' ')"
    fi
    say INFO driver_ready "driver $version, and Vulkan sees the GPU"
}

assert_docker() {
    if ! command -v docker >/dev/null || ! command -v nvidia-ctk >/dev/null; then
        local keyring=$root/usr/share/keyrings/nvidia-container-toolkit.gpg list=$root/etc/apt/sources.list.d/nvidia-container-toolkit.list
        mkdir -p "${keyring%/*}" "${list%/*}"
        curl -fsSL --retry 5 https://nvidia.github.io/libnvidia-container/gpgkey | gpg --dearmor --yes -o "$keyring" ||
            fail "the key of the NVIDIA Container Toolkit could not be fetched; the first start needs the way out that nat = true opens"
        printf 'deb [signed-by=%s] https://nvidia.github.io/libnvidia-container/stable/deb/amd64 /\n' "$keyring" >"$list"
        apt-get -qq update >&2 || true
        packages docker.io nvidia-container-toolkit || fail "docker.io and nvidia-container-toolkit could not be installed"
        nvidia-ctk runtime configure --runtime=docker >&2
        systemctl restart docker
    fi
}

pull_image() {
    image=$(attribute longrun-image) || fail "the machine's metadata has no longrun-image"
    if ! docker image inspect "$image" >/dev/null 2>&1; then
        # A token of the machine's own account, for this one pull; nothing of it stays on the disk.
        local login
        login=$(mktemp -d)
        curl -sf -H 'Metadata-Flavor: Google' "$metadata/instance/service-accounts/default/token" |
            python3 -c 'import json, sys; print(json.load(sys.stdin)["access_token"])' |
            docker --config "$login" login -u oauth2accesstoken --password-stdin "https://${image%%/*}" >&2 || fail "Artifact Registry refuses the machine's account"
        docker --config "$login" pull --quiet "$image" >&2 || fail "the image $image could not be pulled: is it there, and may the machine's account read it?"
        rm -rf "$login"
    fi
    local capabilities doctor
    capabilities=$(attribute longrun-capabilities)
    doctor=$(docker run --rm --gpus all --env "NVIDIA_DRIVER_CAPABILITIES=$capabilities" --read-only --tmpfs /tmp "$image" doctor --json) ||
        fail "longrun doctor fails in the container"
    printf '%s' "$doctor" | python3 -c 'import json, sys; sys.exit(not any(not a["software"] for a in json.load(sys.stdin)["adapters"]))' ||
        fail "longrun doctor sees no GPU in the container, although Vulkan does outside: $(printf '%s' "$doctor" | tr -d '\n' | cut -c 1-600)"
}

install_files
# Updates come with a newer boot image, not in the middle of a night: half an updated driver is none.
systemctl stop apt-daily.timer apt-daily-upgrade.timer unattended-upgrades.service 2>/dev/null || true
mount_data
assert_driver
assert_docker
pull_image

trap - EXIT
if [ "$role" = dev ]; then
    say INFO host_ready "ready; the machine goes off by itself after max_run_minutes"
else
    # The unit turns the machine off when it ends, however it ends.
    systemctl start --no-block longrun-night.service || fail "longrun-night.service could not be started"
fi
