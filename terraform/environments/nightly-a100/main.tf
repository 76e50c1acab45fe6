# Every night a refit on a spot machine with one A100, for tens of millions of customers.
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
    prefix = "longrun/nightly-a100"
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
  name       = "longrun-nightly-a100"
  labels     = { longrun = "nightly-a100" }

  role             = "nightly"
  machine_type     = "a2-highgpu-1g"
  spot             = true
  max_run_minutes  = 240
  deadline_minutes = 210
  data_disk_gb     = 200

  container_image = var.container_image
  orders_bucket   = var.orders_bucket
  ssh_members     = var.ssh_members

  notification_emails = var.notification_emails
  billing_account     = var.billing_account
  budget              = var.budget
}
