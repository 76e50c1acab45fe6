#!/usr/bin/env python3
"""Every model at 100,000 customers whose truth is known: simulate, fit, compare. Prints a Markdown table, one line a fit.

Usage: scripts/recovery.py BINARY [--customers 1e5] [--draws 500] [--seed 1] [--only pareto_abe,bg_nbd+covariates]

Summaries count every purchase; a day's purchases merged would move the posterior. With fewer than 500 draws
verdicts refuse. Exit code 1 when a verdict refuses, or when more
parameters leave their 99 % interval (mean +- 2.58 sd) than would in one table of a thousand. Needs nothing but the standard library.
"""

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import time

PARAMETERS = {
    "bg_nbd": ["r", "alpha", "a", "b"],
    "mbg_nbd": ["r", "alpha", "a", "b"],
    "pareto_nbd": ["r", "alpha", "s", "beta"],
    "pareto_abe": ["rate", "death", "sd_rate", "sd_death", "corr"],
    "bg_bb": ["alpha", "beta", "gamma", "delta"],
    "nbd": ["r", "alpha"],
    "s_bg": ["alpha", "beta"],
    "gamma_gamma": ["p", "q", "v"],
}
# Coefficients as a run calls them, and as truth.json does.
COEFFICIENTS = {
    "chance": {
        "purchase_coefficient": "purchase",
        "dropout_coefficient_a": "dropout",
        "dropout_coefficient_b": "dropout_b",
    },
    "rate": {"purchase_coefficient": "purchase", "dropout_coefficient": "dropout"},
}
CONTINUOUS = ["bg_nbd", "mbg_nbd", "pareto_nbd", "pareto_abe"]
WORLDS = [*PARAMETERS, *(f"{model}+covariates" for model in CONTINUOUS)]


def shop(binary, folder, model, args, covariates):
    kind = "contracts" if model == "s_bg" else "summary"
    simulated = "bg_nbd" if model == "gamma_gamma" else model
    words = ["--output", folder, "--model", simulated, "--customers", str(args.customers), "--seed", str(args.seed)]
    words += ["--groups", "1", "--kind", kind, "--format", "parquet", "--covariates", "2" if covariates else "0"]
    if model not in ("bg_bb", "s_bg"):
        words += ["--count", "every-purchase"]
    subprocess.run([binary, "simulate", "-q", *words], check=True, stdout=subprocess.DEVNULL)
    lines = ["[data]", f'kind = "{kind}"', f'path = "{folder}/{kind}.parquet"']
    if model in ("bg_bb", "s_bg"):
        lines.append('time_unit = "month"')
    if covariates:
        lines += ["[covariates]", f'path = "{folder}/covariates.parquet"', 'continuous = ["covariate_1", "covariate_2"]']
    lines += ["[purchase]", f'model = "{simulated}"', "[sampler]", f"draws = {args.draws}", f"seed = {args.seed}"]
    lines += ["[spend]", f'model = "{"gamma_gamma" if model == "gamma_gamma" else "none"}"']
    lines += ["[output]", f'dir = "{folder}/run"']
    path = f"{folder}/shop.toml"
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")
    return path


def expected(model, truth, found, coefficients):
    """The true value of a parameter of a run; None for one that has none."""
    if found["name"] in PARAMETERS[model]:
        return truth["groups"][0][found["name"]]
    if found["name"] in coefficients:
        by_name = {one["name"]: one for one in truth["covariates"]}
        return by_name[found["coords"]["covariate"]][coefficients[found["name"]]]
    return None


def recover(binary, world, args):
    model, _, covariates = world.partition("+")
    coefficients = COEFFICIENTS["rate" if model.startswith("pareto") else "chance"] if covariates else {}
    with tempfile.TemporaryDirectory(prefix="longrun-recovery-") as folder:
        path = shop(binary, folder, model, args, bool(covariates))
        began = time.perf_counter()
        done = subprocess.run([binary, "diagnose", path, "-q"], stdout=subprocess.DEVNULL)
        wall = time.perf_counter() - began
        if done.returncode not in (0, 1):
            sys.exit(f"{world}: longrun diagnose ended with {done.returncode}")
        read = lambda name: json.load(open(os.path.join(folder, name), encoding="utf-8"))
        truth, diagnostics, telemetry = read("truth.json"), read("run/diagnostics.json"), read("run/telemetry.json")
    fit = "spend" if model == "gamma_gamma" else "purchase"
    away = []
    for found in diagnostics["parameters"]:
        value = expected(model, truth, found, coefficients) if found["fit"] == fit else None
        if value is not None:
            name = found["name"] + "".join(f"[{label}]" for label in found["coords"].values())
            away.append(((found["mean"] - value) / found["sd"], name))
    if len(away) != len(PARAMETERS[model]) + 2 * len(coefficients):
        sys.exit(f"{world}: compared {[name for _, name in away]}")
    worst = max(away, key=lambda one: abs(one[0]))
    inside = sum(abs(z) < 2.576 for z, _ in away)
    print(
        f"| {world} | {diagnostics['verdict']} | {inside} of {len(away)} | {worst[1]}: {worst[0]:+.2f} sd "
        f"| {telemetry['fits'][fit]['gradient_evaluations']:,} | {telemetry['fits'][fit]['wall_s']:.1f} s | {wall:.1f} s |",
        flush=True,
    )
    return diagnostics["verdict"] == "pass", len(away) - inside, len(away)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary")
    parser.add_argument("--customers", type=lambda text: int(float(text)), default=100_000)
    parser.add_argument("--draws", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default=",".join(WORLDS), help="models, and models+covariates")
    args = parser.parse_args()
    worlds = args.only.split(",")
    unknown = [world for world in worlds if world not in WORLDS]
    if unknown:
        sys.exit(f"--only {unknown}: know {', '.join(WORLDS)}")
    print(f"| model, {args.customers:,} customers | verdict | truth inside 99 % | farthest | gradients | fit | in all |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    results = [recover(os.path.abspath(args.binary), world, args) for world in worlds]
    outside, compared = sum(one[1] for one in results), sum(one[2] for one in results)
    chance = 1 - sum(math.comb(compared, k) * 0.01**k * 0.99 ** (compared - k) for k in range(outside))
    print(f"\n{outside} of {compared} outside their 99 % interval (as many by chance: {chance:.3f})")
    sys.exit(0 if all(one[0] for one in results) and chance > 1e-3 else 1)


if __name__ == "__main__":
    main()
