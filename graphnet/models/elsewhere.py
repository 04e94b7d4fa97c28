"""What other libraries call the methods of a model, and what to call here."""

from __future__ import annotations

_FIT = "Call fit(inputs, targets, epochs=..., optimizer=...)."
_WEIGHTS = "runner.parameters holds the weights by name; save(folder) writes them, graphnet.load(folder) reads them."
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
    "load_weights": _WEIGHTS,
    "parameters": _WEIGHTS,
    "save_weights": _WEIGHTS,
    "score": "Call evaluate(inputs, targets).",
    "set_weights": _WEIGHTS,
    "state_dict": _WEIGHTS,
    "summary": "Call graphnet.summary(model).",
    "to": _CPU,
    "train": _FIT,
    "train_on_batch": _FIT,
    "weights": _WEIGHTS,
    "zero_grad": "Each backward pass computes its gradients from nothing; there is nothing to reset.",
}
