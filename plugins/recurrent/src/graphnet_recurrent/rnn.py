"""The Elman network as a layer."""

from typing import ClassVar

from graphnet import CellGraph
from graphnet_recurrent.cells import elman_cell
from graphnet_recurrent.recurrent import RNNBase


class RNN(RNNBase):
    """The Elman network: ``h_t = tanh([x_t, h_{t-1}] · W + b)``, ``y_t = [h_t, 1] · V``.

    ``get_weights()`` is W with b below it, ``(input_size + hidden_size + 1, hidden_size)``. Arguments, shapes, memory
    and truncation: see :class:`RNNBase`. Source: Elman 1990, "Finding structure in time".

    Examples
    --------
    >>> import numpy as np
    >>> layer = RNN(3, 5, 2, bptt_length=4)
    >>> layer.forward(np.ones((7, 3))).shape, layer.backward(np.ones((7, 2))).shape
    ((7, 2), (7, 3))
    >>> layer.forward(np.ones((7, 4, 3))).shape
    (7, 4, 2)
    """

    gates: ClassVar[tuple[str, ...]] = ("hidden",)

    def cell(self) -> CellGraph:
        return elman_cell(self.hidden_size, self.dtype)
