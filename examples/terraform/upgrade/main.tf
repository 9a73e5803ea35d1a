# A migration that runs only after a snapshot of the database.

terraform {
  required_version = ">= 1.4"
}

variable "target" {
  description = "The target, as the config of snapkeep names it."
  type        = string
}

variable "app_version" {
  description = "The version to be at. Another one takes a snapshot, then migrates."
  type        = string
}

variable "migrate" {
  description = "The program that migrates; its argument is the version."
  type        = string
}

variable "config" {
  description = "The config file of snapkeep."
  type        = string
  default     = null
}

variable "program" {
  description = "The program snapkeep."
  type        = string
  default     = "snapkeep"
}

module "snapshot" {
  source = "../snapshot"

  target  = var.target
  change  = var.app_version
  config  = var.config
  program = var.program
}

# The change. Any resource will do that is created or updated in place.
resource "terraform_data" "migration" {
  triggers_replace = [var.app_version]
  depends_on       = [module.snapshot]

  provisioner "local-exec" {
    interpreter = ["/bin/sh", "-c"]
    command     = "exec \"$MIGRATE\" \"$APP_VERSION\""

    environment = {
      MIGRATE     = var.migrate
      APP_VERSION = var.app_version
    }
  }
}

output "snapshot_key" {
  description = "The key of the snapshot that was taken before the migration."
  value       = module.snapshot.key
}
