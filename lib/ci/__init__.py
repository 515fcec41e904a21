"""What the workflows do and nothing else does: show a plan, and try out a deployed stack."""
