"""The capabilities of layers that decide which checks apply."""

from __future__ import annotations

from collections.abc import Iterable

from graphnet.core.errors import ConfigError, did_you_mean

#: Each capability with its meaning. Those of a layer are detected from its class and from a few passes; a case adds
#: some by ``claims`` and removes some by ``disclaims``.
CAPABILITIES = {
    "derivative": "its backward rule is the derivative of its forward rule (a surrogate gradient disclaims this)",
    "linear": "its backward rule is linear in the error (a layer that clips the error disclaims this)",
    "float32": "it computes in float32",
    "file": "a model file can hold it",
    "weights": "it has trainable weights",
    "random": "it draws random numbers in the train phase",
    "unbiased": "its random factors average over the draws to the test phase's output (inverted dropout)",
    "buffers": "it keeps untrained arrays, such as running statistics",
    "statistics": "its buffers converge to statistics of the batches in the train phase",
    "phases": "train and test phase differ",
    "ids": "it has an input of integers, which refuses those out of range (an input of any integers disclaims this)",
    "elementwise": "it declares the trait of this name: any layout, any block",
    "rowwise": "it declares the trait of this name: leading axes may be flattened, rows are independent",
    "rows": "in the test phase, the rows of a batch are independent",
    "cell": "it can be a node of a cell",
    "composite": "it is a graph of layers",
    "sequence": "it reads a sequence: inputs with axes (time, batch, …)",
    "ragged": "rows of a sequence may differ in length",
    "memory": "it keeps a state that toggle_memory switches on",
    "truncation": "it has a bptt_length",
}


def validate_capabilities(names: Iterable[str], place: str) -> None:
    """Raise ConfigError unless ``names`` is a collection of known capabilities."""
    for name in [names] if isinstance(names, str) else names:
        if name not in CAPABILITIES or isinstance(names, str):
            raise ConfigError(
                "unknown capability" if name not in CAPABILITIES else "must be a collection, not one string",
                where=place,
                expected=f"a collection of: {', '.join(CAPABILITIES)}",
                received=repr(name),
                remedy=did_you_mean(name, CAPABILITIES) or None,
            )
