"""What other libraries call the methods of a model, and what to call here."""

from __future__ import annotations

_FIT = "Call fit(inputs, targets, epochs=..., optimizer=...)."
_WEIGHTS = "runner.parameters holds the weights by name; save_weights(path) and load_weights(path) write and read them."
_PREDICT = "Call predict(inputs), which runs in the test phase."
_CPU = "graphnet computes on the CPU."

#: Remedies by the name of an attribute that a Model does not have.
ELSEWHERE = {
    "add": "List the layers: Sequential(a, b, ...).",
    "compile": "Pass loss, optimizer and metrics to fit(...), or a TrainingConfig to Model.",
    "cpu": _CPU,
    "cuda": _CPU,
    "eval": _PREDICT,
    "forward": _PREDICT,
    "get_weights": _WEIGHTS,
    "layers": "graph.layers() returns them by name.",
    "load_state_dict": _WEIGHTS,
    "parameters": _WEIGHTS,
    "score": "Call evaluate(inputs, targets).",
    "set_weights": _WEIGHTS,
    "state_dict": _WEIGHTS,
    "to": _CPU,
    "train": _FIT,
    "train_on_batch": _FIT,
    "weights": _WEIGHTS,
    "zero_grad": "Each backward pass computes its gradients from nothing; there is nothing to reset.",
}
