# The machine. It has nothing that it cannot lose: state is on the data disk and in the bucket.

resource "google_compute_disk" "data" {
  project = var.project_id
  name    = "${var.name}-data"
  zone    = var.zone
  type    = var.disk_type
  size    = var.data_disk_gb
  labels  = var.labels
}

resource "google_compute_instance" "host" {
  project      = var.project_id
  name         = var.name
  zone         = var.zone
  machine_type = var.machine_type
  description  = "longrun, ${var.role}"
  labels       = var.labels
  # A new size or image may stop it: whatever it was at is resumed.
  allow_stopping_for_update = true

  boot_disk {
    auto_delete = true
    initialize_params {
      image  = var.boot_image
      size   = var.boot_disk_gb
      type   = var.disk_type
      labels = var.labels
    }
  }

  attached_disk {
    source      = google_compute_disk.data.id
    device_name = "longrun"
    mode        = "READ_WRITE"
  }

  network_interface {
    subnetwork = google_compute_subnetwork.host.id

    dynamic "access_config" {
      for_each = var.external_address ? [1] : []
      content {
        network_tier = "STANDARD"
      }
    }
  }

  service_account {
    email = google_service_account.host.email
    # What it may do is said by the roles above, which are few.
    scopes = ["cloud-platform"]
  }

  scheduling {
    provisioning_model = var.spot ? "SPOT" : "STANDARD"
    preemptible        = var.spot
    automatic_restart  = false
    # A GPU cannot be moved to another host while it works.
    on_host_maintenance         = "TERMINATE"
    instance_termination_action = "STOP"

    max_run_duration {
      seconds = var.max_run_minutes * 60
    }
  }

  shielded_instance_config {
    enable_secure_boot          = var.secure_boot
    enable_vtpm                 = true
    enable_integrity_monitoring = true
  }

  # The scripts are plain files, read on the machine from its metadata; what differs between machines is in the values beside them.
  metadata = {
    startup-script         = file("${path.module}/host/start.sh")
    longrun-night          = file("${path.module}/host/night.sh")
    longrun-power-off      = file("${path.module}/host/power_off.sh")
    longrun-forward-logs   = file("${path.module}/host/forward_logs.py")
    longrun-unit           = file("${path.module}/host/longrun-night.service")
    longrun-role           = var.role
    longrun-image          = var.container_image
    longrun-bucket         = google_storage_bucket.project.name
    longrun-shop           = var.shop
    longrun-deadline       = tostring(var.deadline_minutes)
    longrun-finished-hours = tostring(var.finished_for_hours)
    longrun-capabilities   = "compute,utility,graphics"
    enable-oslogin         = "TRUE"
    block-project-ssh-keys = "TRUE"
    serial-port-enable     = "FALSE"
  }

  depends_on = [
    google_artifact_registry_repository_iam_member.host_image,
    google_compute_router_nat.host,
    google_project_iam_member.host_logs,
    google_storage_bucket_iam_member.host_orders,
    google_storage_bucket_iam_member.host_project,
  ]
}
