"""What logmetrics costs, measured. Each module is a script; each has a function that returns its numbers."""
