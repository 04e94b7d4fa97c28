"""Nodes of ONNX as graphs of graphnet, in which each array is one row: it has a leading axis of size 1.

The values of a graph of graphnet are float32 or float64 and depend on its inputs. So
:mod:`graphnet_onnx.operators.rows.program` divides the nodes of a model into *segments*, which are graphs that a Runner
runs, and the nodes between them (integers, booleans, shapes that depend on values), which are evaluated by the table of
operators.
"""
