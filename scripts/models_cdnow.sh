#!/usr/bin/env bash
# All of CDNOW under every purchase model of continuous time, one group, 4 chains × (500 + 500): one Markdown table of leave-one-out
# scores, holdout scores and the wall time of each fit. Needs data/cdnow (scripts/fetch_cdnow.sh).
#
# Usage: scripts/models_cdnow.sh BINARY [--set KEY=VALUE …]
set -euo pipefail
[ $# -ge 1 ] || {
    sed -n '2,5s/^# \{0,1\}//p' "$0" >&2
    exit 2
}
binary=$(realpath "$1")
shift
cd "$(dirname "${BASH_SOURCE[0]}")/.."
out=runs/models
mkdir -p "$out"
runs=()
for model in nbd bg_nbd mbg_nbd pareto_nbd pareto_abe; do
    run=$out/$model
    status=0
    "$binary" run configs/cdnow.toml --quiet --overwrite --set groups.by=none --set "groups={}" --set "purchase.model=$model" \
        --set sampler.warmup=500 --set sampler.draws=500 --set "output.dir=$run" "$@" >"$run.txt" 2>&1 || status=$?
    [ "$status" -le 1 ] || { cat "$run.txt" >&2; exit "$status"; }
    runs+=("$run")
done
"$binary" compare --json "${runs[@]}" >"$out/compare.json"
python3 - "$out" <<'PY'
import json, sys
out = sys.argv[1]
print("| model | elpd, less the best | effective parameters | weight | largest Pareto k | holdout: predicted (90 %) | MAE | Gini | 90 % intervals hold | verdict | fit | whole run |")
print("|" + " --- |" * 12)
compared = json.load(open(f"{out}/compare.json"))
for run in compared["runs"]:
    telemetry = json.load(open(f"{run['run']}/telemetry.json"))
    loo, holdout = run["loo"], run["holdout"]
    total = holdout["total"]
    away = f"{run['difference']:+.1f} ({run['difference_se']:.1f})" if run["difference"] else "0"
    print(f"| {run['name']} | {away} | {loo['p_loo']:.1f} | {run['weight']:.3f} | {loo['k_max']:.2f} "
          f"| {total['mean']:,.0f} ({total['q05']:,.0f} – {total['q95']:,.0f}) | {holdout['mae']:.3f} | {holdout['gini_normalized']:.3f} "
          f"| {100 * holdout['coverage']['90']:.1f} % | {run['verdict']} | {telemetry['fits']['purchase']['wall_s']:.1f} s "
          f"| {sum(step['wall_s'] for step in telemetry['steps'].values()):.1f} s |")
print(f"\n{compared['customers']:,} customers; {total['actual']:,.0f} purchases happened in the holdout.")
PY
