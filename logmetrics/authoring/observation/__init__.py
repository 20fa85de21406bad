"""Dashboards for Grafana and rule files for Prometheus, made from the config and packs in use."""
