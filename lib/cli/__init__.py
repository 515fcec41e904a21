"""The operator's command line: what its commands do, and how they are typed."""
