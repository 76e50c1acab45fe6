# A network of its own, with no way in but Identity-Aware Proxy, and only where someone is named who may use it.

resource "google_compute_network" "host" {
  project                 = var.project_id
  name                    = var.name
  auto_create_subnetworks = false
}

resource "google_compute_subnetwork" "host" {
  project       = var.project_id
  name          = var.name
  region        = var.region
  network       = google_compute_network.host.id
  ip_cidr_range = "10.90.0.0/28"
  # Buckets, logs and the container image are reached without the internet.
  private_ip_google_access = true
}

resource "google_compute_firewall" "ssh" {
  count       = length(var.ssh_members) > 0 ? 1 : 0
  project     = var.project_id
  name        = "${var.name}-ssh-from-iap"
  network     = google_compute_network.host.name
  direction   = "INGRESS"
  description = "SSH from Identity-Aware Proxy's own range; it asks who you are first."
  # The range from which Identity-Aware Proxy connects.
  source_ranges           = ["35.235.240.0/20"]
  target_service_accounts = [google_service_account.host.email]

  allow {
    protocol = "tcp"
    ports    = ["22"]
  }
}

resource "google_compute_router" "host" {
  count   = var.nat ? 1 : 0
  project = var.project_id
  name    = var.name
  region  = var.region
  network = google_compute_network.host.id
}

resource "google_compute_router_nat" "host" {
  count                              = var.nat ? 1 : 0
  project                            = var.project_id
  name                               = var.name
  region                             = var.region
  router                             = google_compute_router.host[0].name
  nat_ip_allocate_option             = "AUTO_ONLY"
  source_subnetwork_ip_ranges_to_nat = "LIST_OF_SUBNETWORKS"

  subnetwork {
    name                    = google_compute_subnetwork.host.id
    source_ip_ranges_to_nat = ["ALL_IP_RANGES"]
  }

  log_config {
    enable = true
    filter = "ERRORS_ONLY"
  }
}
