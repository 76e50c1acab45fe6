# What differs from one company to the next. Everything else is said in main.tf; the module's variables.tf explains it and checks all.

variable "project_id" {
  description = "Google Cloud project."
  type        = string
}

variable "region" {
  description = "Region of network, buckets and scheduler."
  type        = string
  default     = "europe-west4"
}

variable "zone" {
  description = "Zone of the machine, where its GPU is offered."
  type        = string
  default     = "europe-west4-a"
}

variable "container_image" {
  description = "Image of Dockerfile.gpu in Artifact Registry, by digest or tag."
  type        = string
}

variable "orders_bucket" {
  description = "Existing bucket with the log of purchases; null makes one."
  type        = string
  default     = null
}

variable "ssh_members" {
  description = "Who may log in through Identity-Aware Proxy; nobody by default."
  type        = list(string)
  default     = []
}

variable "notification_emails" {
  description = "Who hears of failed nights and of the bill."
  type        = list(string)
}

variable "billing_account" {
  description = "Billing account for the budget alert; null where someone else watches the bill."
  type        = string
}

variable "budget" {
  description = "Amount per month at which the budget alert is at 100 %."
  type = object({
    units    = number
    currency = string
  })
}
