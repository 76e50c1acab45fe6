#!/usr/bin/env bash
# How soon a project's monitor notices a change of behaviour, and how often it cries wolf: simulated shops of three years, a champion
# trained after the first, every fortnight of the other two scored, labelled and judged; once as they are, once with a change.
#
#   scripts/replay.sh BINARY [SEEDS] [CUSTOMERS]
#
# The change: from 2024-01-01 on every second purchase does not happen (drawn by a hash of customer and day). Prints a line per seed and
# a summary; needs bash, awk and jq-less JSON of longrun itself (python3 reads it).
set -euo pipefail
binary=$(realpath "${1:?usage: scripts/replay.sh BINARY [SEEDS] [CUSTOMERS]}")
seeds=${2:-20}
customers=${3:-2500}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
changed_on=2024-01-01

project() { # project NAME LOG
    "$binary" init "$work/$1" --data "$2" --quiet >/dev/null
    cat >"$work/$1/longrun.toml" <<TOML
[data]
path = "$2"
[predict]
draws = 100
[lifecycle]
prediction_months = 3
[lifecycle.schedule]
every_days = 14
for_weeks = 520
[lifecycle.behaviour]
clusters = 3
TOML
    "$binary" train -C "$work/$1" --cutoff 2022-12-31 --today 2023-04-15 --quiet >/dev/null
    "$binary" promote challenger -C "$work/$1" --today 2023-04-15 --quiet >/dev/null
    "$binary" pipeline -C "$work/$1" --today 2025-01-02 --quiet >/dev/null
    "$binary" history -C "$work/$1" --json --quiet >"$work/$1.json"
}

printf '%-6s %9s %14s %28s\n' seed windows 'false alarms' 'alarm after the change, in'
for seed in $(seq 1 "$seeds"); do
    "$binary" simulate --output "$work/shop" --customers "$customers" --groups 1 --start 2022-01-01 --acquisition-days 1000 \
        --observe-days 1100 --seed "$seed" --quiet >/dev/null
    awk -F, -v on="$changed_on" 'function hash(text, i, h) {
            h = 7; for (i = 1; i <= length(text); i++) h = (h * 31 + index("0123456789C-", substr(text, i, 1))) % 1000003; return h }
        NR == 1 || $2 < on || hash($1 $2) % 2 == 0' "$work/shop/transactions.csv" >"$work/changed.csv"
    project "clean-$seed" "$work/shop/transactions.csv"
    project "changed-$seed" "$work/changed.csv"
    python3 - "$seed" "$work/clean-$seed.json" "$work/changed-$seed.json" "$changed_on" <<'PY' | tee -a "$work/lines"
import json, sys
seed, clean, changed, on = sys.argv[1:]
def judged(path):
    return [r["monitor"] for r in json.load(open(path))["snapshots"] if r["monitor"]]
clean, changed = judged(clean), judged(changed)
false = sum(m["breach"] for m in clean) + sum(m["breach"] for m in changed if m["window_end"] < on)
touched = [m for m in changed if m["window_end"] >= on]
first = next((n + 1 for n, m in enumerate(touched) if m["breach"]), None)
full = next((n + 1 for n, m in enumerate([m for m in touched if m["cutoff"] >= on]) if m["breach"]), None)
print(f"{seed:<6} {len(clean):>9} {false:>14} {str(first):>8} windows that touch it, {str(full)} of those wholly after it")
PY
    rm -rf "$work/clean-$seed" "$work/changed-$seed" "$work/shop"
done
awk '{ windows += $2; false += $3; if ($4 != "None") { n++; sum += $4; if ($4 > most) most = $4 } }
    END { printf "\n%d false alarms in %d judged windows of %d shops; the change was noticed in %d of them, after %.1f windows on average, %d at most\n",
          false, windows, NR, n, n ? sum / n : 0, most }' "$work/lines"
