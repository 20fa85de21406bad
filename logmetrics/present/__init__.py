"""How people are shown things, on a page and on a terminal: what reports and the status have in common."""
