"""Analyses of plans and traces: they compute facts that passes use and change nothing, one a file."""
