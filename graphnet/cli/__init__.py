"""The command line: one file for each command, which calls a function of the library."""

from __future__ import annotations

from graphnet.cli.group import main

__all__ = ["main"]
