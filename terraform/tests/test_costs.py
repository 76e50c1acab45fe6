"""The arithmetic of scripts/gcp_costs.py, by hand on prices that are easy to reckon with; and that the guide's table is what it prints."""

import importlib.util
import json
import re
import shlex
import subprocess
import sys
import unittest
from pathlib import Path

HOUSE = Path(__file__).resolve().parents[2]
spec = importlib.util.spec_from_file_location("gcp_costs", HOUSE / "scripts/gcp_costs.py")
gcp_costs = importlib.util.module_from_spec(spec)
spec.loader.exec_module(gcp_costs)

EASY = {"hourly": {"m": 6.0}, "start_minutes": 2, "starts_that_find_nothing": 4, "monthly_per_gb": {"pd-balanced": 0.5, "gcs_standard": 0.25}}


class Costs(unittest.TestCase):
    def test_a_night(self):
        # 20 minutes, its start and four starts for nothing of 2 minutes each: half an hour at 6.
        self.assertAlmostEqual(gcp_costs.night(EASY, "m", 20), 3.0)
        self.assertAlmostEqual(gcp_costs.night(EASY, "m", 28, idle_starts=0), 3.0)

    def test_a_month_without_nights(self):
        self.assertAlmostEqual(gcp_costs.standing(EASY, 10, 4), 6.0)

    def test_measured_minutes(self):
        self.assertEqual(gcp_costs.measured("1M=4,10M=12.5"), [("1M customers, 4 min", 4.0), ("10M customers, 12.5 min", 12.5)])

    def test_prices_have_a_date_and_a_source(self):
        prices = json.loads((HOUSE / "docs/guide/gcp_prices.json").read_text())
        self.assertTrue(prices["date"] and prices["source"] and prices["currency"])
        self.assertTrue({"g2-standard-4 spot", "g2-standard-8 spot", "a2-highgpu-1g spot"} <= set(prices["hourly"]))

    def test_the_guide_shows_what_its_commands_print(self):
        guide = (HOUSE / "docs/guide/gcp.md").read_text()
        commands = re.findall(r"^(scripts/gcp_costs\.py .*)$", guide, re.M)
        self.assertEqual(len(commands), 2)
        for command in commands:
            printed = subprocess.run([sys.executable, *shlex.split(command)], cwd=HOUSE, text=True, stdout=subprocess.PIPE, check=True).stdout
            for line in printed.splitlines():
                if line.startswith("|"):
                    self.assertIn(line + "\n", guide, f"the table in docs/guide/gcp.md is not what `{command}` prints")

    def test_an_unknown_machine(self):
        done = subprocess.run([sys.executable, HOUSE / "scripts/gcp_costs.py", "--machine", "z9"], text=True, stderr=subprocess.PIPE)
        self.assertEqual(done.returncode, 2)
        self.assertIn("has no price of z9", done.stderr)


if __name__ == "__main__":
    unittest.main()
