# What people need afterwards: where things are, and the commands that are typed most.

output "project_bucket" {
  description = "Bucket of the project: configuration, models, outputs, status."
  value       = google_storage_bucket.project.name
}

output "orders_bucket" {
  description = "Bucket of the log of purchases."
  value       = local.orders_bucket
}

output "config" {
  description = "Where the configuration belongs, and what `longrun nightly` is called with."
  value       = "gs://${google_storage_bucket.project.name}/${var.shop}/longrun.toml"
}

output "host_account" {
  description = "The machine's service account, to be let in where a bucket of your own is read."
  value       = google_service_account.host.email
}

output "start_command" {
  description = "Starts the machine now."
  value       = "gcloud compute instances start ${google_compute_instance.host.name} --zone ${var.zone} --project ${var.project_id}"
}

output "logs_command" {
  description = "Prints the last day's lines."
  value       = "gcloud logging read '${local.lines}' --project ${var.project_id} --freshness 1d --order asc --format 'value(timestamp,severity,jsonPayload.message)'"
}

output "status_command" {
  description = "Says how the last night went."
  value       = "longrun status gs://${google_storage_bucket.project.name}/${var.shop}"
}
