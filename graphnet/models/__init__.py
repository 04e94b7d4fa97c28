"""Models: a graph with its training, lists of layers, and what the command line does with model files."""
