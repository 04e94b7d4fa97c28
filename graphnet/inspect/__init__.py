"""Inspect a graph: how it is compiled, its time and memory by node, its nodes as a table or a flowchart."""
