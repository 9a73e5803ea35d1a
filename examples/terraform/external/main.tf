# What Terraform may know of the newest good snapshot of a database, and a plan that fails without one.

terraform {
  required_version = ">= 1.4"

  required_providers {
    external = {
      source  = "hashicorp/external"
      version = "~> 2.3"
    }
  }
}

variable "target" {
  description = "The target, as the config of snapkeep names it."
  type        = string
}

variable "config" {
  description = "The config file of snapkeep; \"\" for the usual places."
  type        = string
  default     = ""
}

data "external" "snapshot" {
  program = ["snapkeep", "tf-external"]

  # All values are strings; one that is "" is not given.
  query = {
    target   = var.target
    max_age  = "24h"
    verified = "true"
    origin   = "owned"
    config   = var.config
  }
}

output "snapshot" {
  description = "What a restore of today would take."
  value       = data.external.snapshot.result.id
}

output "taken_at" {
  description = "The moment that it holds, in UTC."
  value       = data.external.snapshot.result.created_at
}

output "tags" {
  description = "The tags of the snapshot, which come as JSON."
  value       = jsondecode(data.external.snapshot.result.tags)
}
