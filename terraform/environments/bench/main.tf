# Measurements: starts, measures, uploads, goes off. Not spot, since a preemption would be in the figures.
# docs/guide/gcp.md goes from nothing to the first night.

terraform {
  required_version = ">= 1.9, < 2.0"

  required_providers {
    google = {
      source  = "hashicorp/google"
      version = "~> 6.50"
    }
  }

  # terraform init -backend-config=bucket=NAME
  backend "gcs" {
    prefix = "longrun/bench"
  }
}

provider "google" {
  project = var.project_id
  region  = var.region
  # Budgets are asked for in the name of a project, and people's own credentials have none.
  billing_project       = var.project_id
  user_project_override = true
}

module "host" {
  source = "../../modules/gpu_host"

  project_id = var.project_id
  region     = var.region
  zone       = var.zone
  name       = "longrun-bench"
  labels     = { longrun = "bench" }

  role             = "bench"
  machine_type     = "g2-standard-8"
  spot             = false
  max_run_minutes  = 120
  deadline_minutes = 100
  data_disk_gb     = 50

  container_image = var.container_image
  orders_bucket   = var.orders_bucket
  ssh_members     = var.ssh_members

  notification_emails = var.notification_emails
  billing_account     = var.billing_account
  budget              = var.budget
}
