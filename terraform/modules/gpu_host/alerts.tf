# Who is told, and of what: a night that failed, a night that did not happen, and the bill.

locals {
  # Everything that the machine writes carries its name.
  lines = "logName=\"projects/${var.project_id}/logs/longrun\" AND labels.longrun_host=\"${var.name}\""

  metrics = {
    errors = {
      description = "Lines of severity ERROR or worse"
      filter      = "${local.lines} AND severity>=ERROR"
    }
    # 0 healthy; 1 a fit was refused or an alarm stands; 3 another holds the lock; 4 stopped by a signal, to be resumed.
    bad_exits = {
      description = "Nights that ended with an exit code other than 0, 1, 3 and 4"
      filter      = "${local.lines} AND jsonPayload.event=\"night_ended\" AND NOT jsonPayload.exit_code=(0 OR 1 OR 3 OR 4)"
    }
    finished = {
      description = "Nights that ended with 0 or 1"
      filter      = "${local.lines} AND jsonPayload.event=\"night_ended\" AND jsonPayload.exit_code=(0 OR 1)"
    }
  }
}

resource "google_logging_metric" "nights" {
  for_each    = local.metrics
  project     = var.project_id
  name        = "${var.name}/${each.key}"
  description = each.value.description
  filter      = each.value.filter

  metric_descriptor {
    metric_kind = "DELTA"
    value_type  = "INT64"
  }
}

resource "google_monitoring_notification_channel" "email" {
  for_each     = toset(var.notification_emails)
  project      = var.project_id
  display_name = "${var.name}: ${each.value}"
  type         = "email"
  labels       = { email_address = each.value }
}

resource "google_monitoring_alert_policy" "failed" {
  project               = var.project_id
  display_name          = "${var.name}: a night failed"
  combiner              = "OR"
  severity              = "ERROR"
  notification_channels = [for channel in google_monitoring_notification_channel.email : channel.id]

  dynamic "conditions" {
    for_each = toset(["errors", "bad_exits"])
    content {
      display_name = google_logging_metric.nights[conditions.key].description
      condition_threshold {
        filter          = "resource.type=\"gce_instance\" AND metric.type=\"logging.googleapis.com/user/${google_logging_metric.nights[conditions.key].name}\""
        comparison      = "COMPARISON_GT"
        threshold_value = 0
        duration        = "0s"
        aggregations {
          alignment_period     = "300s"
          per_series_aligner   = "ALIGN_SUM"
          cross_series_reducer = "REDUCE_SUM"
        }
      }
    }
  }

  alert_strategy {
    auto_close = "86400s"
  }

  documentation {
    mime_type = "text/markdown"
    subject   = "longrun: a night of ${var.name} failed"
    content   = "Look at the lines: `gcloud logging read '${local.lines} AND severity>=ERROR' --project ${var.project_id} --freshness 1d`, then at `longrun status gs://${google_storage_bucket.project.name}/${var.shop}`. docs/guide/gcp.md says what each ending means."
  }
}

resource "google_monitoring_alert_policy" "missing" {
  count                 = var.role == "nightly" ? 1 : 0
  project               = var.project_id
  display_name          = "${var.name}: no night has finished"
  combiner              = "OR"
  severity              = "ERROR"
  notification_channels = [for channel in google_monitoring_notification_channel.email : channel.id]

  conditions {
    display_name = "No night has ended with 0 or 1 for more than a day"
    # Cloud Monitoring's own condition of absence cannot wait a whole day (23.5 hours at most), so nights are counted over its longest
    # window, 25 hours; the three hours after it are for a night that finished late because it was preempted.
    condition_threshold {
      filter                  = "resource.type=\"gce_instance\" AND metric.type=\"logging.googleapis.com/user/${google_logging_metric.nights["finished"].name}\""
      comparison              = "COMPARISON_LT"
      threshold_value         = 1
      duration                = "10800s"
      evaluation_missing_data = "EVALUATION_MISSING_DATA_ACTIVE"
      aggregations {
        alignment_period     = "90000s"
        per_series_aligner   = "ALIGN_SUM"
        cross_series_reducer = "REDUCE_SUM"
      }
    }
  }

  documentation {
    mime_type = "text/markdown"
    subject   = "longrun: no night of ${var.name} has finished for more than a day"
    content   = "Either the machine was never started (Cloud Scheduler's jobs ${var.name}-night and ${var.name}-retry; is there capacity for ${var.machine_type} in ${var.zone}?), or no start got to the end. `longrun status gs://${google_storage_bucket.project.name}/${var.shop}` says what the last one did."
  }
}

data "google_project" "this" {
  count      = var.billing_account == null ? 0 : 1
  project_id = var.project_id
}

resource "google_billing_budget" "month" {
  count           = var.billing_account == null ? 0 : 1
  billing_account = var.billing_account
  display_name    = "${var.project_id}: longrun"

  budget_filter {
    projects = ["projects/${data.google_project.this[0].number}"]
  }

  amount {
    specified_amount {
      units         = tostring(var.budget.units)
      currency_code = var.budget.currency
    }
  }

  threshold_rules {
    threshold_percent = 0.5
  }
  threshold_rules {
    threshold_percent = 1.0
  }
  threshold_rules {
    threshold_percent = 1.0
    spend_basis       = "FORECASTED_SPEND"
  }

  all_updates_rule {
    monitoring_notification_channels = [for channel in google_monitoring_notification_channel.email : channel.id]
    disable_default_iam_recipients   = false
  }
}
