"""What people see at the end of a replay."""
