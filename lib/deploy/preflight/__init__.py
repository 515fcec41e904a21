"""What would go wrong with a deployment, told before it begins. Nothing here changes anything."""
