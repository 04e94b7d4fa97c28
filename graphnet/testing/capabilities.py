"""What a layer can do, as far as the checks depend on it."""

from __future__ import annotations

from collections.abc import Iterable

from graphnet.core.errors import ConfigError, did_you_mean

#: Each capability, and what it says. Those of a layer follow from its class and from what its case is given; a case
#: adds
#: or takes away by ``claims`` and ``disclaims``.
CAPABILITIES = {
    "derivative": "its backward rule is the derivative of its forward rule (a surrogate gradient disclaims this)",
    "linear": "its backward rule is linear in the error (one that clips the error disclaims this)",
    "float32": "it computes in float32",
    "file": "a model file can hold it",
    "weights": "it has trainable weights",
    "random": "it draws random numbers in the train phase",
    "unbiased": "its random factors average, over the draws, to what the test phase does (inverted dropout)",
    "buffers": "it keeps untrained arrays, such as running statistics",
    "statistics": "its buffers come to be the statistics of the batches that it has seen",
    "phases": "train and test phase differ",
    "elementwise": "the trait of that name: any layout, any block",
    "rowwise": "the trait of that name: leading axes may be folded together, rows do not mix",
    "rows": "in the test phase, rows of the batch do not mix",
    "cell": "it can stand in a cell",
    "composite": "it is a graph of layers",
    "sequence": "it reads a sequence: inputs with axes (time, batch, …)",
    "ragged": "rows of a sequence may differ in length",
    "memory": "it keeps a state that toggle_memory switches on",
    "truncation": "it has a bptt_length",
}


def checked(names: Iterable[str], place: str) -> None:
    """Refuse names that are no capabilities.

    Raises
    ------
    ConfigError
        With the did_you_mean names.
    """
    for name in [names] if isinstance(names, str) else names:
        if name not in CAPABILITIES or isinstance(names, str):
            raise ConfigError(
                "no such capability" if name not in CAPABILITIES else "capabilities come as several names",
                where=place,
                expected=f"a collection of: {', '.join(CAPABILITIES)}",
                received=repr(name),
                remedy=did_you_mean(name, CAPABILITIES) or None,
            )
