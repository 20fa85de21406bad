"""What helps a person write rules: check, explain, test, init, dashboards, alerts."""
