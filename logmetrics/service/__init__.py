"""What makes a service of an engine: the server beside it, signals, and who is told about it."""
