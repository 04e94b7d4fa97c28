"""Progress in a notebook: one output that is replaced, without a widget."""

from __future__ import annotations

import sys
from typing import Any, ClassVar

from graphnet.training.callbacks.base import TrainingRun
from graphnet.training.history import History, ending
from graphnet.training.progress.base import Bar
from graphnet.training.progress.text import duration

#: Characters of the bar.
CELLS = 24


def in_notebook() -> bool:
    """Whether the process is the kernel of a notebook; IPython is only asked if the program has imported it."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)
    try:
        return getattr(shell(), "kernel", None) is not None
    except Exception:  # whatever else is called IPython
        return False


class NotebookBar(Bar):
    """A line of text that is updated in its place: ``epoch 3/20 [####......] loss 0.5210  310 examples/s  0:00:12``."""

    pause: ClassVar[float] = 0.25

    def __init__(self) -> None:
        super().__init__(sys.stdout)
        self._handle: Any = None

    def begin(self) -> None:
        """Show the line."""
        from IPython.display import display  # type: ignore[import-not-found,unused-ignore]

        self._handle = display({"text/plain": self.line()}, raw=True, display_id=True)

    def draw(self) -> None:
        """Replace the line."""
        if self._handle is not None:
            self._handle.update({"text/plain": self.line()}, raw=True)

    def line(self) -> str:
        """The present figures as one line of text."""
        full = 0 if self.total is None else round(CELLS * min(1.0, self.done / self.total))
        bar = "" if self.total is None else f"[{'#' * full}{'.' * (CELLS - full)}]  "
        remaining = "" if self.remaining is None else f"  {duration(self.remaining)}"
        return f"epoch {self.epoch}  {bar}{self.figures}  {self.rate} examples/s{remaining}"

    def on_end(self, trainer: TrainingRun, history: History) -> None:
        """Show the last figures, and how the run ended, in the same output."""
        self.close()
        if history.epochs and self._handle is not None:
            text = f"{self.line()}\n{ending(history)}"
            self.display.run(lambda: self._handle.update({"text/plain": text}, raw=True))
