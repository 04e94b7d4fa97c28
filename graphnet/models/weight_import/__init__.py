"""Weights of models of other frameworks: read, assigned to the layers of a graph, and converted."""

from graphnet.models.weight_import.importing import WeightImport, import_weights

__all__ = ["WeightImport", "import_weights"]
