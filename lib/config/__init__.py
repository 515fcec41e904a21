"""cdktf.json, checked, and the names that follow from it."""
