"""Where Terraform's state is kept: read, checked, written into the stack, moved."""
