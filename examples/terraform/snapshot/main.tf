# A snapshot of a database before something changes.

terraform {
  required_version = ">= 1.4" # has terraform_data
}

# An id that is new for each change, and that is in Terraform's state before the snapshot is begun.
resource "terraform_data" "change" {
  triggers_replace = [var.target, var.change]
}

resource "terraform_data" "snapshot" {
  triggers_replace = [terraform_data.change.id]

  # The same key for the same target is the same snapshot: an apply that was cut off makes no second one, and going back
  # to an older version is a change of its own.
  input = "terraform-${var.change}-${terraform_data.change.id}"

  provisioner "local-exec" {
    # What varies comes by the environment: no value can be read as shell. `exec`, so that what stops Terraform's child
    # stops snapkeep.
    interpreter = ["/bin/sh", "-c"]
    command     = "exec \"$PROGRAM\" --output name create \"$TARGET\" --key \"$KEY\" --tag \"change=$CHANGE\" --timeout \"$TIMEOUT\""

    environment = merge(
      {
        PROGRAM = var.program
        TARGET  = var.target
        KEY     = self.input
        CHANGE  = var.change
        TIMEOUT = var.timeout
      },
      var.config == null ? {} : { SNAPKEEP_CONFIG = var.config },
    )
  }
}
