"""History from old logs: time-stamped samples and their writers."""
