"""What people type and write: rules in words, files of rules and prices, and their errors."""
