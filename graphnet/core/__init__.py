"""Layers, graphs, their compiler and their runner; knows no plugin, no file format and no optimizer."""
