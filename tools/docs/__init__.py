"""Writes the parts of README.md and docs/ that come from the code."""
