"""The exception of rules that cannot be traced."""

from __future__ import annotations


class Untraceable(Exception):
    """A rule does something that cannot be traced; the message names it."""
