"""What cdktf.json says, checked, and the names that follow from it."""
