"""Inspect a graph: how it is compiled, its time and memory by node, its nodes as a table or a flowchart."""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphnet.core.attributes import missing_from

if not TYPE_CHECKING:  # with a __getattr__, a type checker would accept every name
    __getattr__ = missing_from(__name__)
