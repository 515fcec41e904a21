"""What runs before and after a deployment."""
