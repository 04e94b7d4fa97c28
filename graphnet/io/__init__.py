"""Files: models as YAML, weights as safetensors; every file is written atomically."""

from graphnet.io import atomic
from graphnet.io.model_file import FORMAT, ModelFile, parse_model, read_model
from graphnet.io.npz import write_npz
from graphnet.io.state import load_state, save_state
from graphnet.io.weights import load_weights, save_weights
from graphnet.io.writing import model_text, write_model

__all__ = [
    "FORMAT",
    "ModelFile",
    "atomic",
    "load_state",
    "load_weights",
    "model_text",
    "parse_model",
    "read_model",
    "save_state",
    "save_weights",
    "write_model",
    "write_npz",
]
