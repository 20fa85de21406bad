"""When records were: the times that logs tell."""
