# Where everything lives that must outlast the machine. `longrun prune` decides what goes, because only it knows the champion and the ledger;
# the buckets' own rules never delete sooner than it would, and make what it (or an erasure) deleted really go.
#
# No retention policy and no object hold: either would refuse the deletion that a customer is entitled to.

locals {
  orders_bucket = var.orders_bucket == null ? google_storage_bucket.orders[0].name : var.orders_bucket

  # A month is 30.4375 days, as everywhere in longrun. Predictions are made at their cutoff or later, so that by this age their window and
  # their retention have passed; a month more, since `prune` is run by people.
  predictions_days = ceil((var.prediction_months + var.predictions_months) * 30.4375) + 31
}

resource "google_storage_bucket" "project" {
  project                     = var.project_id
  name                        = "${var.project_id}-${var.name}"
  location                    = var.region
  labels                      = var.labels
  force_destroy               = false
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"

  versioning {
    enabled = true
  }

  # Versions already keep what was deleted; a second net, which is on unless it is set to 0, would keep it beyond the promised days.
  soft_delete_policy {
    retention_duration_seconds = 0
  }

  lifecycle_rule {
    action {
      type = "Delete"
    }
    condition {
      days_since_noncurrent_time = var.noncurrent_days
      with_state                 = "ARCHIVED"
    }
  }

  lifecycle_rule {
    action {
      type = "AbortIncompleteMultipartUpload"
    }
    condition {
      age = 1
    }
  }

  # Rows per customer are personal data: when nobody prunes, they go all the same, and the next night lets go of them too. Records, tables
  # and outcomes have other names and stay.
  lifecycle_rule {
    action {
      type = "Delete"
    }
    condition {
      age            = local.predictions_days
      with_state     = "LIVE"
      matches_prefix = ["${var.shop}/outputs/"]
      matches_suffix = ["_pred${var.prediction_months}m.parquet", "_pred${var.prediction_months}m.csv"]
    }
  }
}

# The log of purchases, for those who have none in a bucket yet. Nothing here ages: how long purchases are kept is not longrun's to say.
resource "google_storage_bucket" "orders" {
  count                       = var.orders_bucket == null ? 1 : 0
  project                     = var.project_id
  name                        = "${var.project_id}-${var.name}-orders"
  location                    = var.region
  labels                      = var.labels
  force_destroy               = false
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"

  versioning {
    enabled = true
  }

  soft_delete_policy {
    retention_duration_seconds = 0
  }

  lifecycle_rule {
    action {
      type = "Delete"
    }
    condition {
      days_since_noncurrent_time = var.noncurrent_days
      with_state                 = "ARCHIVED"
    }
  }

  lifecycle_rule {
    action {
      type = "AbortIncompleteMultipartUpload"
    }
    condition {
      age = 1
    }
  }
}
