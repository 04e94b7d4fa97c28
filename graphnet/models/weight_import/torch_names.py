"""The layers in a torch state dict, from the names and shapes of its arrays."""

from __future__ import annotations

import re
from collections.abc import Mapping

from graphnet.core.array_types import Array
from graphnet.core.errors import FileError
from graphnet.models.weight_import.units import Unit

#: ``weight_ih_l0_reverse`` of LSTM, GRU and RNN; ``weight_ih`` of their cells.
_RECURRENT = re.compile(r"(weight|bias)_(ih|hh|hr)(?:_l(\d+)(_reverse)?)?\Z")
_PARTS = {"weight_ih": "input", "weight_hh": "hidden", "bias_ih": "input_bias", "bias_hh": "hidden_bias"}
_STATISTICS = {"running_mean": "mean", "running_var": "variance"}
_BY_GATES = {1: "rnn", 3: "gru", 4: "lstm"}


def torch_units(arrays: Mapping[str, Array], where: str) -> list[Unit]:
    """The layers of a state dict.

    Raises
    ------
    FileError
        If it has an array that Linear, Conv1d, Conv2d, RNN, LSTM, GRU, BatchNorm, LayerNorm and Embedding do not have.
    """
    grouped: dict[tuple[str, bool], dict[str, Array]] = {}
    for name, array in arrays.items():
        prefix, _, last = name.rpartition(".")
        if last == "num_batches_tracked":
            continue
        unit, reverse, part = _place(prefix, last, f"{where}: {name}")
        grouped.setdefault((unit, reverse), {})[part] = array
    return [Unit(name, _kind(parts, f"{where}: {name}"), parts, reverse) for (name, reverse), parts in grouped.items()]


def _place(prefix: str, last: str, where: str) -> tuple[str, bool, str]:
    """The layer of an array, its direction, and which of its arrays it is."""
    found = _RECURRENT.match(last)
    if found is None:
        return prefix or last, False, _STATISTICS.get(last, last)
    array, matrix, level, reverse = found.groups()
    if matrix == "hr":
        raise FileError(
            "an LSTM with a projection of its state", where=where, expected="an LSTM without proj_size", received=last
        )
    name = prefix if level is None else f"{prefix}.l{level}".lstrip(".")
    return name or "cell", reverse is not None, _PARTS[f"{array}_{matrix}"]


def _kind(parts: Mapping[str, Array], where: str) -> str:
    """The kind of a layer with these arrays."""
    if "input" in parts and "hidden" in parts:
        units = parts["hidden"].shape[-1]
        gates = parts["hidden"].shape[0] // units if units else 0
        if gates in _BY_GATES:
            return _BY_GATES[gates]
    elif "mean" in parts:
        return "batch_norm"
    elif parts.keys() <= {"weight", "bias"} and "weight" in parts:
        axes = parts["weight"].ndim
        if axes == 2:
            return "linear" if "bias" in parts else "matrix"
        if axes in (1, 3, 4):
            return "layer_norm" if axes == 1 else "conv"
    raise FileError(
        "a layer that cannot be imported",
        where=where,
        expected="the arrays of Linear, Conv1d, Conv2d, RNN, LSTM, GRU, BatchNorm, LayerNorm or Embedding",
        received=", ".join(f"{part} {array.shape}" for part, array in parts.items()),
        remedy="If the model does not need it, leave it out: --skip NAME.",
    )
