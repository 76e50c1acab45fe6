#!/usr/bin/env bash
# Starts an emulator of Google Cloud Storage on this machine and prints its port; the tests of src/storage use the same one.
# Its Python packages live in target/emulators (or in CARGO_TARGET_DIR); --install makes that and starts nothing. Other arguments go to gcs_emulator.py:
#   scripts/gcs_emulator.sh --port 9023 --bucket shop
#   STORAGE_EMULATOR_HOST=127.0.0.1:9023 longrun run gs://shop/shop.toml
set -euo pipefail
cd "$(dirname "$0")/.."
home=${CARGO_TARGET_DIR:-target}/emulators
if ! "$home/bin/python" -c 'import gcp_storage_emulator, moto, flask' 2> /dev/null; then
  echo "gcs_emulator.sh: installing its packages into $home, once" >&2
  python3 -m venv "$home"
  "$home/bin/pip" install --quiet 'gcp-storage-emulator==2026.7.19' 'moto[server]==5.2.5'
fi
if [ "${1:-}" = --install ]; then exit 0; fi
exec "$home/bin/python" scripts/gcs_emulator.py "$@"
