"""A Scan: by its compiled program, or step by step where the program cannot be made."""

from __future__ import annotations

from typing import Any

from graphnet.core.compiler import Shapes
from graphnet.core.compiler.joint import Subject
from graphnet.core.numpy_backend.compiled_loop import CompiledLoop, subject_of
from graphnet.core.numpy_backend.fallback import attempt
from graphnet.core.numpy_backend.loop import BoundLoop
from graphnet.core.numpy_backend.rows import Rows
from graphnet.core.numpy_backend.setting import Run, Setting
from graphnet.core.plan import Loop


class BoundScan:
    """A step that scans. The programs are made when they are needed: one with a way back, one without.

    ``reason`` says why the cell runs step by step; None where it is compiled.
    """

    def __init__(self, step: Loop, shapes: Shapes, setting: Setting, wanted: list[bool]) -> None:
        self.step, self.shapes, self.setting, self.wanted = step, shapes, setting, list(wanted)
        self.reason: str | None = None
        self.made: dict[bool, CompiledLoop | BoundLoop] = {}
        self.active: CompiledLoop | BoundLoop | None = None

    @property
    def path(self) -> str:
        """The path of the Scan."""
        return self.step.path

    def subject(self, backward: bool) -> Subject:
        """What is traced of it."""
        return subject_of(self.step, self.shapes, self.setting, self.wanted, backward)

    def loop(self, keep: bool) -> CompiledLoop | BoundLoop:
        """What runs the Scan, with a way back or without."""
        if keep not in self.made:
            self.made[keep] = self._make(keep)
        return self.made[keep]

    def _make(self, keep: bool) -> CompiledLoop | BoundLoop:
        compiled = None
        if self.setting.compiled:
            compiled, self.reason = attempt(lambda: self._compiled(keep), self.step.path)
        return BoundLoop(self.step, self.shapes, self.setting, self.wanted) if compiled is None else compiled

    def _compiled(self, keep: bool) -> CompiledLoop:
        loop = CompiledLoop(self.step, self.shapes, self.setting, self.wanted, keep)
        loop.workspace()  # all that can fail does so now, and not in the middle of a pass
        return loop

    def start(self, run: Run) -> None:
        """Look up what stays the same for the whole run."""
        self.active = self.loop(run.keep)
        self.active.start(run)

    def forward(self, slots: list[Any], run: Run) -> Any:
        """Fill the slots of outputs and final states; returns what the way back needs."""
        assert self.active is not None
        return self.active.forward(slots, run)

    def backward(self, saved: Any, errors: list[Any], run: Run, rows: Rows) -> None:
        """Add to the errors of sequences, initial states and contexts, and to the gradients."""
        self.loop(True).backward(saved, errors, run, rows)
