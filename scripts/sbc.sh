#!/usr/bin/env bash
# Simulation-based calibration of every model and of the hierarchy: docs/sbc/*.json (ranks) and the page docs/sbc.md. What was cut
# short goes on where it was (the journals lie in runs/sbc).
#
#   scripts/sbc.sh                     500 replications of each, with the release build
#   REPLICATIONS=50 scripts/sbc.sh bg_nbd:1 s_bg:1
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

replications=${REPLICATIONS:-500}
longrun=${LONGRUN:-target/release/longrun}
[ -x "$longrun" ] || cargo build --release
worlds=("$@")
[ $# -gt 0 ] || worlds=(bg_nbd:1 mbg_nbd:1 pareto_nbd:1 bg_bb:1 s_bg:1 gamma_gamma:1 bg_nbd:4)

mkdir -p docs/sbc runs/sbc
failed=0
for world in "${worlds[@]}"; do
    model=${world%%:*}
    groups=${world##*:}
    name=$model
    [ "$groups" = 1 ] || name=$model-$groups-groups
    ask=(sbc --model "$model" --groups "$groups" --replications "$replications" --journal "runs/sbc/$name.jsonl")
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
