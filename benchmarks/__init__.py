"""Benchmarks: what the pipeline costs, beside three others that do the same work."""
