"""The embedded AWS: TapStack deployed by the real tools, without an account."""
