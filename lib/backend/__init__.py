"""Where Terraform's state is kept: read, checked, moved; and which Terraform will run."""
