"""Cells by name, as model files and blocks refer to them."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from graphnet import CellGraph, ConfigError, UnknownNameError
from graphnet_recurrent.cells.cfc import cfc_cell
from graphnet_recurrent.cells.coupled_lstm import coupled_lstm_cell
from graphnet_recurrent.cells.delta_net import delta_net_cell, gated_delta_net_cell
from graphnet_recurrent.cells.elman import elman_cell
from graphnet_recurrent.cells.gated_linear_attention import gated_linear_attention_cell
from graphnet_recurrent.cells.gru import gru_cell
from graphnet_recurrent.cells.hgrn2 import hgrn2_cell
from graphnet_recurrent.cells.layer_norm_lstm import layer_norm_lstm_cell
from graphnet_recurrent.cells.lru import lru_cell
from graphnet_recurrent.cells.lstm import lstm_cell
from graphnet_recurrent.cells.mamba import mamba_cell
from graphnet_recurrent.cells.min_gru import min_gru_cell
from graphnet_recurrent.cells.min_lstm import min_lstm_cell
from graphnet_recurrent.cells.minimal_gated import minimal_gated_cell
from graphnet_recurrent.cells.mlstm import mlstm_cell
from graphnet_recurrent.cells.peephole_lstm import peephole_lstm_cell
from graphnet_recurrent.cells.qrnn import qrnn_cell
from graphnet_recurrent.cells.retention import retention_cell
from graphnet_recurrent.cells.rg_lru import rg_lru_cell
from graphnet_recurrent.cells.rwkv6 import rwkv6_cell
from graphnet_recurrent.cells.s5 import s5_cell
from graphnet_recurrent.cells.slstm import slstm_cell
from graphnet_recurrent.cells.sru import sru_cell

#: Cells that a width, and for some a number of heads, determine.
BY_NAME: dict[str, Callable[..., CellGraph]] = {
    "cfc": cfc_cell,
    "coupled_lstm": coupled_lstm_cell,
    "delta_net": delta_net_cell,
    "elman": elman_cell,
    "gated_delta_net": gated_delta_net_cell,
    "gated_linear_attention": gated_linear_attention_cell,
    "gru": gru_cell,
    "hgrn2": hgrn2_cell,
    "layer_norm_lstm": layer_norm_lstm_cell,
    "lru": lru_cell,
    "lstm": lstm_cell,
    "mamba": mamba_cell,
    "min_gru": min_gru_cell,
    "min_lstm": min_lstm_cell,
    "minimal_gated": minimal_gated_cell,
    "mlstm": mlstm_cell,
    "peephole_lstm": peephole_lstm_cell,
    "qrnn": qrnn_cell,
    "retention": retention_cell,
    "rg_lru": rg_lru_cell,
    "rwkv6": rwkv6_cell,
    "s5": s5_cell,
    "slstm": slstm_cell,
    "sru": sru_cell,
}


def cell_named(name: str, units: int, *, heads: int = 1, dtype: str = "float64") -> CellGraph:
    """A new cell by its name: ``cell_named("mamba", 64)`` is ``mamba_cell(64)``.

    Parameters
    ----------
    name : str
        A key of ``graphnet_recurrent.cells.BY_NAME``.
    units : int
        Width of the output. The input of ``rg_lru``, ``lru``, ``s5``, ``sru``, ``mamba`` and ``rwkv6`` has the same
        width.
    heads : int
        Number of heads, of cells that have them; else 1.
    dtype : {'float64', 'float32'}
        Of the weights.

    Raises
    ------
    UnknownNameError
        If there is no such cell.
    ConfigError
        If the cell has no heads and ``heads`` is not 1, or a size is out of range.

    Examples
    --------
    >>> cell_named("retention", 6, heads=2).states
    ('S',)
    """
    if not isinstance(name, str) or name not in BY_NAME:
        raise UnknownNameError(
            f"no cell is called {name!r}", where="cell_named", expected=", ".join(BY_NAME), received=repr(name)
        )
    options: dict[str, Any] = {"dtype": dtype}
    if "heads" in inspect.signature(BY_NAME[name]).parameters:
        options["heads"] = heads
    elif heads != 1:
        raise ConfigError(
            f"the cell {name!r} has no heads",
            where="cell_named",
            expected="heads=1",
            received=f"heads={heads!r}",
            remedy="MultiHead runs a cell of its own for each part of the features.",
        )
    return BY_NAME[name](units, **options)
