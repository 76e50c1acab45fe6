#!/usr/bin/env bash
# Measures what a warm start saves: the same shop on consecutive nights, each with a day more of purchases, fitted cold, and fitted warm from
# the night before; gradients and seconds until the worst parameter of both fits has the same effective sample size. Prints Markdown.
#
# Usage: scripts/warm_nights.sh BINARY [NIGHTS] [CUSTOMERS]          (20 nights of 100,000 customers unless said otherwise)
#
# A minute:  scripts/warm_nights.sh target/release/longrun 3 2000
#
# ESS=400 is the size, WAYS the samplers ("nuts:1:4:1000 chees:1:16:500": kind, groups, chains, draws per chain). Cold and warm fits take
# turns, so that a busy machine troubles both alike. A fit's cost until ESS draws is what it took before its first draw, and of
# what its draws took the share that ESS is of the draws' own effective sample size; seconds are shared out as gradients are. Data and runs
# go to a folder under ${TMPDIR:-/tmp} that is removed at the end. Needs python3 (its standard library alone).
set -euo pipefail
[ $# -ge 1 ] && [ "${1#-}" = "$1" ] || {
    sed -n '2,14s/^# \{0,1\}//p' "$0" >&2
    exit 2
}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 - "$(realpath "$1")" "${2:-20}" "${3:-100000}" "$folder" <<'PYTHON'
import datetime, json, os, shutil, subprocess, sys

binary, nights, customers, folder = sys.argv[1], int(sys.argv[2]), int(sys.argv[3].replace("_", "")), sys.argv[4]
ess_wanted = float(os.environ.get("ESS", "400"))
ways = os.environ.get("WAYS", "nuts:1:4:1000 chees:1:16:500 nuts:3:4:1000").split()
first = datetime.date(2024, 7, 1)


def longrun(*arguments, may_refuse=False):
    made = subprocess.run([binary, *arguments], cwd=folder, capture_output=True, text=True)
    if made.returncode not in ((0, 1) if may_refuse else (0,)):
        sys.exit(f"longrun {' '.join(arguments)} ended with {made.returncode}:\n{made.stderr}")


def cost(run):
    """Of one run: verdict, and per fit what came before drawing, what drawing took, seconds, effective draws and warm-up."""
    read = lambda name: json.load(open(os.path.join(folder, run, name)))
    manifest, telemetry, out = read("draws/manifest.json"), read("telemetry.json"), {}
    for fit, entry in manifest["fits"].items():
        report, told = entry["report"], telemetry["fits"][fit]
        before = report["pooled"]["warmup_gradients"] + report["other_gradients"]
        drawing, ess = report["pooled"]["sampling_gradients"], told["min_ess_bulk"]
        until = before + drawing * ess_wanted / ess
        out[fit] = dict(
            warmup=report["warmup"], before=before, whole=before + drawing, until=until, ess=ess, wall=told["wall_s"],
            seconds=told["wall_s"] * until / (before + drawing),
        )
    return read("diagnostics.json"), out


def middle(values):
    values = sorted(values)
    return (values[(len(values) - 1) // 2] + values[len(values) // 2]) / 2


def means(judged):
    return {(p["fit"], p["name"], str(p["coords"])): (p["mean"], p["mcse_mean"]) for p in judged["parameters"]}


version = subprocess.run([binary, "--version"], capture_output=True, text=True).stdout.strip()
print(f"{version}; {nights} nights of {customers:,} customers, until an effective sample size of {ess_wanted:.0f}; medians over nights, "
      f"purchase and spend fit together\n", flush=True)
print("| sampler | | warm-up transitions, purchase and spend | gradients before drawing | gradients in all | gradients until ESS | seconds until ESS | seconds of the whole fits | refused |")
print("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |", flush=True)
for way in ways:
    kind, groups, chains, draws = way.split(":")
    shop = f"shop-{groups}"
    if not os.path.exists(os.path.join(folder, shop)):
        longrun("simulate", "--output", shop, "--customers", str(customers), "--groups", groups, "--seed", "7")
    with open(os.path.join(folder, "nights.toml"), "w") as config:
        config.write(f'[data]\npath = "{shop}/transactions.csv"\n[sampler]\nkind = "{kind}"\nchains = {chains}\ndraws = {draws}\n')
        if groups != "1":
            config.write('[groups]\nby = "column"\ncolumn = "group"\n')

    def fit(night, name, *warm):
        day = first + datetime.timedelta(days=night)
        longrun("fit", "nights.toml", "--overwrite", "--quiet", "--set", f"output.dir={name}",
                "--set", f"data.calibration_end={day}", *warm)
        longrun("diagnose", name, "--quiet", may_refuse=True)

    seen, refused, apart = {"cold": [], "warm": []}, {"cold": 0, "warm": 0}, []
    fit(0, "warm-0")
    for night in range(1, nights + 1):
        fit(night, "cold")
        fit(night, f"warm-{night}", "--warm-start", f"warm-{night - 1}")
        pair = {}
        for name, run in (("cold", "cold"), ("warm", f"warm-{night}")):
            pair[name], costs = cost(run)
            seen[name].append(costs)
            refused[name] += pair[name]["verdict"] != "pass"
        cold = means(pair["cold"])
        apart += [abs(m - cold[key][0]) / (e ** 2 + cold[key][1] ** 2) ** 0.5 for key, (m, e) in means(pair["warm"]).items()]
        shutil.rmtree(os.path.join(folder, f"warm-{night - 1}"))
    shutil.rmtree(os.path.join(folder, f"warm-{nights}"))
    total = lambda name, what: middle([sum(one[what] for one in night.values()) for night in seen[name]])
    label = f"{kind}, {chains} chains of {draws} draws" + (f", {groups} groups" if groups != "1" else "")
    for name in ("cold", "warm"):
        warmups = " and ".join(f"{middle([night[f]['warmup'] for night in seen[name]]):.0f}" for f in seen[name][0])
        longest = max(one["warmup"] for night in seen[name] for one in night.values())
        print(f"| {label if name == 'cold' else ''} | {name} | {warmups} (longest {longest}) | {total(name, 'before'):,.0f} | "
              f"{total(name, 'whole'):,.0f} | {total(name, 'until'):,.0f} | {total(name, 'seconds'):.1f} | {total(name, 'wall'):.1f} | "
              f"{refused[name]} of {nights} |", flush=True)
    saved = lambda what: 100 * (1 - total("warm", what) / total("cold", what))
    far = sum(a > 3 for a in apart)
    print(f"| | saved | | {saved('before'):.0f} % | {saved('whole'):.0f} % | {saved('until'):.0f} % | {saved('seconds'):.0f} % | "
          f"{saved('wall'):.0f} % | means apart by more than 3 standard errors: {far} of {len(apart)} |", flush=True)
PYTHON
