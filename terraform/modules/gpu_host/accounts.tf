# Who may do what. Two accounts, no keys: the machine proves itself to Google's metadata server, the scheduler to Google itself.

locals {
  image = regex("^(?P<location>[a-z0-9-]+)-docker\\.pkg\\.dev/(?P<project>[^/]+)/(?P<repository>[^/]+)/", var.container_image)
}

resource "google_service_account" "host" {
  project      = var.project_id
  account_id   = "${var.name}-host"
  display_name = "longrun on ${var.name}"
}

# Objects of its own project: made, read, replaced and deleted; neither the bucket's settings nor its permissions.
resource "google_storage_bucket_iam_member" "host_project" {
  bucket = google_storage_bucket.project.name
  role   = "roles/storage.objectUser"
  member = google_service_account.host.member
}

# The log of purchases is read and never written.
resource "google_storage_bucket_iam_member" "host_orders" {
  bucket = local.orders_bucket
  role   = "roles/storage.objectViewer"
  member = google_service_account.host.member
}

resource "google_project_iam_member" "host_logs" {
  project = var.project_id
  role    = "roles/logging.logWriter"
  member  = google_service_account.host.member
}

resource "google_artifact_registry_repository_iam_member" "host_image" {
  project    = local.image.project
  location   = local.image.location
  repository = local.image.repository
  role       = "roles/artifactregistry.reader"
  member     = google_service_account.host.member
}

# The scheduler may start this one machine and nothing else: not stop it, not look at it, not start another.
resource "google_service_account" "scheduler" {
  count        = var.role == "nightly" ? 1 : 0
  project      = var.project_id
  account_id   = "${var.name}-scheduler"
  display_name = "starts ${var.name}"
}

resource "google_project_iam_custom_role" "start" {
  count       = var.role == "nightly" ? 1 : 0
  project     = var.project_id
  role_id     = "${replace(var.name, "-", "_")}_start"
  title       = "Start ${var.name}"
  permissions = ["compute.instances.start"]
}

resource "google_compute_instance_iam_member" "scheduler_start" {
  count         = var.role == "nightly" ? 1 : 0
  project       = var.project_id
  zone          = var.zone
  instance_name = google_compute_instance.host.name
  role          = google_project_iam_custom_role.start[0].id
  member        = google_service_account.scheduler[0].member
}

# People, where any are named: through the proxy, with OS Login, as this machine's account and no other.
resource "google_iap_tunnel_instance_iam_member" "ssh" {
  for_each = toset(var.ssh_members)
  project  = var.project_id
  zone     = var.zone
  instance = google_compute_instance.host.name
  role     = "roles/iap.tunnelResourceAccessor"
  member   = each.value
}

resource "google_compute_instance_iam_member" "ssh" {
  for_each      = toset(var.ssh_members)
  project       = var.project_id
  zone          = var.zone
  instance_name = google_compute_instance.host.name
  # Whoever develops on a machine administers it; on one that works at night they only look.
  role   = var.role == "dev" ? "roles/compute.osAdminLogin" : "roles/compute.osLogin"
  member = each.value
}

resource "google_service_account_iam_member" "ssh" {
  for_each           = toset(var.ssh_members)
  service_account_id = google_service_account.host.name
  role               = "roles/iam.serviceAccountUser"
  member             = each.value
}
