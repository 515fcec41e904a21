"""What rules would have done on prices of the past."""
