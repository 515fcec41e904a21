"""What the pipeline costs, compared with three others that do the same work."""
