"""A Scan: by its compiled program, or step by step where the program cannot be made."""

from __future__ import annotations

from typing import Any

from graphnet.core.compile import Shapes
from graphnet.core.compile.plan import Loop
from graphnet.core.compile.trace.spec import TraceSpec
from graphnet.core.run.context import BindOptions, RunContext
from graphnet.core.run.numpy_backend.fallback import attempt
from graphnet.core.run.numpy_backend.scan_program import ScanProgram, spec_of
from graphnet.core.run.padding import Padding
from graphnet.core.run.reference.loop import BoundLoop
from graphnet.core.run.row_masks import Rows


class BoundScan:
    """A step that scans. The programs are made when they are needed: one with a way back, one without.

    ``reason`` says why the cell runs step by step; None where it is compiled.
    """

    def __init__(self, step: Loop, shapes: Shapes, options: BindOptions, wanted: list[bool]) -> None:
        self.step, self.shapes, self.options, self.wanted = step, shapes, options, list(wanted)
        self.origin = next((o for o in (shapes.lengths[i] for i in step.sequences) if o is not None), None)
        self.reason: str | None = None
        self.made: dict[bool, ScanProgram | BoundLoop] = {}
        #: For rows that end early: where the program may be nonfinite (see ``compile/analysis/finiteness.py``),
        #: one that runs on
        #: numbers of valid steps alone.
        self.exact: dict[bool, ScanProgram | BoundLoop] = {}
        self.active: ScanProgram | BoundLoop | None = None

    @property
    def path(self) -> str:
        """The path of the Scan."""
        return self.step.path

    def spec(self, backward: bool) -> TraceSpec:
        """What is traced of it."""
        return spec_of(self.step, self.shapes, self.options, self.wanted, backward)

    def loop(self, keep: bool) -> ScanProgram | BoundLoop:
        """What runs the Scan, with a way back or without."""
        if keep not in self.made:
            self.made[keep] = self._make(keep)
        return self.made[keep]

    def ragged(self, keep: bool) -> ScanProgram | BoundLoop:
        """What runs the Scan where rows end early."""
        whole = self.loop(keep)
        if isinstance(whole, BoundLoop) or not whole.program.may_be_nonfinite:
            return whole
        if keep not in self.exact:
            exact, self.reason = attempt(lambda: self._compiled(keep, exact=True), self.step.path)
            self.exact[keep] = self._node_by_node() if exact is None else exact
        return self.exact[keep]

    def _make(self, keep: bool) -> ScanProgram | BoundLoop:
        compiled = None
        if self.options.compiled:
            compiled, self.reason = attempt(lambda: self._compiled(keep), self.step.path)
        return self._node_by_node() if compiled is None else compiled

    def _node_by_node(self) -> BoundLoop:
        return BoundLoop(self.step, self.shapes, self.options, self.wanted)

    def _compiled(self, keep: bool, exact: bool = False) -> ScanProgram:
        loop = ScanProgram(self.step, self.shapes, self.options, self.wanted, keep, exact=exact)
        loop.workspace()  # all that can fail does so now, and not in the middle of a pass
        return loop

    def start(self, run: RunContext) -> None:
        """Look up what stays the same for the whole run."""
        self.active = self.loop(run.keep) if run.ends_at(self.origin) is None else self.ragged(run.keep)
        self.active.start(run)

    def requires(self) -> Padding:
        """The form in which it requires sequences; see ``ends.py``."""
        assert self.active is not None
        return self.active.requires()

    def forward(self, slots: list[Any], run: RunContext) -> Any:
        """Fill the slots of outputs and final states; returns what the backward pass needs."""
        assert self.active is not None
        return self.active, self.active.forward(slots, run)

    def backward(self, saved: Any, errors: list[Any], run: RunContext, rows: Rows) -> None:
        """Add to the errors of sequences, initial states and contexts, and to the gradients."""
        loop, kept = saved
        loop.backward(kept, errors, run, rows)
