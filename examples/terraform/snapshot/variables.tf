variable "target" {
  description = "The target, as the config of snapkeep names it."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$", var.target))
    error_message = "A target's name is 1 to 63 letters, digits, '.', '_' and '-', a letter or digit first."
  }
}

variable "change" {
  description = "What is about to change, such as a version: when it becomes another, a snapshot is taken."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9][A-Za-z0-9 ._:/@+=-]{0,127}$", var.change))
    error_message = "Use 1 to 128 letters, digits, spaces and . _ : / @ + = -, a letter or digit first: what the tags of every cloud can hold."
  }
}

variable "config" {
  description = "The config file of snapkeep; unless given, it is looked for where snapkeep always does."
  type        = string
  default     = null
}

variable "program" {
  description = "The program: a name that is in PATH, or a path."
  type        = string
  default     = "snapkeep"
  nullable    = false
}

variable "timeout" {
  description = "How long the snapshot may take."
  type        = string
  default     = "2h"
  nullable    = false

  validation {
    condition     = can(regex("^([0-9]+(s|m|min|h|d|w))+$", var.timeout))
    error_message = "Write numbers with s, m (minutes), h, d or w, such as 2h."
  }
}
