#!/usr/bin/env bash
# Times the four ways to fit configs/cdnow.toml ({NUTS, ChEES} × {CPU, GPU}) and prints a Markdown table from each run's
# telemetry.json and diagnostics.json. Usage: scripts/bench_cdnow.sh [ADAPTER]; without an adapter's name the GPU rows are left out.
set -euo pipefail
cd "$(dirname "$0")/.."
adapter=${1:-}

cargo build --release --locked --quiet
target=$(cargo metadata --format-version 1 --no-deps | python3 -c 'import json, sys; print(json.load(sys.stdin)["target_directory"])')
longrun="$target/release/longrun"
out=runs/bench
mkdir -p "$out"

row() { # NAME, then --set arguments
  local name=$1 status=0
  shift
  "$longrun" run configs/cdnow.toml --quiet --overwrite --set "output.dir=$out/$name" "$@" >"$out/$name.txt" 2>&1 || status=$?
  [ "$status" -le 1 ] || { cat "$out/$name.txt" >&2; exit "$status"; }
  python3 - "$out/$name" "$name" <<'PY'
import json, sys
run, name = sys.argv[1:]
telemetry = json.load(open(f"{run}/telemetry.json"))
diagnostics = json.load(open(f"{run}/diagnostics.json"))
total = sum(step["wall_s"] for step in telemetry["steps"].values())
for fit, cost in telemetry["fits"].items():
    facts = next(f for f in diagnostics["fits"] if f["fit"] == fit)
    print(f'| {name} | {fit} | {facts["chains"]} × {facts["draws"]} | {facts["verdict"]} | {facts["divergences"]} '
          f'| {cost["wall_s"]:.1f} | {cost["gradient_evaluations"]:,} | {cost["min_ess_bulk"]:.0f} | {cost["min_ess_per_s"]:.1f} | {total:.1f} |')
PY
}

echo "| sampler and backend | fit | chains × draws | verdict | divergences | fit s | gradients | least bulk ESS | ESS/s | whole run s |"
echo "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |"
nuts=(--set sampler.kind=nuts)
chees=(--set sampler.kind=chees --set sampler.chains=16 --set sampler.warmup=500 --set sampler.draws=700 --set sampler.shard_draws=175)
row nuts-cpu "${nuts[@]}" --set compute.backend=cpu
row chees-cpu "${chees[@]}" --set compute.backend=cpu
if [ -n "$adapter" ]; then
  row nuts-gpu "${nuts[@]}" --set compute.backend=gpu --set "compute.adapter=$adapter"
  row chees-gpu "${chees[@]}" --set compute.backend=gpu --set "compute.adapter=$adapter"
fi
