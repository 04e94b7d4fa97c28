"""The solutions are read by the checker, not by pytest."""

collect_ignore = ["right"]
