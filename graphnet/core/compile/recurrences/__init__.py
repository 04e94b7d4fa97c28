"""Finds the linear recurrences of a drawn cell, and takes the cell apart so that they leave its loop over time."""

from __future__ import annotations

from graphnet.core.compile.recurrences.build import split_cell
from graphnet.core.compile.recurrences.split import SplitCell, Verdict

__all__ = ["SplitCell", "Verdict", "split_cell"]
