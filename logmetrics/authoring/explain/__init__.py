"""What becomes of single records, and why."""
