"""What scripts/bench_scale.sh does: simulate, run longrun, measure, compare with the truth. Nothing but the standard library."""

import argparse
import array
import json
import os
import shutil
import struct
import sys
import tempfile
import time

# Groups whose intervals are compared with the truth, at most.
MOST_GROUPS = 200
GROUPS = 16
COLUMNS = ["question", "customers", "groups", "chains", "model", "wall_s", "peak_mib", "verdict", "inside_99", "rows_per_s"]


def number(text):
    return int(float(text.replace("_", "")))


def numbers(text):
    return [number(part) for part in text.split(",")]


def arguments():
    parser = argparse.ArgumentParser(prog="bench_scale.sh", description=__doc__)
    parser.add_argument("binary")
    parser.add_argument("--max-customers", type=number, default=10**7)
    parser.add_argument("--max-transactions", type=number, default=10**8)
    parser.add_argument("--groups", type=numbers, default=[1, 100, 10_000])
    parser.add_argument("--chains", type=numbers, default=[4, 64, 1024])
    parser.add_argument("--only", default="customers,chains,groups,ingest")
    parser.add_argument("--out", help="file for the JSON lines (default: standard error)")
    parser.add_argument("--set", action="append", default=[], help="for every fit, as in longrun --set")
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


class Bench:
    def __init__(self, args, folder):
        self.args, self.folder, self.lines = args, folder, []
        self.binary = os.path.abspath(args.binary)
        self.log = os.path.join(folder, "log.txt")

    def longrun(self, *words, may_refuse=False):
        """Seconds of wall time, peak memory in MiB, and what was printed. Exit code 1 is a refused verdict, which is a result."""
        with open(self.log, "wb") as log:
            began = time.perf_counter()
            pid = os.posix_spawn(
                self.binary,
                [self.binary, *map(str, words)],
                os.environ,
                file_actions=[(os.POSIX_SPAWN_DUP2, log.fileno(), 1), (os.POSIX_SPAWN_DUP2, log.fileno(), 2)],
            )
            _, status, usage = os.wait4(pid, 0)
            wall = time.perf_counter() - began
        code = os.waitstatus_to_exitcode(status)
        text = open(self.log, encoding="utf-8", errors="replace").read()
        if code not in ((0, 1) if may_refuse else (0,)):
            sys.exit(f"{' '.join(map(str, words))} ended with {code}:\n{text[-2000:]}")
        unit = 1 if sys.platform == "darwin" else 1024
        return wall, usage.ru_maxrss * unit / 2**20, text

    def simulate(self, name, *words):
        """A simulated shop: its folder and what the program said of it."""
        data = os.path.join(self.folder, name)
        _, _, said = self.longrun("simulate", "--json", "--output", data, "--seed", self.args.seed, *words)
        return data, json.loads(said)

    def fit(self, question, data, customers, groups, chains=4, spend=False):
        run = os.path.join(self.folder, "run")
        # Some four thousand draws in all; many chains are moved by ChEES, which is made for them.
        sampler = {"chains": chains, "seed": self.args.seed}
        if chains > 16:
            sampler |= {"kind": '"chees"', "warmup": 500, "draws": max(4000 // chains, 20)}
        config = [
            "[data]",
            'kind = "summary"',
            f'path = "{data}/summary.parquet"',
            "[groups]",
            'by = "none"' if groups == 1 else 'by = "column"\ncolumn = "group"',
            "[spend]",
            f'model = "{"gamma_gamma" if spend else "none"}"',
            "[sampler]",
            *[f"{key} = {value}" for key, value in sampler.items()],
            "[output]",
            f'dir = "{run}"',
        ]
        path = os.path.join(self.folder, "fit.toml")
        with open(path, "w", encoding="utf-8") as file:
            file.write("\n".join(config) + "\n")
        sets = [word for key in self.args.set for word in ("--set", key)]
        wall, peak, _ = self.longrun("diagnose", path, "--quiet", "--overwrite", *sets, may_refuse=True)
        diagnostics = json.load(open(f"{run}/diagnostics.json", encoding="utf-8"))
        telemetry = json.load(open(f"{run}/telemetry.json", encoding="utf-8"))
        facts = json.load(open(f"{run}/facts.json", encoding="utf-8"))
        inside = Truth(data, run).inside(["purchase"] + ["spend"] * spend)
        self.add(
            {
                "question": question,
                "customers": customers,
                "groups": groups,
                "chains": chains,
                "model": "purchase + spend" if spend else "purchase",
                "wall_s": wall,
                "peak_mib": peak,
                "verdict": diagnostics["verdict"],
                "reasons": diagnostics["reasons"][:3],
                "inside_99": f"{inside['inside']} of {inside['compared']}",
                "truth": inside,
                "cells": cells(facts),
                "steps": {name: step["wall_s"] for name, step in telemetry["steps"].items()},
                "fits": telemetry["fits"],
            }
        )
        shutil.rmtree(run)

    def ingest(self, form, transactions):
        # About 3.8 purchases a customer in the shop that is simulated; the report says how many it were.
        customers = max(int(transactions / 3.8), 1)
        data, report = self.simulate("log", "--customers", customers, "--groups", GROUPS, "--format", form)
        run, path = os.path.join(self.folder, "run"), os.path.join(self.folder, "ingest.toml")
        with open(path, "w", encoding="utf-8") as file:
            file.write(f'[data]\npath = "{data}/transactions.{form}"\n[groups]\nby = "column"\ncolumn = "group"\n')
            file.write(f'[output]\ndir = "{run}"\n')
        wall, peak, _ = self.longrun("summarize", path, "--quiet", "--overwrite")
        rows = report["purchases"]
        self.add(
            {
                "question": f"ingest {form}",
                "customers": customers,
                "groups": GROUPS,
                "model": f"{rows:,} transactions",
                "wall_s": wall,
                "peak_mib": peak,
                "rows_per_s": rows / wall,
                "bytes": os.path.getsize(f"{data}/transactions.{form}"),
            }
        )
        shutil.rmtree(run)
        shutil.rmtree(data)

    def add(self, line):
        self.lines.append(line)
        text = json.dumps(line)
        if self.args.out:
            with open(self.args.out, "a", encoding="utf-8") as out:
                out.write(text + "\n")
        else:
            print(text, file=sys.stderr, flush=True)

    def summary(self, customers, groups):
        words = ["--kind", "summary", "--format", "parquet", "--count", "every-purchase"]
        return self.simulate("shop", *words, "--customers", customers, "--groups", groups)[0]

    def all(self):
        args, wanted = self.args, self.args.only.split(",")
        middle = min(10**6, args.max_customers)
        if "customers" in wanted:
            for customers in [n for n in (10**4, 10**5, 10**6, 10**7, 10**8) if n <= args.max_customers]:
                data = self.summary(customers, GROUPS)
                for spend in (False, True):
                    self.fit("customers", data, customers, GROUPS, spend=spend)
                shutil.rmtree(data)
        if "chains" in wanted:
            data = self.summary(middle, GROUPS)
            for chains in args.chains:
                self.fit("chains", data, middle, GROUPS, chains=chains)
            shutil.rmtree(data)
        if "groups" in wanted:
            for groups in args.groups:
                if groups * 20 > middle:
                    print(f"{groups} groups of {middle} customers are left out: too few in each", file=sys.stderr)
                    continue
                data = self.summary(middle, groups)
                self.fit("groups", data, middle, groups)
                shutil.rmtree(data)
        if "ingest" in wanted:
            self.ingest("csv", min(10**7, args.max_transactions))
            self.ingest("parquet", min(10**8, args.max_transactions))
        print_table(self.lines)


class Truth:
    """The draws of a run beside the parameters that made its data."""

    def __init__(self, data, run):
        self.spec = json.load(open(f"{data}/truth.json", encoding="utf-8"))
        self.draws = f"{run}/draws"
        self.manifest = json.load(open(f"{run}/draws/manifest.json", encoding="utf-8"))

    def inside(self, fits):
        truths = {group["label"]: group for group in self.spec["groups"]}
        found = []
        for fit in fits:
            described = self.manifest["fits"][fit]
            labels = described["schema"]["coords"].get("group")
            names = ["r", "alpha", "a", "b"] if fit == "purchase" else ["p", "q", "v"]
            step = max(len(labels) // MOST_GROUPS, 1) if labels else 1
            chosen = list(range(0, len(labels), step)) if labels else [0]
            values = {(name, g): array.array("d") for name in names for g in chosen}
            for shard in described["shards"]:
                self.read(shard["file"], values, len(labels) if labels else 1)
            for (name, g), draws in values.items():
                label = labels[g] if labels else self.spec["groups"][0]["label"]
                ordered = sorted(draws)
                truth, n = truths[label][name], len(ordered)
                low, high = quantile(ordered, 0.005), quantile(ordered, 0.995)
                mean = sum(ordered) / n
                sd = (sum((x - mean) ** 2 for x in ordered) / n) ** 0.5
                found.append((low <= truth <= high, abs(truth - mean) / sd, f"{name}[{label}]"))
        worst = max(found, key=lambda f: f[1])
        return {
            "compared": len(found),
            "inside": sum(f[0] for f in found),
            "worst": worst[2],
            "worst_sd_from_mean": worst[1],
        }

    def read(self, name, values, groups):
        """Adds the draws of one shard (safetensors: length and JSON header, then the arrays)."""
        path = name if os.path.exists(name) else os.path.join(self.draws, os.path.basename(name))
        with open(path, "rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            header = json.loads(file.read(length))
            for variable in {name for name, _ in values}:
                begin, end = header[variable]["data_offsets"]
                file.seek(8 + length + begin)
                draws = array.array("d")
                draws.frombytes(file.read(end - begin))
                for (name, g), kept in values.items():
                    if name == variable:
                        kept.extend(draws[g::groups])


def quantile(ordered, share):
    place = share * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])


def cells(facts):
    """The number of cells, wherever the facts keep it."""
    if isinstance(facts, dict):
        if isinstance(facts.get("cells"), int):
            return facts["cells"]
        facts = list(facts.values())
    if isinstance(facts, list):
        return next((found for found in map(cells, facts) if found is not None), None)
    return None


def shown(value):
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def print_table(lines):
    print("| " + " | ".join(name.replace("_", " ") for name in COLUMNS) + " |")
    print("|" + " --- |" * len(COLUMNS))
    for line in lines:
        print("| " + " | ".join(shown(line.get(name)) for name in COLUMNS) + " |")


def main():
    args = arguments()
    folder = tempfile.mkdtemp(prefix="longrun-scale-")
    try:
        Bench(args, folder).all()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
