"""Progress as a bar on a terminal."""

from __future__ import annotations

from typing import Any, TextIO

from graphnet.training.progress.base import Bar

#: Characters of the bar; the rate is left out where there is no room for them.
CELLS = 16


class TerminalBar(Bar):
    """A line with a bar over all batches, loss, metric, rate and remaining time, which rich draws.

    What the program prints meanwhile appears above it. There is no thread: the bar is drawn between two updates.
    """

    def __init__(self, stream: TextIO | None) -> None:
        super().__init__(stream)
        self._bar: Any = None
        self._task: Any = None

    def begin(self) -> None:
        """Start the bar."""
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (
            TextColumn("epoch {task.fields[epoch]}"),
            BarColumn(bar_width=CELLS),
            TextColumn("{task.fields[figures]}", markup=False),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
        )
        self._bar = Progress(*columns, console=Console(file=self.display.stream), auto_refresh=False)
        self._task = self._bar.add_task("training", total=self.total, **self._fields())
        self._bar.start()

    def draw(self) -> None:
        """Show the present figures."""
        if self._bar is not None:
            self._bar.update(self._task, completed=self.done, refresh=True, **self._fields())

    def close(self) -> None:
        """Stop the bar; the cursor is visible again."""
        super().close()
        bar, self._bar = self._bar, None
        if bar is not None:
            self.display.run(bar.stop)

    def _fields(self) -> dict[str, str]:
        rate = f"{self.rate} examples/s"
        taken = len(f"epoch {self.epoch}  {self.figures} {rate} 0:00:00")
        fits = self._bar is None or taken + CELLS <= self._bar.console.width
        return {"epoch": self.epoch, "figures": self.figures, "rate": rate if fits else ""}
