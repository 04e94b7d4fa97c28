"""Text in columns."""

from __future__ import annotations

from collections.abc import Sequence


def columns(rows: Sequence[Sequence[str]]) -> str:
    """Format rows of cells as text, each column as wide as its widest cell.

    Examples
    --------
    >>> print(columns([("name", "size"), ("a", "10"), ("longer", "3")]))
    name    size
    a       10
    longer  3
    """
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join(
        "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )
