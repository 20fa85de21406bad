"""Expressions and rules -> one generated function for each source."""
