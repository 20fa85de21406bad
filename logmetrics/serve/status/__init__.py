"""How a daemon is: as data, as a page, as JSON."""
