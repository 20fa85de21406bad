"""Which files there are, and their lines as they grow."""
