#!/usr/bin/env python3
"""What a night costs in Google Cloud, computed from prices and run times that are given to it. It knows no run time: whoever has measured
one says so with --minutes; without, the table is over supposed ones.

  night = (minutes of the run + minutes of the start) / 60 × hourly price of the machine
        + (starts that found nothing to do) × minutes of the start / 60 × hourly price of the machine
  month = 30 × night + disks and stored gigabytes, which cost whether or not the machine runs

Usage: gcp_costs.py [--prices FILE] [--machine NAME] [--minutes 1M=M,10M=M,100M=M] [--disks-gb N] [--stored-gb N]
Prices are docs/guide/gcp_prices.json unless another file is named; change them there, with their date.
"""

import argparse
import json
from pathlib import Path

PRICES = Path(__file__).resolve().parent.parent / "docs/guide/gcp_prices.json"
SUPPOSED = (10, 30, 60)  # minutes
NIGHTS = 30  # a month


def night(prices, machine, minutes, idle_starts=None):
    """Price of one night on a machine: the run, its start, and the retries that found it finished."""
    starts = prices["starts_that_find_nothing"] if idle_starts is None else idle_starts
    hours = (minutes + prices["start_minutes"] * (1 + starts)) / 60
    return hours * prices["hourly"][machine]


def standing(prices, disks_gb, stored_gb):
    """Price of a month without any night: both disks, and what lies in the buckets (versions included)."""
    return disks_gb * prices["monthly_per_gb"]["pd-balanced"] + stored_gb * prices["monthly_per_gb"]["gcs_standard"]


def table(prices, machines, minutes):
    """Rows of Markdown: a machine and a run time, the night, the month of nights."""
    rows = ["| machine | per hour | run | a night | 30 nights |", "| --- | --- | --- | --- | --- |"]
    for machine in machines:
        for label, length in minutes:
            price = night(prices, machine, length)
            rows.append(f"| {machine} | {prices['hourly'][machine]:.2f} | {label} | {price:.2f} | {NIGHTS * price:.2f} |")
    return rows


def measured(text):
    """`1M=4,10M=12` as [("1M customers, 4 min", 4.0), …]."""
    pairs = [part.split("=") for part in text.split(",")]
    return [(f"{customers} customers, {float(length):g} min", float(length)) for customers, length in pairs]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--prices", type=Path, default=PRICES)
    parser.add_argument("--machine", action="append", help="a machine of the price list; again for more [default: all]")
    parser.add_argument("--minutes", type=measured, help="run times that you measured, such as 1M=4,10M=12")
    parser.add_argument("--disks-gb", type=float, default=150)
    parser.add_argument("--stored-gb", type=float, default=100)
    given = parser.parse_args()
    prices = json.loads(given.prices.read_text())
    machines = given.machine or list(prices["hourly"])
    unknown = [name for name in machines if name not in prices["hourly"]]
    if unknown:
        parser.error(f"{given.prices} has no price of {', '.join(unknown)}; it has {', '.join(prices['hourly'])}")
    print(f"{prices['currency']}, {prices['source']}, {prices['date']}, {prices['region']}; a start takes {prices['start_minutes']} min, "
          f"{prices['starts_that_find_nothing']} retries a night find nothing to do\n")  # fmt: skip
    print("\n".join(table(prices, machines, given.minutes or [(f"supposed: {length} min", length) for length in SUPPOSED])))
    print(f"\nwhether or not it runs, {given.disks_gb:g} GB of disks and {given.stored_gb:g} GB in buckets: {standing(prices, given.disks_gb, given.stored_gb):.2f} a month")


if __name__ == "__main__":
    main()
