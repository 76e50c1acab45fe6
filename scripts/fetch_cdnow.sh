#!/usr/bin/env bash
# Fetches the CDNOW transaction logs into data/cdnow/: CDNOW_master.txt (23,570 customers) and CDNOW_sample.txt (2,357); and the
# donations of the BG/BB paper into data/donations/: donations.csv (11,104 people). `fetch_cdnow.sh cdnow` fetches CDNOW alone.
#
# They ship inside a Python wheel on PyPI (lifetimes 0.11.3). The wheel is downloaded, checked against a pinned SHA-256 and
# opened; nothing is installed. Needs gzip, and one of curl, wget or python3 with pip. PIP_INDEX_URL is honoured.
#
# Exit codes: 0 the files are there, 3 the index could not be reached, 1 anything else.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

wheel_name=Lifetimes-0.11.3-py3-none-any.whl
wheel_sha256=261e3dc89977c2b60767ca6728aaa29d429de0c814635070a749c36555895da8
wheel_url=https://files.pythonhosted.org/packages/c5/1f/ee6a471dcb5cb2f4dbc219023e07991f3b917875f9c8a5f5d77c00ddabca/$wheel_name
index=${PIP_INDEX_URL:-https://pypi.org/simple}
wanted=" ${*:-cdnow donations} "

# Per file: place under data/, SHA-256, where its compressed bytes lie in the wheel (offset, length), and its CRC-32 and size as
# they close a gzip stream (four little-endian bytes each).
files=(
    'cdnow/CDNOW_master.txt eff6889ed364c5199d6eacbbeb7a6d559971df4406ac876f322c373f00a072ef 14870 418559 \xbe\x9c\x9a\xaf\x24\xc3\x1d\x00'
    'cdnow/CDNOW_sample.txt 6fae10155c0b0ba363c2c386e30f77990d22328220efd862a5edd1443420d94a 433494 51510 \x9b\xd8\x9e\xf0\xe7\x7b\x03\x00'
    'donations/donations.csv 82c25f26a201ff047e1cd5fe3d7967a45db92a025ecedee72ff8940e50104544 507519 142 \x31\xb1\x8a\xe2\x00\x01\x00\x00'
)

say() { printf 'fetch_cdnow: %s\n' "$*" >&2; }

sha256() {
    if command -v sha256sum >/dev/null; then
        sha256sum "$1"
    else
        shasum -a 256 "$1"
    fi | cut -d ' ' -f 1
}

have() { [ -f "$1" ] && [ "$(sha256 "$1")" = "$2" ]; }

for set in $wanted; do
    case $set in cdnow | donations) ;; *) say "there is no set $set: cdnow, donations or both"; exit 1 ;; esac
done
missing=()
for file in "${files[@]}"; do
    read -r name sum _ <<<"$file"
    if [[ $wanted == *" ${name%/*} "* ]] && ! have "data/$name" "$sum"; then missing+=("$file"); fi
done

# Prints the page at $1, or saves it as $2.
get() {
    if command -v curl >/dev/null; then
        curl --fail --silent --show-error --location --connect-timeout 15 --max-time 300 --retry 2 --output "${2:--}" "$1"
    elif command -v wget >/dev/null; then
        wget --quiet --timeout=20 --tries=2 --output-document="${2:--}" "$1"
    else
        return 1
    fi
}

# The wheel's address as the package index gives it; relative addresses are completed, as mirrors use them.
address_from_index() {
    local page=${index%/}/lifetimes/ host href
    host=$(sed -E 's,^([a-z]+://[^/]+).*,\1,' <<<"$page")
    href=$(get "$page" | grep -oiE "href=[\"'][^\"']*$wheel_name" | head -n 1 | cut -c 7-) || return 1
    case $href in
    *://*) printf '%s\n' "$href" ;;
    /*) printf '%s\n' "$host$href" ;;
    ?*) printf '%s\n' "$page$href" ;;
    *) return 1 ;;
    esac
}

download() {
    local address
    if address=$(address_from_index) && get "$address" "$1"; then return; fi
    if get "$wheel_url" "$1"; then return; fi
    if command -v python3 >/dev/null && python3 -m pip --version >/dev/null 2>&1; then
        python3 -m pip download --quiet --retries 1 --disable-pip-version-check --no-deps --only-binary :all: \
            --dest "$(dirname "$1")" lifetimes==0.11.3 && mv "$(dirname "$1")/$wheel_name" "$1"
    else
        say "none of curl, wget and python3 with pip gave an answer"
        return 1
    fi
}

if [ ${#missing[@]} = 0 ]; then
    say "nothing is missing in data/"
    exit 0
fi

mkdir -p data
work=$(mktemp -d data/.fetch.XXXXXX)
trap 'rm -rf "$work"' EXIT

say "downloading $wheel_name from $(sed -E 's,(://)[^/@]*@,\1,' <<<"$index")"
if ! download "$work/wheel" 2>"$work/complaints"; then
    cut -c 1-160 "$work/complaints" | uniq | grep -v 'WARNING: Retrying' | sed 's/^/    /' >&2 || true
    say "could not reach the package index; check the network, or set PIP_INDEX_URL to a mirror"
    exit 3
fi
seen=$(sha256 "$work/wheel")
if [ "$seen" != "$wheel_sha256" ]; then
    say "the download is not the file that was pinned: SHA-256 is $seen, expected $wheel_sha256"
    exit 1
fi

# A wheel is a zip file, and a member of a zip file is a gzip stream without its ten leading and eight closing bytes. The wheel
# is pinned, so every offset is known, and gzip alone opens it: no unzip and no Python needed.
for file in "${missing[@]}"; do
    read -r name sum offset length closing <<<"$file"
    {
        printf '\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03'
        head -c "$((offset + length))" "$work/wheel" | tail -c "$length"
        printf '%b' "$closing"
    } | gzip -dc >"$work/${name##*/}"
    have "$work/${name##*/}" "$sum" || { say "$name did not come out of the wheel whole"; exit 1; }
done
for file in "${missing[@]}"; do
    read -r name _ <<<"$file"
    mkdir -p "data/${name%/*}"
    mv "$work/${name##*/}" "data/$name"
    say "data/$name is ready"
done
