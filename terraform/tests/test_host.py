"""Tries the scripts that run on the machine: start.sh, night.sh, power_off.sh, forward_logs.py and the unit. Google's metadata server, Cloud
Logging and Cloud Storage are a small server here; driver, packages, Docker and systemd are stand-ins on PATH that note how they were called.
What is asserted: which endings turn the machine off, what is logged with which severity, and that a signal reaches the program.
"""

import json
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import unittest
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

HOST = Path(__file__).resolve().parents[1] / "modules/gpu_host/host"
IMAGE = "europe-west4-docker.pkg.dev/p/longrun/longrun:0.1.0"

# Every stand-in notes its call; what it then does is the scenario's.
STAND_IN = """#!/bin/bash
printf '%s %s\\n' "${0##*/}" "$*" >>"$STATE/calls"
"""
STAND_INS = {
    "nvidia-smi": 'echo 580.126.09',
    "vulkaninfo": 'cat "$STATE/vulkan"',
    "dpkg-query": 'case "$*" in *libnvidia-compute-580-server*) echo 580.126.09-0ubuntu0.24.04.1 ;; *) exit 1 ;; esac',
    "apt-get": 'case "$*" in *libnvidia-gl-580-server*) [ -e "$STATE/archive" ] || exit 100; cp "$STATE/archive" "$STATE/vulkan" ;; esac',
    "blkid": 'cat "$STATE/filesystem"',
    "mkfs.ext4": "",
    "mount": "",
    "mountpoint": "exit 1",
    "chown": "",
    "sync": "",
    "nvidia-ctk": "",
    "gpg": "cat >/dev/null",
    "systemctl": 'case "$*" in "poweroff") exit "$(cat "$STATE/poweroff_code" 2>/dev/null || echo 0)" ;; esac',
    "docker": """
case "$*" in
    "image inspect"*) exit 1 ;;
    *login*) cat >"$STATE/token" ;;
    *" doctor --json") cat "$STATE/doctor" ;;
    *" nightly "*)
        trap 'echo "{\\"severity\\": \\"INFO\\", \\"event\\": \\"checkpoint\\", \\"message\\": \\"checkpoint uploaded\\"}"; exit 4' TERM
        cat "$STATE/lines" 2>/dev/null
        if [ -e "$STATE/hang" ]; then touch "$STATE/hanging"; while true; do sleep 0.05; done; fi
        exit "$(cat "$STATE/code")" ;;
    *" bench"*) echo '{"evaluations_per_s": 1}' ;;
esac""",
}
NVIDIA = "\tdeviceName         = NVIDIA L4\n"
LLVMPIPE = "\tdeviceName         = llvmpipe (LLVM 17.0.6, 256 bits)\n"


class Cloud(BaseHTTPRequestHandler):
    """The three services, as far as the scripts ask them."""

    def answer(self, code, body=""):
        self.send_response(code)
        self.end_headers()
        self.wfile.write(body.encode())

    def do_GET(self):
        told, path = self.server.told, self.path
        if path.startswith("/meta/"):
            if self.headers.get("Metadata-Flavor") != "Google":
                return self.answer(403)
            key = path.removeprefix("/meta/")
            return self.answer(200, told["metadata"][key]) if key in told["metadata"] else self.answer(404)
        if self.headers.get("Authorization") != "Bearer token-of-the-machine":
            return self.answer(401)
        return self.answer(200 if path in told["objects"] else 404)

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        told = self.server.told
        if self.headers.get("Authorization") != "Bearer token-of-the-machine":
            return self.answer(401)
        if self.path == "/v2/entries:write":
            if told["logging_is_down"]:
                return self.answer(503)
            told["written"].append(json.loads(body))
        else:
            told["uploads"].append((self.path, json.loads(body)))
        self.answer(200, "{}")

    def log_message(self, *_):
        pass


