"""HTTP: exposition, health, and the page at /."""
