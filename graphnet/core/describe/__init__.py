"""Describe: layers by their rules, and graphs, cells and Scans of layers.."""
