"""Data: a user's arrays and files as batches, and the data sets that ship with graphnet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphnet.core.attributes import missing_from

if not TYPE_CHECKING:  # with a __getattr__, a type checker would accept every name
    __getattr__ = missing_from(__name__)
