"""The gated recurrent unit as a layer."""

from typing import ClassVar

from graphnet import CellGraph
from graphnet_recurrent.cells import gru_cell
from graphnet_recurrent.recurrent import RNNBase


class GRU(RNNBase):
    """Gated recurrent unit, reset before the product; equations: see :func:`gru_cell`; ``y_t = [h_t, 1] · V``.

    ``get_weights()`` is ``(input_size + hidden_size + 1, 3 · hidden_size)``; its columns are the reset gate, the update
    gate and the candidate, which multiplies ``r ⊙ h_{t-1}`` instead of the hidden state. Arguments, shapes, memory and
    truncation: see :class:`RNNBase`. Source: Cho et al. 2014.

    The variant that torch and cuDNN compute has two arrays for its candidate, which do not fit into this one; use
    ``Recurrent(gru_cell(units, reset_after=True))``.

    Examples
    --------
    >>> import numpy as np
    >>> layer = GRU(3, 5, 2, bptt_length=4)
    >>> layer.forward(np.ones((7, 4, 3))).shape, layer.get_weights().shape
    ((7, 4, 2), (9, 15))
    """

    gates: ClassVar[tuple[str, ...]] = ("reset_gate", "update_gate", "candidate")

    def cell(self) -> CellGraph:
        return gru_cell(self.hidden_size, self.dtype)
