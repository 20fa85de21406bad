"""Bytes of one line -> record."""
