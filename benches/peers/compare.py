#!/usr/bin/env python3
"""longrun beside its peers, alternately, in one run on one machine and one set of data. Usage:

    python3 benches/peers/compare.py target/release/longrun [--rounds 3] [--rows 1e6] [--points 16] [--only posterior,throughput]

posterior   effective draws per second on the CDNOW sample: the same data, models, priors, chains and draws for everybody
throughput  value and gradient of unmerged rows per second: `longrun bench` against JAX, f32 and f64

Everybody runs once a round, in turns, so that other work on the machine falls on all alike; the best round counts. Prints a
Markdown table of ratios, and everything measured as JSON lines to --out. Whole processes are timed besides, start and imports and
compiling included, since that is what a person waits for. Where a peer wins, the table says so.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True  # importing a neighbour shall leave nothing behind
import posterior  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
FIT = {"bg_nbd": "purchase", "pareto_nbd": "purchase", "gamma_gamma": "spend"}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("longrun", help="the binary, built with --release")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--rows", type=lambda text: int(float(text.replace("_", ""))), default=1_000_000)
    parser.add_argument("--points", type=int, default=16, help="parameter points, which are longrun's chains")
    parser.add_argument("--only", default="posterior,throughput")
    parser.add_argument("--peers", default=",".join(posterior.PEERS))
    parser.add_argument("--family", default="bg_nbd,gamma_gamma", help="bg_nbd, pareto_nbd, gamma_gamma")
    parser.add_argument("--data", default="data/cdnow/CDNOW_sample.txt", help="the peers' copy of what --config reads")
    parser.add_argument("--warmup", type=int, default=1000)
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--config", default="configs/cdnow_sample.toml")
    parser.add_argument("--backend", default="cpu", help="longrun's backend for the throughput: cpu or gpu")
    parser.add_argument("--set", action="append", default=[], help="for longrun's fit, as in longrun --set")
    parser.add_argument("--out", default="-", help="file for the JSON lines; - is standard error")
    return parser.parse_args()


class Out:
    def __init__(self, path):
        self.file = sys.stderr if path == "-" else open(path, "a", encoding="utf-8")

    def line(self, value):
        print(json.dumps(value), file=self.file, flush=True)


def timed(command, **more):
    began = time.perf_counter()
    before = os.times()
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False, **more)
    after = os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return done, time.perf_counter() - began, cpu


def toml(spec):
    kind, first, second = spec
    keys = {"weibull": ("shape", "scale"), "uniform": ("low", "high"), "pareto": ("scale", "shape")}[kind]
    return f'{{ dist = "{kind}", {keys[0]} = {first}, {keys[1]} = {second} }}'


def longrun_posterior(args, family, seed, folder):
    """One family at a time, as the peers have it: the other fit is left out, or its cost taken off the whole."""
    run = os.path.join(folder, f"{family}-{seed}")
    section = {"gamma_gamma": "spend"}.get(family, "purchase")
    priors = ", ".join(f"{name} = {toml(spec)}" for name, spec in posterior.PRIORS[family].items())
    sets = [f"{section}.priors={{ {priors} }}", f"output.dir={run}", f"sampler.seed={seed}", "sampler.chains=4"]
    sets += [f"sampler.warmup={args.warmup}", f"sampler.draws={args.draws}"]
    if section == "purchase":
        sets += [f"purchase.model={family}", "spend.model=none"]
    command = [args.longrun, "diagnose", args.config, "--quiet", "--overwrite"]
    for change in sets + args.set:
        command += ["--set", change]
    done, process_s, cpu = timed(command)
    if done.returncode not in (0, 1):
        sys.exit(f"longrun failed: {' '.join(command)}")
    cost = json.load(open(f"{run}/telemetry.json", encoding="utf-8"))["fits"]
    diagnostics = json.load(open(f"{run}/diagnostics.json", encoding="utf-8"))
    if family == "gamma_gamma":
        cpu *= cost["spend"]["wall_s"] / (cost["spend"]["wall_s"] + cost["purchase"]["wall_s"])
        process_s -= cost["purchase"]["wall_s"]
    cost = cost[FIT[family]]
    facts = next(fit for fit in diagnostics["fits"] if fit["fit"] == FIT[family])
    mine = [p for p in diagnostics["parameters"] if p["fit"] == FIT[family]]
    return {
        "peer": "longrun",
        "family": family,
        "wall_s": cost["wall_s"],
        "process_s": process_s,
        "cpu_s": cpu,
        "min_ess_bulk": cost["min_ess_bulk"],
        "ess_per_s": cost["min_ess_bulk"] / cost["wall_s"],
        "ess_per_process_s": cost["min_ess_bulk"] / process_s,
        "verdict": facts["verdict"],
        "mean": {p["name"]: p["mean"] for p in mine if p["name"] in posterior.PARAMETERS[family]},
        "sd": {p["name"]: p["sd"] for p in mine if p["name"] in posterior.PARAMETERS[family]},
    }


def peer_posterior(args, peer, family, seed):
    command = [sys.executable, f"{HERE}/posterior.py", "--peer", peer, "--family", family, "--seed", str(seed)]
    command += ["--data", args.data, "--warmup", str(args.warmup), "--draws", str(args.draws)]
    done, process_s, _ = timed(command, stderr=subprocess.DEVNULL)
    if done.returncode != 0:
        print(f"{peer} failed on {family}; run it alone to see why: {' '.join(command)}", file=sys.stderr)
        return None
    found = json.loads(done.stdout.strip().splitlines()[-1])
    return found | {"process_s": process_s, "ess_per_process_s": found["min_ess_bulk"] / process_s}


def compare_posteriors(args, out):
    rows = []
    with tempfile.TemporaryDirectory(prefix="longrun-peers-") as folder:
        for family in args.family.split(","):
            found = {}
            for seed in range(1, args.rounds + 1):
                peers = [peer for peer in args.peers.split(",") if peer and (peer, family) != ("numpyro", "pareto_nbd")]
                for who in ["longrun", *peers]:
                    one = longrun_posterior(args, family, seed, folder) if who == "longrun" else peer_posterior(args, who, family, seed)
                    if one:
                        out.line({"what": "posterior", "round": seed, **one})
                        found.setdefault(who, []).append(one)
            best = {who: max(ones, key=lambda one: one["ess_per_s"]) for who, ones in found.items()}
            ours = best["longrun"]
            for who, one in best.items():
                rows.append(posterior_row(family, who, one, ours))
    head = ["model", "who", "least bulk ESS", "call s", "process s", "CPU s", "ESS/s, call", "ESS/s without compiling",
            "ESS/s, process", "ESS/CPU s", "longrun is", "means agree"]  # fmt: skip
    print_table(f"Effective draws per second, {args.data}, 4 chains × ({args.warmup} + {args.draws})", head, rows)


def posterior_row(family, who, one, ours):
    sampling = one.get("ess_per_s_without_compile") or (one["ess_per_s"] if who == "longrun" else None)
    verdict = "–"
    if who != "longrun":
        against = sampling or one["ess_per_s"]
        verdict = f"{ratio(ours['ess_per_s'] / one['ess_per_s'])} ({ratio(ours['ess_per_s'] / against)} without compiling)"
        ours_cpu, theirs_cpu = ours["min_ess_bulk"] / ours["cpu_s"], one["min_ess_bulk"] / one["cpu_s"]
        verdict += f"; per CPU second {ratio(ours_cpu / theirs_cpu)}"
    return [
        family, who, f"{one['min_ess_bulk']:.0f}", f"{one['wall_s']:.2f}", f"{one['process_s']:.2f}",
        f"{one['cpu_s']:.1f}", f"{one['ess_per_s']:.1f}", f"{sampling:.1f}" if sampling else "not told",
        f"{one['ess_per_process_s']:.1f}", f"{one['min_ess_bulk'] / one['cpu_s']:.1f}", verdict,
        "–" if who == "longrun" else agreement(one, ours),
    ]  # fmt: skip


def agreement(one, ours):
    """Means may differ by their Monte Carlo errors: sd/√ESS each, both together, four of them allowed."""
    worst = 0.0
    for name, mean in one["mean"].items():
        error = ours["sd"][name] * (1 / one["min_ess_bulk"] + 1 / ours["min_ess_bulk"]) ** 0.5
        worst = max(worst, abs(mean - ours["mean"][name]) / error)
    return f"{'yes' if worst < 4 else 'NO'} ({worst:.1f} MCSE)"


def ratio(value):
    return f"{value:.3g} × as fast" if value >= 1 else f"SLOWER: the peer is {1 / value:.3g} × as fast"


def compare_throughput(args, out):
    if timed([args.longrun, "bench", "--help"], stderr=subprocess.DEVNULL)[0].returncode != 0:
        print("\nThroughput is left out: this binary has no `longrun bench`.")
        return
    rows = []
    with tempfile.TemporaryDirectory(prefix="longrun-peers-") as folder:
        shop = ["simulate", "--quiet", "--kind", "summary", "--format", "parquet", "--groups", "1", "--output", folder]
        # One in two never buys again; as many spenders as rows are wanted.
        subprocess.run([args.longrun, *shop, "--customers", str(3 * args.rows)], check=True, stdout=subprocess.DEVNULL)
        for family in args.family.split(","):
            ours, theirs = [], []
            for number in range(1, args.rounds + 1):
                command = [args.longrun, "bench", "--json", "--rows", str(args.rows), "--chains", str(args.points)]
                command += ["--family", family, "--backend", args.backend, "--unmerged"]
                done = timed(command)[0]
                if done.returncode != 0:
                    sys.exit(f"longrun bench failed: {' '.join(command)}")
                lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
                ours += [line for line in lines if line["family"] == family and not line["merged"]]
                command = [sys.executable, f"{HERE}/likelihood.py", f"{folder}/summary.parquet", "--family", family]
                command += ["--rows", str(args.rows), "--points", str(args.points), "--rounds", "3"]
                # The first round looks for the quickest way, the others repeat it among the few that are ever quickest.
                done = timed(command + (["--quick"] if number > 1 else []))[0]
                if done.returncode != 0:
                    sys.exit(f"likelihood.py failed: {' '.join(command)}")
                theirs += [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
            for line in ours + theirs:
                out.line({"what": "throughput", **line})
            best = max(ours, key=lambda line: line["evals_per_s"])
            rows.append([family, f"longrun {best['backend']} {best['layout']}", best["adapter"] or "processor", f"{best['evals_per_s']:.3g}", "–"])
            for precision in ("f32", "f64"):
                peer = max((t for t in theirs if t["precision"] == precision), key=lambda line: line["evals_per_s"])
                way = f"JAX {precision} ({peer['gamma']}, {peer['mode']}, {peer['batch']})"
                quicker = ratio(best["evals_per_s"] / peer["evals_per_s"])
                rows.append([family, way, peer["adapter"], f"{peer['evals_per_s']:.3g}", quicker])
    head = ["model", "who", "on", "evaluations/s", "longrun is"]
    print_table(f"Value and gradient, {args.rows:,} unmerged rows × {args.points} points", head, rows)


def print_table(title, head, rows):
    print(f"\n**{title}**\n\n| " + " | ".join(head) + " |\n|" + " --- |" * len(head))
    for row in rows:
        print("| " + " | ".join(row) + " |", flush=True)


def main():
    args = arguments()
    args.longrun = os.path.abspath(args.longrun)
    out = Out(args.out)
    if "posterior" in args.only:
        compare_posteriors(args, out)
    if "throughput" in args.only:
        compare_throughput(args, out)


if __name__ == "__main__":
    main()
