"""Finds what would make a deployment fail before it starts; changes nothing."""
