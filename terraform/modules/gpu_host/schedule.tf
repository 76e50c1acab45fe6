# Starts the machine. What it does then is written on the machine; starting one that runs changes nothing.

locals {
  starts = var.role != "nightly" ? {} : { for name, when in { night = var.schedule, retry = var.retry_schedule } : name => when if when != null }
}

resource "google_cloud_scheduler_job" "start" {
  for_each         = local.starts
  project          = var.project_id
  region           = var.region
  name             = "${var.name}-${each.key}"
  description      = each.key == "night" ? "Begins the night of ${var.name}" : "Goes on with a night that was preempted; one that finished is left alone"
  schedule         = each.value
  time_zone        = var.time_zone
  attempt_deadline = "60s"

  retry_config {
    retry_count          = 3
    min_backoff_duration = "60s"
  }

  http_target {
    http_method = "POST"
    uri         = "https://compute.googleapis.com/compute/v1/projects/${var.project_id}/zones/${var.zone}/instances/${google_compute_instance.host.name}/start"

    oauth_token {
      service_account_email = google_service_account.scheduler[0].email
      scope                 = "https://www.googleapis.com/auth/cloud-platform"
    }
  }

  depends_on = [google_compute_instance_iam_member.scheduler_start]
}
