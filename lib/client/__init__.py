"""A deployed stack, seen from outside."""
