"""Config and pack files -> frozen specs."""
