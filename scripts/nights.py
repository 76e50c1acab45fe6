"""Nights of a shop in a bucket, disturbed in every way and not: do the posteriors come out the same, and how much work is wasted?

Two worlds live through the same nights against an emulator of Google Cloud Storage (scripts/gcs_emulator.sh), each with a bucket of
its own: one undisturbed; in the other every third night is preempted (SIGTERM) and every seventh killed (kill -9), at a moment drawn
by chance, and begun again until it ends well, every other preempted one on another disk; every fifth night the disk is new. Each night brings a day of purchases; one
night brings a corrected day and late purchases, another the wish of a customer to be forgotten. In the end everything that both
buckets hold is compared.

The binary needs the feature `cloud` (cargo build --release --features cloud).

Usage: scripts/nights.py BINARY [--nights 30] [--customers 3000] [--seed 1] [--json]
"""

import argparse
import csv
import datetime
import hashlib
import http.client
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FIRST_DAY = datetime.date(2024, 1, 1)
HISTORY_DAYS = 420
CORRECTION_NIGHT, DELETION_NIGHT = 12, 20

CONFIG = """\
[data]
path = "gs://log/orders/*.csv"
forget = "gs://log/forget/*.csv"

[sampler]
chains = 4
warmup = 300
draws = 200
shard_draws = 25

[predict]
draws = 100

[compute]
backend = "cpu"

[diagnose]
max_r_hat = 1.1
min_ess = 50

[lifecycle]
prediction_months = 3

[lifecycle.schedule]
every_days = 7

[lifecycle.nightly]
home = "gs://shop/project"
"""


class Bucket:
    """The emulator of one world."""

    def __init__(self, folder):
        self.process = subprocess.Popen(
            [str(ROOT / "scripts/gcs_emulator.sh"), "--port", "0", "--bucket", "shop", "--bucket", "log"],
            stdout=subprocess.PIPE,
            stderr=open(folder / "emulator.log", "w"),
            text=True,
        )
        line = self.process.stdout.readline()
        self.port = int(line.rsplit(" ", 1)[-1])

    def ask(self, method, path, body=None):
        link = http.client.HTTPConnection("127.0.0.1", self.port)
        link.request(method, path, body)
        answer = link.getresponse()
        content = answer.read()
        if answer.status >= 300:
            sys.exit(f"the emulator answers {answer.status} to {method} {path}: {content[:200]}")
        return content

    def put(self, bucket, key, text):
        self.ask("PUT", f"/{bucket}/{key}", text.encode())

    def get(self, bucket, key):
        return self.ask("GET", f"/{bucket}/{key}")

    def names(self, bucket):
        names, token = [], ""
        while True:
            tree = ET.fromstring(self.ask("GET", f"/{bucket}?list-type=2&continuation-token={token}" if token else f"/{bucket}?list-type=2"))
            space = tree.tag.split("}")[0] + "}" if "}" in tree.tag else ""
            names += [node.text for node in tree.iter(space + "Key")]
            token = tree.findtext(space + "NextContinuationToken") or ""
            if not token:
                return names

    def end(self):
        self.process.terminate()
        self.process.wait()


