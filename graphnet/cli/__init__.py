"""The command line: one command a file, each a few lines around a function of the library."""

from __future__ import annotations

from graphnet.cli.group import main

__all__ = ["main"]
