"""The LSTM as a layer."""

from dataclasses import field
from typing import ClassVar

from graphnet import CellGraph
from graphnet.authoring import require
from graphnet_recurrent.cells import lstm_cell
from graphnet_recurrent.recurrent import RNNBase


class LSTM(RNNBase):
    """Long short-term memory with forget gate; equations: see :func:`lstm_cell`; ``y_t = [h_t, 1] · V``.

    ``get_weights()`` is ``(input_size + hidden_size + 1, 4 · hidden_size)``; its columns are the input gate, the forget
    gate, the candidate and the output gate. Arguments, shapes, memory and truncation: see :class:`RNNBase`. Sources:
    Hochreiter & Schmidhuber 1997; Gers, Schmidhuber & Cummins 2000.

    Parameters
    ----------
    forget_bias, input_bias : bool or float
        Initial values of the biases of these gates; True: the bias initializer sets them.

    Examples
    --------
    >>> import numpy as np
    >>> layer = LSTM(3, 5, None)
    >>> layer.forward(np.ones((7, 4, 3))).shape, sorted(layer.state)
    ((7, 4, 5), ['c', 'h'])
    """

    forget_bias: bool | float = field(default=True, kw_only=True)
    input_bias: bool | float = field(default=True, kw_only=True)

    gates: ClassVar[tuple[str, ...]] = ("input_gate", "forget_gate", "candidate", "output_gate")

    def check(self) -> None:
        super().check()
        for name in ("forget_bias", "input_bias"):
            require(getattr(self, name) is not False, self, name, "True or a number")

    def cell(self) -> CellGraph:
        return lstm_cell(self.hidden_size, self.dtype, self.forget_bias, input_bias=self.input_bias)
