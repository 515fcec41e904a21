"""What is deployed. Only here is cdktf imported."""
