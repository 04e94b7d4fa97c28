"""Runs a plan node by node, notes where values and errors are not finite, and finds the node in which that began."""
