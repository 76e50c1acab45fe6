# Attributes were checked against the schema of release 6.50.0 (terraform/tests). No lock file is kept: it would hold checksums of provider
# archives, which the place where this was written could not fetch. `terraform init` writes one; commit it in your own repository.
terraform {
  required_version = ">= 1.9, < 2.0"

  required_providers {
    google = {
      source  = "hashicorp/google"
      version = "~> 6.50"
    }
  }
}
