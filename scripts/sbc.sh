#!/usr/bin/env bash
# Simulation-based calibration of every model, of the hierarchy and of covariates: docs/sbc/*.json (ranks) and the page docs/sbc.md. What was cut
# short goes on where it was (the journals lie in runs/sbc).
#
#   scripts/sbc.sh                     500 replications of each, with the release build
#   REPLICATIONS=50 scripts/sbc.sh bg_nbd:1:0 s_bg:1:0     (model : groups : covariates)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

replications=${REPLICATIONS:-500}
longrun=${LONGRUN:-target/release/longrun}
[ -x "$longrun" ] || cargo build --release
worlds=("$@")
[ $# -gt 0 ] || worlds=(bg_nbd:1:0 mbg_nbd:1:0 pareto_nbd:1:0 pareto_abe:1:0 nbd:1:0 bg_bb:1:0 s_bg:1:0 gamma_gamma:1:0
    bg_nbd:4:0 bg_nbd:1:2 mbg_nbd:1:2 pareto_nbd:1:2)

mkdir -p docs/sbc runs/sbc
# What the page says of other worlds stays.
awk '/^<!-- results -->$/ { on = 1 }
    on && /^## / { file = "runs/sbc/" $2 ".txt"; known = (getline line < file) >= 0; close(file); next }
    /^```/ { inside = !inside && /text/; next }
    on && inside && !known { print > file }' docs/sbc.md
failed=0
for world in "${worlds[@]}"; do
    IFS=: read -r model groups covariates <<<"$world"
    name=$model
    [ "$groups" = 1 ] || name=$name-$groups-groups
    [ "$covariates" = 0 ] || name=$name-$covariates-covariates
    ask=(sbc --model "$model" --groups "$groups" --covariates "$covariates" --replications "$replications" --journal "runs/sbc/$name.jsonl")
    # The second time the journal answers.
    "$longrun" "${ask[@]}" | tee "runs/sbc/$name.txt" || failed=1
    "$longrun" "${ask[@]}" --json | tr -d ' \n' >"docs/sbc/$name.json" || failed=1
    printf '\n' >>"docs/sbc/$name.json"
done

{
    sed '/^<!-- results -->$/q' docs/sbc.md
    for text in runs/sbc/*.txt; do
        printf '\n## %s\n\n```text\n' "$(basename "$text" .txt)"
        cat "$text"
        printf '```\n'
    done
} >docs/sbc.md.new
mv docs/sbc.md.new docs/sbc.md
exit $failed
