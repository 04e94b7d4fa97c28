"""Scans that are exactly ONNX's LSTM, GRU or RNN, as these operators."""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphnet.core.compile.plan import Loop

if TYPE_CHECKING:
    from graphnet_onnx.writing.plans import PlanWriter


def write_operator(writer: PlanWriter, step: Loop) -> bool:
    """Write a Scan as an operator if it is one; whether it was."""
    return False
