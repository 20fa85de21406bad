"""Families, series, the cardinality guard, and what is shown."""
