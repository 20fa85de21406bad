"""From logs to a config: what their records are, and rules for what no pack counts."""
