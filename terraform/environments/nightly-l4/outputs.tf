output "project_bucket" {
  description = "Bucket of the project."
  value       = module.host.project_bucket
}

output "orders_bucket" {
  description = "Bucket of the log of purchases."
  value       = module.host.orders_bucket
}

output "config" {
  description = "Where the configuration belongs."
  value       = module.host.config
}

output "host_account" {
  description = "The machine's service account."
  value       = module.host.host_account
}

output "start_command" {
  description = "Starts the machine now."
  value       = module.host.start_command
}

output "logs_command" {
  description = "Prints the last day's lines."
  value       = module.host.logs_command
}

output "status_command" {
  description = "Says how the last night went."
  value       = module.host.status_command
}
