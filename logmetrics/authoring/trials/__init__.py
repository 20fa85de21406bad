"""Unit tests for rules: logs go through the daemon's own engine, and what Prometheus would see is compared."""
