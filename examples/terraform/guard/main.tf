# A migration that snapkeep itself runs, after it has made sure of a snapshot. When the migration fails, Terraform shows
# the command that goes back.

terraform {
  required_version = ">= 1.4" # has terraform_data
}

variable "target" {
  description = "The target, as the config of snapkeep names it."
  type        = string
}

variable "app_version" {
  description = "The version to be at."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9][A-Za-z0-9._+-]{0,127}$", var.app_version))
    error_message = "Use 1 to 128 letters, digits and . _ + -, a letter or digit first."
  }
}

variable "migrate" {
  description = "The program that migrates; its argument is the version."
  type        = string
}

variable "config" {
  description = "The config file of snapkeep; unless given, it is looked for where snapkeep always does."
  type        = string
  default     = null
}

variable "program" {
  description = "The program snapkeep: a name that is in PATH, or a path."
  type        = string
  default     = "snapkeep"
}

# An id that is new for each change, and that is in Terraform's state before the snapshot is begun.
resource "terraform_data" "change" {
  triggers_replace = [var.target, var.app_version]
}

resource "terraform_data" "migration" {
  triggers_replace = [terraform_data.change.id]

  provisioner "local-exec" {
    # What varies comes by the environment: no value can be read as shell.
    interpreter = ["/bin/sh", "-c"]
    command     = "exec \"$PROGRAM\" guard \"$TARGET\" --verify archive --key \"$KEY\" --tag \"app_version=$APP_VERSION\" -- \"$MIGRATE\" \"$APP_VERSION\""

    environment = merge(
      {
        PROGRAM     = var.program
        TARGET      = var.target
        KEY         = "terraform-${var.app_version}-${terraform_data.change.id}"
        APP_VERSION = var.app_version
        MIGRATE     = var.migrate
      },
      var.config == null ? {} : { SNAPKEEP_CONFIG = var.config },
    )
  }
}
