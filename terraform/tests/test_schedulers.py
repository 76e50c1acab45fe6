"""The schedulers' examples in docs/guide/operations.md: systemd accepts the units, Python the DAGs, and all that are for nights call the same
command as the machine in Google Cloud does.
"""

import re
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

HOUSE = Path(__file__).resolve().parents[2]
PAGE = (HOUSE / "docs/guide/operations.md").read_text()
NIGHTS = PAGE[PAGE.index("## Nightly refits") :]
COMMAND = r"longrun nightly \S+/longrun\.toml\"? --json --deadline-minutes "


def blocks(language, text):
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.S | re.M)


class Schedulers(unittest.TestCase):
    def test_all_call_the_same_command(self):
        units = [unit for unit in blocks("ini", NIGHTS) if "ExecStart=" in unit]
        for example in [*blocks("text", NIGHTS), *units, *blocks("python", NIGHTS)]:
            self.assertRegex(example, COMMAND)
        night = (HOUSE / "terraform/modules/gpu_host/host/night.sh").read_text()
        self.assertRegex(night, r"nightly \"gs://\$bucket/\$shop/longrun\.toml\" --json --deadline-minutes ")
        self.assertEqual((len(blocks("text", NIGHTS)), len(units), len(blocks("python", NIGHTS))), (1, 1, 1))

    def test_systemd_accepts_the_units(self):
        units = {re.search(r"^# \S*/(\S+)$", unit, re.M)[1]: unit for unit in blocks("ini", PAGE)}
        self.assertEqual(len(units), 4)
        nightly = units["longrun-nightly.service"]
        self.assertIn("KillSignal=SIGTERM\n", nightly)
        self.assertGreaterEqual(int(re.search(r"TimeoutStopSec=(\d+)", nightly)[1]), 30)
        if shutil.which("systemd-analyze") is None:
            self.skipTest("systemd-analyze is not here")
        with tempfile.TemporaryDirectory() as folder:
            for name, unit in units.items():
                # systemd-analyze looks for the program that a unit names.
                Path(folder, name).write_text(unit.replace("/usr/local/bin/longrun ", "/bin/true "))
            for name in units:
                done = subprocess.run(["systemd-analyze", "verify", "--man=no", f"{folder}/{name}"], text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
                said = [line for line in done.stdout.splitlines() if "longrun" in line]
                self.assertEqual((done.returncode, said), (0, []), done.stdout)

    def test_python_accepts_the_dags(self):
        for dag in blocks("python", PAGE):
            compile(dag, "operations.md", "exec")

    def test_cron_lines_have_five_fields(self):
        for block in blocks("text", PAGE):
            for line in block.splitlines():
                if "longrun" in line and not line.startswith("#") and ("nightly" in line or "pipeline" in line):
                    fields = line.split()[:5]
                    self.assertTrue(all(re.fullmatch(r"[\d*,/-]+", field) for field in fields), line)
                    self.assertNotIn("%", line, "cron takes % for a new line")


if __name__ == "__main__":
    unittest.main()
