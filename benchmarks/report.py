"""The result table of recurrent.py."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from timing import shown

PEERS = ("graphnet on numpy", "torch.nn", "torch loop", "jax scan", "onnxruntime")
HEADER = (
    "| layer | dtype | threads | time, batch, input, hidden | pass | graphnet | " + " | ".join(PEERS) + " |",
    "|" + "---|" * (6 + len(PEERS)),
)
LEGEND = (
    "Times in ms: median (lower to upper quartile) over rounds. **Bold**: graphnet's time divided by the other's,\n"
    "the median of the ratios within a round; below 1 graphnet is faster.\n"
)


class Table:
    """The rows received from the workers, the machine, and the skipped contenders."""

    def __init__(self) -> None:
        self.machine = ""
        self.skipped: list[str] = []
        self.rows: list[dict[str, Any]] = []

    def add(self, record: dict[str, Any]) -> Iterator[str]:
        """Add one record; yield the lines to print for it."""
        if "machine" in record:
            if not self.machine:
                self.machine = record["machine"]
                yield from (self.machine, "", LEGEND)
                yield from HEADER
        elif "skipped" in record:
            if record["skipped"] not in self.skipped:
                self.skipped.append(record["skipped"])
                yield f"skipped: {record['skipped']}"
        else:
            self.rows.append(record)
            yield line(record)

    def text(self) -> str:
        """Return the table as Markdown."""
        skipped = [f"skipped: {reason}  " for reason in self.skipped]
        return "\n".join([self.machine, "", LEGEND, *HEADER, *map(line, self.rows), "", *skipped]) + "\n"


def line(row: dict[str, Any]) -> str:
    """Return one row as Markdown."""
    cells = [row["kind"], row["dtype"], str(row["threads"]), ", ".join(map(str, row["shape"])), row["pass"]]
    cells.append(shown(row["quartiles"]["graphnet"]))
    for peer in PEERS:
        there = peer in row["ratios"]
        cells.append(f"{shown(row['quartiles'][peer])} **{row['ratios'][peer]:.2f}**" if there else "–")
    return f"| {' | '.join(cells)} |"
