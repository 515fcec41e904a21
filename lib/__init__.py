"""TapStack: its constructs, their settings, and the means to run it without AWS."""