class Machine(unittest.TestCase):
    def setUp(self):
        self.folder = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)
        self.root, self.state, programs = self.folder / "root", self.folder / "state", self.folder / "bin"
        for path in (self.root / "dev/disk/by-id", self.root / "var/lib/longrun/.host", self.state, programs):
            path.mkdir(parents=True)
        (self.root / "dev/disk/by-id/google-longrun").touch()
        for name, does in STAND_INS.items():
            (programs / name).write_text(STAND_IN + does + "\n")
            (programs / name).chmod(0o755)
        self.set(vulkan=NVIDIA, filesystem="ext4", code="0", doctor=json.dumps({"adapters": [{"name": "NVIDIA L4", "software": False}]}))
        metadata = {
            "longrun-role": "nightly", "longrun-image": IMAGE, "longrun-bucket": "b", "longrun-shop": "shop", "longrun-deadline": "210",
            "longrun-finished-hours": "12", "longrun-capabilities": "compute,utility,graphics",
            "longrun-night": (HOST / "night.sh").read_text(), "longrun-power-off": (HOST / "power_off.sh").read_text(),
            "longrun-forward-logs": (HOST / "forward_logs.py").read_text(), "longrun-unit": (HOST / "longrun-night.service").read_text(),
        }  # fmt: skip
        self.metadata = {f"instance/attributes/{key}": value for key, value in metadata.items()} | {
            "project/project-id": "p", "instance/name": "longrun-nightly-l4", "instance/id": "7", "instance/zone": "projects/1/zones/europe-west4-a",
            "instance/service-accounts/default/token": json.dumps({"access_token": "token-of-the-machine", "expires_in": 3600}),
        }  # fmt: skip
        self.cloud = ThreadingHTTPServer(("127.0.0.1", 0), Cloud)
        self.cloud.told = {
            "metadata": self.metadata, "objects": {"/storage/v1/b/b/o/shop%2Flongrun.toml"}, "written": [], "uploads": [], "logging_is_down": False,
        }  # fmt: skip
        threading.Thread(target=self.cloud.serve_forever, args=(0.02,), daemon=True).start()
        self.addCleanup(self.cloud.server_close)
        self.addCleanup(self.cloud.shutdown)
        url = f"http://127.0.0.1:{self.cloud.server_port}"
        self.env = {
            "PATH": f"{programs}:/usr/bin:/bin", "STATE": str(self.state), "LONGRUN_HOST_ROOT": str(self.root),
            "LONGRUN_METADATA": f"{url}/meta", "LONGRUN_LOGGING": url, "LONGRUN_STORAGE": url, "HOME": str(self.folder),
        }  # fmt: skip

    def set(self, **files):
        for name, text in files.items():
            (self.state / name).write_text(text)

    def without(self, program):
        (self.folder / "bin" / program).unlink()

    def run_script(self, name):
        done = subprocess.run(["bash", HOST / name], env=self.env, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
        return done.returncode, done.stdout

    def start(self):
        return self.run_script("start.sh")

    def night(self):
        """As the unit calls it: what start.sh laid onto the machine."""
        programs = self.root / "usr/local/sbin"
        programs.mkdir(parents=True, exist_ok=True)
        for key, file in (("forward-logs", "forward_logs.py"), ("night", "night.sh"), ("power-off", "power_off.sh")):
            shutil.copy(HOST / file, programs / f"longrun-{key}")
            (programs / f"longrun-{key}").chmod(0o755)
        return self.run_script("night.sh")

    def calls(self, program):
        path = self.state / "calls"
        return [line.split(" ", 1)[1] for line in path.read_text().splitlines() if line.split(" ", 1)[0] == program] if path.exists() else []

    def said(self):
        """(severity, event, exit code) of every entry that Cloud Logging got."""
        return [
            (e["severity"], e["jsonPayload"].get("event"), e["jsonPayload"].get("exit_code")) for w in self.cloud.told["written"] for e in w["entries"]
        ]

    def goes_off(self):
        return any(call.startswith("poweroff") for call in self.calls("systemctl"))

    # start.sh

    def test_a_good_morning(self):
        code, out = self.start()
        self.assertEqual(code, 0, out)
        self.assertIn("start --no-block longrun-night.service", self.calls("systemctl"))
        self.assertFalse(self.goes_off())
        self.assertIn(("INFO", "driver_ready", None), self.said())
        self.assertEqual((self.state / "token").read_text().strip(), "token-of-the-machine")
        self.assertEqual(self.calls("mkfs.ext4"), [], "a disk that holds something is never formatted")
        self.assertTrue(os.access(self.root / "usr/local/sbin/longrun-night", os.X_OK))
        self.assertEqual((self.root / "etc/systemd/system/longrun-night.service").read_text(), (HOST / "longrun-night.service").read_text())
        self.assertTrue(any("NVIDIA_DRIVER_CAPABILITIES=compute,utility,graphics" in call and "--gpus all" in call for call in self.calls("docker")))

    def test_a_new_disk_is_formatted(self):
        self.set(filesystem="")
        code, out = self.start()
        self.assertEqual(code, 0, out)
        self.assertEqual(len(self.calls("mkfs.ext4")), 1)

    def test_a_compute_only_driver_is_completed(self):
        self.set(vulkan=LLVMPIPE, archive=NVIDIA)
        code, out = self.start()
        self.assertEqual(code, 0, out)
        self.assertTrue(any("libnvidia-gl-580-server=580.126.09-0ubuntu0.24.04.1" in call for call in self.calls("apt-get")), "of the same version, to the digit")
        self.assertEqual([event for _, event, _ in self.said()], ["driver_incomplete", "driver_ready"])

    def bad_morning(self, expected):
        code, out = self.start()
        self.assertEqual(code, 1, out)
        self.assertIn(("ERROR", "host_failed", None), self.said())
        self.assertIn(expected, self.cloud.told["written"][-1]["entries"][-1]["jsonPayload"]["message"])
        self.assertTrue(self.goes_off(), "a machine that cannot work must not cost money")
        self.assertFalse(any("longrun-night" in call for call in self.calls("systemctl")))

    def test_a_driver_that_stays_incomplete(self):
        self.set(vulkan=LLVMPIPE, archive=LLVMPIPE)
        self.bad_morning("Vulkan does not see the GPU although libnvidia-gl-580-server is installed")

    def test_an_archive_that_has_moved_on(self):
        self.set(vulkan=LLVMPIPE)
        self.bad_morning("take a newer boot_image")

    def test_no_driver_at_all(self):
        self.without("nvidia-smi")
        self.bad_morning("nvidia-smi is missing")

    def test_no_data_disk(self):
        (self.root / "dev/disk/by-id/google-longrun").unlink()
        self.bad_morning("there is no disk")

    def test_a_container_that_does_not_see_the_gpu(self):
        self.set(doctor=json.dumps({"adapters": [{"name": "llvmpipe", "software": True}]}))
        self.bad_morning("longrun doctor sees no GPU in the container")

    def test_something_that_nobody_foresaw(self):
        del self.metadata["instance/attributes/longrun-capabilities"]
        self.bad_morning("start.sh ended at line")

    def test_no_metadata_server(self):
        self.env["LONGRUN_METADATA"] = "http://127.0.0.1:9/meta"
        (self.folder / "bin/curl").write_text("#!/bin/sh\nexit 7\n")
        (self.folder / "bin/curl").chmod(0o755)
        code, out = self.start()
        self.assertEqual(code, 1)
        self.assertIn('"severity": "ERROR"', out)
        self.assertTrue(self.goes_off())

    def test_a_machine_of_people_stays_on(self):
        self.metadata["instance/attributes/longrun-role"] = "dev"
        self.without("nvidia-smi")
        code, _ = self.start()
        self.assertEqual(code, 1)
        self.assertIn(("ERROR", "host_failed", None), self.said())
        self.assertFalse(self.goes_off(), "whoever develops wants to look")

    # night.sh

    def test_each_ending_has_its_severity(self):
        for code, severity in ((0, "INFO"), (1, "WARNING"), (2, "ERROR"), (3, "WARNING"), (4, "WARNING"), (5, "ERROR"), (125, "ERROR"), (137, "ERROR")):
            with self.subTest(code=code):
                self.cloud.told["written"].clear()
                (self.root / "var/lib/longrun/.host/last_night").unlink(missing_ok=True)
                self.set(code=str(code), lines='{"time": "2026-01-02T03:04:05Z", "severity": "INFO", "event": "fit", "message": "fitting"}\nplain words\n')
                got, out = self.night()
                self.assertEqual(got, code, out)
                said = self.said()
                self.assertEqual(said[-1], (severity, "night_ended", code))
                self.assertIn(("INFO", "fit", None), said)
                self.assertIn(("DEFAULT", None, None), said)
        call = next(call for call in self.calls("docker") if " nightly " in call)
        self.assertIn(f"{IMAGE} nightly gs://b/shop/longrun.toml --json --deadline-minutes 210", call)
        for flag in ("--read-only", "--tmpfs /tmp", "--init", "--gpus all", "NVIDIA_DRIVER_CAPABILITIES=compute,utility,graphics", ":/var/lib/longrun"):
            self.assertIn(flag, call)

    def test_a_preemption(self):
        self.night()  # lays the programs in place
        (self.root / "var/lib/longrun/.host/last_night").unlink()
        self.cloud.told["written"].clear()
        self.set(hang="")
        running = subprocess.Popen(["bash", HOST / "night.sh"], env=self.env, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        for _ in range(400):
            if (self.state / "hanging").exists():
                break
            time.sleep(0.05)
        began = time.monotonic()
        running.send_signal(signal.SIGTERM)
        out, _ = running.communicate(timeout=25)
        self.assertEqual(running.returncode, 4, out)
        self.assertLess(time.monotonic() - began, 10, "of the 30 seconds that there are")
        self.assertEqual(self.said(), [("INFO", "checkpoint", None), ("WARNING", "night_ended", 4)])
        # The next start resumes: a night that was stopped is not one that stands.
        (self.state / "hang").unlink()
        before = len(self.calls("docker"))
        self.assertEqual(self.night()[0], 0)
        self.assertGreater(len(self.calls("docker")), before)

    def test_a_retry_leaves_a_finished_night_alone(self):
        self.assertEqual(self.night()[0], 0)
        before = len(self.calls("docker"))
        self.assertEqual(self.night()[0], 0)
        self.assertEqual(len(self.calls("docker")), before)
        self.assertEqual(self.said()[-1], ("INFO", "night_stands", None))
        self.metadata["instance/attributes/longrun-again"] = "yes"
        self.assertEqual(self.night()[0], 0)
        self.assertGreater(len(self.calls("docker")), before)

    def test_yesterday_does_not_count(self):
        (self.root / "var/lib/longrun/.host/last_night").write_text(f"{int(time.time()) - 13 * 3600} 0\n")
        self.assertEqual(self.night()[0], 0)
        self.assertTrue(any(" nightly " in call for call in self.calls("docker")))

    def test_before_there_is_a_configuration(self):
        self.cloud.told["objects"].clear()
        self.assertEqual(self.night()[0], 0)
        self.assertEqual(self.said(), [("WARNING", "no_config", None)])
        self.assertEqual(self.calls("docker"), [])

    def test_cloud_logging_is_down(self):
        self.cloud.told["logging_is_down"] = True
        self.set(lines='{"severity": "INFO", "event": "fit", "message": "fitting"}\n')
        began = time.monotonic()
        code, out = self.night()
        self.assertEqual(code, 0, out)
        self.assertLess(time.monotonic() - began, 30)
        self.assertIn("did not reach Cloud Logging", out)
        self.assertIn('"event": "fit"', out, "the machine's journal has the line all the same")

    def test_measurements(self):
        self.metadata["instance/attributes/longrun-role"] = "bench"
        self.assertEqual(self.night()[0], 0)
        self.assertEqual(self.said(), [("INFO", "bench_ended", None)])
        self.assertEqual([path.rsplit("/", 1)[1] for path, _ in self.cloud.told["uploads"]], ["doctor.json", "bench.json", "bench_precision.json"])

    # power_off.sh, forward_logs.py, the unit

    def test_power_off(self):
        self.run_script("power_off.sh")
        self.assertEqual(self.calls("systemctl"), ["poweroff"])
        self.set(poweroff_code="1")
        self.run_script("power_off.sh")
        self.assertEqual(self.calls("systemctl")[1:], ["poweroff", "poweroff --force"])
        self.metadata["instance/attributes/longrun-role"] = "dev"
        self.run_script("power_off.sh")
        self.assertEqual(len(self.calls("systemctl")), 3)

    def test_lines_become_entries(self):
        lines = [
            '{"time": "2026-01-02T03:04:05.678+01:00", "severity": "warning", "event": "late", "message": "m", "rows": 3}',
            "thread 'main' panicked at src/main.rs:1:1:",
            '["not", "an", "object"]',
            "",
        ]
        subprocess.run(["python3", HOST / "forward_logs.py"], env=self.env, input="\n".join(lines), text=True, stdout=subprocess.DEVNULL, timeout=30, check=True)
        entries = [e for w in self.cloud.told["written"] for e in w["entries"]]
        self.assertEqual(entries[0], {"severity": "WARNING", "timestamp": "2026-01-02T03:04:05.678+01:00", "jsonPayload": {"event": "late", "message": "m", "rows": 3}})
        self.assertEqual([e["severity"] for e in entries], ["WARNING", "ERROR", "DEFAULT"])
        frame = self.cloud.told["written"][0]
        self.assertEqual(frame["logName"], "projects/p/logs/longrun")
        self.assertEqual(frame["labels"], {"longrun_host": "longrun-nightly-l4"})
        self.assertEqual(frame["resource"]["labels"], {"project_id": "p", "instance_id": "7", "zone": "europe-west4-a"})

    def test_the_unit(self):
        unit = (HOST / "longrun-night.service").read_text()
        for line in ("KillSignal=SIGTERM", "KillMode=mixed", "TimeoutStopSec=28", "ExecStopPost=/usr/local/sbin/longrun-power-off"):
            self.assertIn(line + "\n", unit)
        if shutil.which("systemd-analyze") is None:
            self.skipTest("systemd-analyze is not here")
        # systemd-analyze looks for the programs that the unit names.
        copy = self.folder / "longrun-night.service"
        copy.write_text(unit.replace("/usr/local/sbin/longrun-night", "/bin/true").replace("/usr/local/sbin/longrun-power-off", "/bin/true"))
        (self.folder / "docker.service").write_text("[Service]\nExecStart=/bin/true\n")
        done = subprocess.run(["systemd-analyze", "verify", "--man=no", copy], text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        complaints = [line for line in done.stdout.splitlines() if "longrun-night" in line]
        self.assertEqual((done.returncode, complaints), (0, []), done.stdout)


if __name__ == "__main__":
    unittest.main()
