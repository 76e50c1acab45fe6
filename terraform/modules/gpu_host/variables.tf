# What an environment says about its machine. Every refusal says what was expected.

# Where

variable "project_id" {
  description = "Google Cloud project in which everything is made."
  type        = string
  validation {
    condition     = can(regex("^[a-z][-a-z0-9]{4,28}[a-z0-9]$", var.project_id))
    error_message = "project_id must be a project's id (6 to 30 lower-case letters, digits and hyphens), not its name or number."
  }
}

variable "region" {
  description = "Region of network, buckets and scheduler."
  type        = string
}

variable "zone" {
  description = "Zone of the machine. L4 and A100 are not in every zone: `gcloud compute accelerator-types list` says where."
  type        = string
  validation {
    condition     = startswith(var.zone, "${var.region}-")
    error_message = "zone must lie in the region, such as europe-west4-a in europe-west4."
  }
}

variable "name" {
  description = "Name of the machine, and first part of every other name."
  type        = string
  validation {
    condition     = can(regex("^[a-z][-a-z0-9]{1,17}[a-z0-9]$", var.name))
    error_message = "name must have 3 to 19 lower-case letters, digits and hyphens: names of service accounts are made from it."
  }
}

variable "labels" {
  description = "Labels of everything that can have any."
  type        = map(string)
  default     = {}
}

# Machine

variable "role" {
  description = "What the machine does when it starts: `nightly` (one night, then off), `bench` (measurements, then off), `dev` (nothing; people use it)."
  type        = string
  validation {
    condition     = contains(["nightly", "bench", "dev"], var.role)
    error_message = "role must be nightly, bench or dev."
  }
}

variable "machine_type" {
  description = "g2-standard-4 or -8 (one L4), or a2-highgpu-1g (one A100 40 GB). The GPU comes with the type."
  type        = string
  validation {
    condition     = contains(["g2-standard-4", "g2-standard-8", "a2-highgpu-1g"], var.machine_type)
    error_message = "machine_type must be g2-standard-4, g2-standard-8 or a2-highgpu-1g."
  }
}

variable "spot" {
  description = "Whether the machine may be taken away at 30 seconds' notice, for a fraction of the price. The next start resumes."
  type        = bool
  default     = true
}

variable "max_run_minutes" {
  description = "Minutes after a start when Google Cloud itself stops the machine, whatever runs on it: the last guard of the bill."
  type        = number
  default     = 240
  validation {
    condition     = var.max_run_minutes >= 30 && var.max_run_minutes <= 1440
    error_message = "max_run_minutes must lie between 30 and 1440."
  }
}

variable "deadline_minutes" {
  description = "Minutes after which `longrun nightly` writes a checkpoint and ends by itself."
  type        = number
  default     = 210
  validation {
    condition     = var.deadline_minutes >= 5 && var.deadline_minutes <= var.max_run_minutes - 15
    error_message = "deadline_minutes must be at least 5, and 15 below max_run_minutes: the program has to end before the machine does."
  }
}

variable "boot_image" {
  description = "Image with NVIDIA's driver, of the Ubuntu that names its packages libnvidia-*-server. Canonical's accelerator images are."
  type        = string
  default     = "projects/ubuntu-os-accelerator-images/global/images/family/ubuntu-accelerator-2404-amd64-with-nvidia-580"
}

variable "secure_boot" {
  description = "Whether only signed kernels and modules start. The modules of Canonical's images are signed; those of a driver that you built are not."
  type        = bool
  default     = true
}

variable "boot_disk_gb" {
  description = "Size of the boot disk: system, driver, container image."
  type        = number
  default     = 50
  validation {
    condition     = var.boot_disk_gb >= 30
    error_message = "boot_disk_gb must be at least 30."
  }
}

variable "data_disk_gb" {
  description = "Size of the disk at /var/lib/longrun, which outlives the machine: summary, checkpoints, work under way."
  type        = number
  default     = 100
  validation {
    condition     = var.data_disk_gb >= 10
    error_message = "data_disk_gb must be at least 10."
  }
}

variable "disk_type" {
  description = "Type of both disks."
  type        = string
  default     = "pd-balanced"
  validation {
    condition     = contains(["pd-balanced", "pd-ssd"], var.disk_type)
    error_message = "disk_type must be pd-balanced or pd-ssd."
  }
}

# Program