class World:
    def __init__(self, binary, folder, log, disturbed, options):
        self.binary, self.folder, self.log = binary, folder, log
        self.disturbed, self.options = disturbed, options
        self.chance = random.Random(options.seed)
        self.bucket = Bucket(folder)
        # The same path in both worlds: plans name it.
        self.work = folder / "machine"
        self.cpu, self.attempts, self.kills, self.kept = 0.0, 0, [], 0
        self.usual = 2.0

    def run(self, *arguments, stop=None):
        """Runs longrun; `stop` is (signal, seconds until it). Returns its exit code and the seconds it took."""
        environment = {
            **os.environ,
            "STORAGE_EMULATOR_HOST": f"127.0.0.1:{self.bucket.port}",
            "LONGRUN_WORK": str(self.work),
            "LONGRUN_CACHE": str(self.folder / "cache"),
        }
        began = time.monotonic()
        output = open(self.folder / "night.log", "a")
        process = subprocess.Popen([self.binary, *arguments], env=environment, stdout=output, stderr=subprocess.STDOUT)
        if stop:
            how, after = stop
            time.sleep(after)
            # Not through Popen, which would take an ended process off the list before its time is counted.
            os.kill(process.pid, how)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        self.cpu += usage.ru_utime + usage.ru_stime
        self.attempts += 1
        return process.returncode, time.monotonic() - began

    def fail(self, what):
        tail = (self.folder / "night.log").read_text().splitlines()[-15:]
        sys.exit(f"{what}\n" + "\n".join(tail))

    def deliver(self, day):
        """A day's purchases arrive; on two days more than these."""
        night = (day - FIRST_DAY).days - HISTORY_DAYS + 1
        self.bucket.put("log", f"orders/{day}.csv", self.lines(self.log.get(day, [])))
        if night == CORRECTION_NIGHT:
            wrong = day - datetime.timedelta(days=5)
            corrected = [[who, when, f"{float(amount) * 2:.2f}"] for who, when, amount in self.log.get(wrong, [])[1:]]
            self.bucket.put("log", f"orders/{wrong}.csv", self.lines(corrected))
            late = [[who, str(day - datetime.timedelta(days=9)), amount] for who, _, amount in self.log.get(day, [])[:10]]
            self.bucket.put("log", f"orders/late-{day}.csv", self.lines(late))
        if night == DELETION_NIGHT:
            gone = self.log[min(self.log)][0][0]
            self.bucket.put("log", "forget/2025.csv", f"customer_id\n{gone}\n")

    @staticmethod
    def lines(rows):
        return "customer_id,date,amount\n" + "".join(f"{who},{when},{amount}\n" for who, when, amount in rows)

    def begin(self):
        history = [row for day in sorted(self.log) if (day - FIRST_DAY).days < HISTORY_DAYS for row in self.log[day]]
        self.bucket.put("log", "orders/2024.csv", self.lines(history))
        self.bucket.put("log", "forget/none.csv", "customer_id\n")
        self.bucket.put("shop", "project/longrun.toml", CONFIG)

    def night(self, number):
        day = FIRST_DAY + datetime.timedelta(days=HISTORY_DAYS + number - 1)
        self.deliver(day)
        if number % 5 == 0:
            shutil.rmtree(self.work, ignore_errors=True)
        arguments = ["nightly", "gs://shop/project/longrun.toml", "--json", "--today", str(day + datetime.timedelta(days=1))]
        stops = []
        if self.disturbed and number % 3 == 0:
            stops.append(signal.SIGTERM)
        if self.disturbed and number % 7 == 0:
            stops.append(signal.SIGKILL)
        for how in stops:
            after = self.chance.uniform(0.05, 1.0) * self.usual
            code, took = self.run(*arguments, stop=(how, after))
            self.kills.append({"night": number, "signal": how.name, "after_s": round(after, 2), "exit_code": code, "ended_s": round(took - after, 2)})
            if how == signal.SIGTERM and code not in (0, 4):
                self.fail(f"night {number}: SIGTERM after {after:.1f} s gave exit code {code}")
            # Another machine takes it up: all it has is what was sent home.
            if how == signal.SIGTERM and number % 2 == 0:
                shutil.rmtree(self.work, ignore_errors=True)
        code, took = self.run(*arguments)
        if code != 0:
            self.fail(f"night {number}: exit code {code}")
        if not stops:
            self.usual = took
        self.kept += json.loads(self.bucket.get("shop", "project/nightly/status.json"))["gradients_kept"]
        if number == 1:
            code, _ = self.run("promote", "challenger", "-C", "gs://shop/project", "--note", "the first", "--today", str(day + datetime.timedelta(days=1)))
            if code != 0:
                self.fail(f"promote: exit code {code}")

    def live(self):
        self.begin()
        for number in range(1, self.options.nights + 1):
            self.night(number)
        names = [name for name in self.bucket.names("shop") if name.startswith("project/")]
        # What tells of the night itself, and times that were measured.
        passing = ("nightly/", ".longrun/", "telemetry.json", "history.html")
        names = [name for name in names if not any(part in name for part in passing)]
        return {name: hashlib.sha256(self.bucket.get("shop", name)).hexdigest() for name in names}


def simulate(binary, folder, options):
    days = HISTORY_DAYS + options.nights
    made = [binary, "simulate", "--output", str(folder / "shop"), "--customers", str(options.customers), "--groups", "1"]
    made += ["--start", str(FIRST_DAY), "--acquisition-days", str(days - 5), "--observe-days", str(days), "--seed", str(options.seed)]
    subprocess.run(made, check=True, stdout=subprocess.DEVNULL)
    log = {}
    with open(folder / "shop/transactions.csv") as file:
        rows = csv.reader(file)
        head = next(rows)
        at = [head.index(name) for name in ("customer_id", "date", "amount")]
        for row in rows:
            who, when, amount = (row[i] for i in at)
            log.setdefault(datetime.date.fromisoformat(when[:10]), []).append([who, when, amount])
    return log


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("binary")
    parser.add_argument("--nights", type=int, default=30)
    parser.add_argument("--customers", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    binary = str(Path(options.binary).resolve())
    subprocess.run([str(ROOT / "scripts/gcs_emulator.sh"), "--install"], check=True)
    with tempfile.TemporaryDirectory() as scratch:
        scratch = Path(scratch)
        log = simulate(binary, scratch, options)
        worlds, found = {}, {}
        for disturbed in (False, True):
            folder = scratch / "world"
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            world = World(binary, folder, log, disturbed, options)
            try:
                found[disturbed] = world.live()
            finally:
                world.bucket.end()
            worlds[disturbed] = world
    same = [name for name in found[False] if found[True].get(name) == found[False][name]]
    other = sorted(set(found[False]) ^ set(found[True]) | {n for n in found[False] if n in found[True] and found[True][n] != found[False][n]})
    quiet, disturbed = worlds[False], worlds[True]
    result = {
        "nights": options.nights,
        "customers": options.customers,
        "preemptions": sum(kill["signal"] == "SIGTERM" for kill in disturbed.kills),
        "kills": sum(kill["signal"] == "SIGKILL" for kill in disturbed.kills),
        "longest_stop_s": max((k["ended_s"] for k in disturbed.kills if k["signal"] == "SIGTERM"), default=None),
        "files_equal": len(same),
        "draws_equal": sum(name.endswith(".safetensors") for name in same),
        "files_different": other,
        "cpu_s_undisturbed": round(quiet.cpu, 1),
        "cpu_s_disturbed": round(disturbed.cpu, 1),
        "wasted_percent": round(100 * (disturbed.cpu / quiet.cpu - 1), 1),
        "gradients_kept": disturbed.kept,
        "stops": disturbed.kills,
    }
    if options.json:
        print(json.dumps(result, indent=1))
    else:
        for key, value in result.items():
            if key != "stops":
                print(f"{key:<20} {value}")
        for kill in disturbed.kills:
            print("  night {night:>2}: {signal} after {after_s} s, ended {ended_s} s later with exit code {exit_code}".format(**kill))
    sys.exit(1 if other or not same else 0)


if __name__ == "__main__":
    main()
