"""The arrays of one layer of another framework, in one layout for all of them: that of torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from graphnet.core.array_types import Array

#: Kinds of layers, with the arrays that they have; those of OPTIONAL may be missing.
ARRAYS: dict[str, tuple[str, ...]] = {
    "linear": ("weight", "bias"),  # (out, in), (out,)
    "conv": ("weight", "bias"),  # (out, in, cells ...), (out,)
    "embedding": ("weight",),  # (count, size)
    "layer_norm": ("weight", "bias"),
    "batch_norm": ("weight", "bias", "mean", "variance"),
    "rnn": ("input", "hidden", "input_bias", "hidden_bias"),  # (gates * units, in), (gates * units, units)
    "lstm": ("input", "hidden", "input_bias", "hidden_bias"),
    "gru": ("input", "hidden", "input_bias", "hidden_bias"),  # the reset gate applies after the product with the state
    "gru_before": ("input", "hidden", "input_bias", "hidden_bias"),  # before it
}
OPTIONAL = frozenset({"bias", "input_bias", "hidden_bias"})
#: The gates along the first axis, by their names in the cells of graphnet-recurrent.
GATES: dict[str, tuple[str, ...]] = {
    "rnn": ("hidden",),
    "lstm": ("input_gate", "forget_gate", "candidate", "output_gate"),
    "gru": ("reset_gate", "update_gate", "candidate"),
    "gru_before": ("reset_gate", "update_gate", "candidate"),
}


class Unit(NamedTuple):
    """One layer of another framework; of recurrent layers, one direction of one layer of a stack.

    Attributes
    ----------
    name : str
        As the file has it, such as ``encoder.rnn``; of a recurrent layer of torch with its level, ``encoder.rnn.l0``.
    kind : str
        A key of ``ARRAYS``; or 'matrix', which is a linear layer without a bias or an embedding.
    arrays : mapping of str to array
    reverse : bool
        Whether it runs from the last step to the first.
    channels_last : bool
        Whether this framework flattens images ``(y, x, channel)``, and not ``(channel, y, x)``.
    """

    name: str
    kind: str
    arrays: Mapping[str, Array]
    reverse: bool = False
    channels_last: bool = False

    def described(self) -> str:
        """Name, kind and shapes, for messages."""
        shapes = ", ".join(f"{part} {array.shape}" for part, array in self.arrays.items())
        return f"{self.name} ({self.kind}: {shapes})"
