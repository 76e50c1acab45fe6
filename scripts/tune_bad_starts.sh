#!/usr/bin/env bash
# Ten deliberately bad starts, each a simulated log and a configuration with one fault, through `longrun tune --advisor rules`. Prints a
# Markdown table: what was found, what was changed, how many runs and seconds it took until the verdict passed, or what it said instead.
#
#   scripts/tune_bad_starts.sh [PROGRAM] [FOLDER]     default: target/release/longrun, and a folder that is removed afterwards
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
longrun=$(realpath "${1:-$root/target/release/longrun}")
[ -x "$longrun" ] || {
    printf 'tune_bad_starts: no program at %s; build it with cargo build --release\n' "$longrun" >&2
    exit 2
}
command -v python3 >/dev/null || {
    printf 'tune_bad_starts: python3 makes the table and the faults; it is not here\n' >&2
    exit 2
}
if [ $# -ge 2 ]; then
    mkdir -p "$2"
    cd "$2"
else
    folder=$(mktemp -d)
    trap 'rm -rf "$folder"' EXIT
    cd "$folder"
fi

"$longrun" simulate --output shop --customers 6000 --groups 3 --seed 11 --quiet >/dev/null
# 60 small groups: the spread between them is a funnel in centred coordinates.
"$longrun" simulate --output many --customers 1500 --groups 60 --seed 12 --quiet >/dev/null
"$longrun" simulate --output weeks --kind summary --customers 6000 --groups 1 --seed 13 --quiet >/dev/null

python3 - <<'PY'
import csv, datetime, os
def rows(path):
    with open(path, newline="") as f:
        return list(csv.DictReader(f))
def write(folder, rows):
    os.makedirs(folder, exist_ok=True)
    with open(f"{folder}/transactions.csv", "w", newline="") as f:
        w = csv.DictWriter(f, rows[0].keys())
        w.writeheader()
        w.writerows(rows)
shop = rows("shop/transactions.csv")
# A segment in which nobody came back: first purchases alone of every customer of one group.
groups = sorted({r["group"] for r in shop})
first = {}
for r in sorted(shop, key=lambda r: r["date"]):
    first.setdefault(r["customer_id"], r)
write("silent", [r for r in shop if r["group"] != groups[-1] or first[r["customer_id"]] is r])
write("double", shop + shop)
day = lambda r: datetime.date.fromisoformat(r["date"]).strftime("%d/%m/%Y")
write("dates", [{**r, "date": day(r)} for r in shop])
PY

config() { # name, lines
    printf '%s\n' "$2" >"$1.toml"
}
config 01-centred-funnel '[data]
path = "many/transactions.csv"
[groups]
by = "column"
column = "group"
[purchase.hierarchy]
centring = "centred"
[spend.hierarchy]
centring = "centred"'
config 02-target-accept-0.5 '[data]
path = "shop/transactions.csv"
[groups]
by = "column"
column = "group"
[sampler]
target_accept = 0.5'
config 03-depth-3 '[data]
path = "shop/transactions.csv"
[groups]
by = "column"
column = "group"
[sampler]
max_treedepth = 3'
config 04-absurd-priors '[data]
path = "shop/transactions.csv"
[purchase.priors]
r = { dist = "lognormal", median = 50.0, log_sd = 0.01 }
alpha = { dist = "lognormal", median = 0.01, log_sd = 0.01 }'
config 05-swapped-units '[data]
kind = "summary"
path = "weeks/summary.csv"
time_unit = "year"'
config 06-segment-of-zeros '[data]
path = "silent/transactions.csv"
[groups]
by = "column"
column = "group"'
config 07-duplicated-data '[data]
path = "double/transactions.csv"'
config 08-one-chain '[data]
path = "shop/transactions.csv"
[sampler]
chains = 1'
config 09-wrong-date-unit '[data]
path = "dates/transactions.csv"
date_format = "%m/%d/%Y"'
config 10-thirty-draws '[data]
path = "shop/transactions.csv"
[sampler]
draws = 30'

for toml in [01]*.toml; do
    name=${toml%.toml}
    status=0
    "$longrun" tune "$toml" --advisor rules --output "$name-tune" --overwrite --json >"$name.json" 2>"$name.err" || status=$?
    echo "$status" >"$name.status"
    printf '%s: exit %s\n' "$name" "$status" >&2
done

python3 - <<'PY'
import glob, json
print("| start | found | changed | runs | seconds | ended |")
print("| --- | --- | --- | --- | --- | --- |")
for path in sorted(glob.glob("[01]*.json")):
    name, status = path[:-5], open(path[:-5] + ".status").read().strip()
    said = json.load(open(path))
    if "error" in said:
        print(f"| {name} | error: {said['error']} | – | – | – | exit {status} |")
        continue
    found, changed = [], []
    for d in said["decisions"]:
        for c in d["applied"]:
            r = next(r for r in d["advice"]["recommendations"] if r["key"] == c["key"])
            if r["symptom"] not in found:
                found.append(r["symptom"])
            changed.append(f"`{c['key']}` = {json.dumps(c['to'])}")
    for e in said["explanations"]:
        found.append(("**stop:** " if e["blocking"] else "told: ") + e["symptom"])
    ended = "verdict passed" if said["passed"] else "not passed: " + "; ".join(w[:160] for w in said["why"] or ["see what was told"])
    blocking = [e["text"] for e in said["explanations"] if e["blocking"]]
    ended = ended if not blocking else "stopped: " + blocking[0].split(". ")[0]
    print(f"| {name} | {'; '.join(found) or 'nothing'} | {', '.join(changed) or '–'} | {len(said['decisions'])} | {said['seconds']:.1f} | {ended} (exit {status}) |")
PY
