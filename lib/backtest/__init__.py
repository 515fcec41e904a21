"""Rules on past prices."""