variable "container_image" {
  description = "The image of Dockerfile.gpu in Artifact Registry, by digest (…@sha256:…) or by a tag that is not `latest`."
  type        = string
  validation {
    condition     = can(regex("^[a-z0-9-]+-docker\\.pkg\\.dev/[^/]+/[^/]+/[^:@]+(@sha256:[0-9a-f]{64}|:[A-Za-z0-9_][A-Za-z0-9_.-]*)$", var.container_image)) && !endswith(var.container_image, ":latest")
    error_message = "container_image must be REGION-docker.pkg.dev/PROJECT/REPOSITORY/IMAGE with @sha256:… or a tag other than latest."
  }
}

variable "shop" {
  description = "Name of the project in the bucket: its configuration is gs://BUCKET/SHOP/longrun.toml."
  type        = string
  default     = "shop"
  validation {
    condition     = can(regex("^[A-Za-z0-9][A-Za-z0-9_-]*$", var.shop))
    error_message = "shop must be one folder's name: letters, digits, hyphens and underscores."
  }
}

# Data

variable "orders_bucket" {
  description = "Existing bucket that holds the log of purchases, which the machine may read; null makes one."
  type        = string
  default     = null
}

variable "noncurrent_days" {
  description = "Days for which a deleted or overwritten object can still be brought back. After them it is gone: a customer's erasure is complete then."
  type        = number
  default     = 7
  validation {
    condition     = var.noncurrent_days >= 1 && var.noncurrent_days <= 28
    error_message = "noncurrent_days must lie between 1 and 28: an erasure has to be complete within a month."
  }
}

variable "prediction_months" {
  description = "lifecycle.prediction_months of the configuration: it is part of the names of predictions."
  type        = number
  default     = 12
}

variable "predictions_months" {
  description = "lifecycle.retention.predictions_months of the configuration: months after their window for which predictions are kept."
  type        = number
  default     = 12
}

# Time

variable "schedule" {
  description = "When a night begins, as cron says it."
  type        = string
  default     = "15 2 * * *"
}

variable "retry_schedule" {
  description = "When a night that was preempted or did not finish is started again; one that finished is left alone. null: never."
  type        = string
  default     = "15 3,4,5 * * *"
}

variable "time_zone" {
  description = "Time zone of both."
  type        = string
  default     = "Etc/UTC"
}

variable "finished_for_hours" {
  description = "Hours for which a finished night stands: starts within them find nothing to do. Shorter than a day, longer than the last retry is away."
  type        = number
  default     = 12
}

# Network

variable "external_address" {
  description = "Whether the machine has an address on the internet."
  type        = bool
  default     = false
}

variable "nat" {
  description = "Whether the machine can reach the internet (never the other way). The first start needs it, for packages; later ones do with Google's own services."
  type        = bool
  default     = true
}

variable "ssh_members" {
  description = "Who may log in through Identity-Aware Proxy, such as `user:ada@example.com`. Nobody: no port is open at all."
  type        = list(string)
  default     = []
  validation {
    condition     = alltrue([for member in var.ssh_members : can(regex("^(user|group):.+@.+$", member))])
    error_message = "ssh_members must be user:… or group:…: allUsers and whole domains are not people."
  }
}

# Alarm and bill

variable "notification_emails" {
  description = "Who hears of failed nights and of the bill."
  type        = list(string)
  validation {
    condition     = length(var.notification_emails) > 0 && alltrue([for email in var.notification_emails : can(regex("^[^@ ]+@[^@ ]+$", email))])
    error_message = "notification_emails needs at least one address: an unattended job that tells nobody is not watched."
  }
}

variable "billing_account" {
  description = "Billing account of the project (XXXXXX-XXXXXX-XXXXXX), for the budget alert; null where someone else watches the bill."
  type        = string
  validation {
    condition     = var.billing_account == null || can(regex("^[0-9A-F]{6}-[0-9A-F]{6}-[0-9A-F]{6}$", var.billing_account))
    error_message = "billing_account must look like 0123AB-4567CD-89EF01."
  }
}

variable "budget" {
  description = "Amount per month at which the alert is at 100 %, in the billing account's currency. An alert stops nothing; max_run_minutes does."
  type = object({
    units    = number
    currency = string
  })
  validation {
    condition     = var.budget.units > 0 && can(regex("^[A-Z]{3}$", var.budget.currency))
    error_message = "budget needs units above 0 and a currency such as EUR, the billing account's own."
  }
}
