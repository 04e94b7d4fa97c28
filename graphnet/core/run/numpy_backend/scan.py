"""A Scan: runs its compiled program, or step by step where none can be made."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from graphnet.core.compile import Shapes
from graphnet.core.compile.plan import Loop
from graphnet.core.compile.recurrences import SplitCell
from graphnet.core.compile.trace.spec import TraceSpec
from graphnet.core.run.context import BindOptions, RunContext
from graphnet.core.run.numpy_backend.bound_program import BoundProgram
from graphnet.core.run.numpy_backend.fallback import FAILED, attempt
from graphnet.core.run.numpy_backend.scan_program import ScanProgram, spec_of
from graphnet.core.run.numpy_backend.split_policy import Split, split_of
from graphnet.core.run.numpy_backend.split_scan import SplitScan
from graphnet.core.run.padding import Padding
from graphnet.core.run.reference.loop import BoundLoop
from graphnet.core.run.row_masks import Rows
from graphnet.core.run.thread_policy import ThreadPolicy


class BoundScan:
    """A Scan, bound. Programs are compiled when they are needed: one with a backward pass, one without.

    Attributes
    ----------
    reasons : dict of bool to str or None
        Why the loop could not be compiled, by whether a backward pass follows; None where it is compiled.
    programs : dict of bool to ScanProgram or BoundLoop
        What runs it, by whether a backward pass follows.
    exact : dict of bool to ScanProgram or BoundLoop
        The same for rows that end early where the program may be nonfinite
        (:mod:`graphnet.core.compile.analysis.finiteness`): padding is then copied from valid steps.
    """

    def __init__(
        self, step: Loop, shapes: Shapes, options: BindOptions, wanted: list[bool], splits: bool = True
    ) -> None:
        self.step, self.shapes, self.options, self.wanted = step, shapes, options, list(wanted)
        self._split: Split | None = None if splits else Split()
        self.origin = next((o for o in (shapes.lengths[i] for i in step.sequences) if o is not None), None)
        self.reasons: dict[bool, str | None] = {}
        self.programs: dict[bool, ScanProgram | BoundLoop | SplitScan] = {}
        self.exact: dict[bool, ScanProgram | BoundLoop | SplitScan] = {}
        self.active: ScanProgram | BoundLoop | SplitScan | None = None
        #: The slots that other steps read, or that are outputs; None: any may be.
        self.read: set[int] | None = None
        #: The slots whose errors may be nonzero beyond the rows' ends; None: any may be.
        self.given: set[int] | None = None

    @property
    def path(self) -> str:
        """The path of the Scan."""
        return self.step.path

    def spec(self, backward: bool) -> TraceSpec:
        """What is traced of it."""
        return spec_of(self.step, self.shapes, self.options, self.wanted, backward)

    @property
    def reason(self) -> str | None:
        """Why a loop of it could not be compiled; None if each one that was needed is compiled."""
        return next((reason for reason in self.reasons.values() if reason), None)

    def program(self, keep: bool) -> ScanProgram | BoundLoop | SplitScan:
        """What runs the Scan; ``keep`` says whether a backward pass follows."""
        if keep not in self.programs:
            self.programs[keep] = self._chosen(keep)
        return self.programs[keep]

    def _chosen(self, keep: bool) -> ScanProgram | BoundLoop | SplitScan:
        split = self.split()
        if split.first and split.cell is not None:
            return self._taken_apart(split.cell)
        compiled, reason = attempt(lambda: self._compile(keep), self.step.path)
        self.reasons[keep] = reason
        if compiled is not None:
            return compiled
        if split.cell is not None and reason and not reason.startswith(FAILED):
            return self._taken_apart(split.cell)
        return self._node_by_node()

    def ragged_program(self, keep: bool) -> ScanProgram | BoundLoop | SplitScan:
        """What runs the Scan where rows end early."""
        whole = self.program(keep)
        if not isinstance(whole, ScanProgram) or not whole.program.may_be_nonfinite:
            return whole
        if keep not in self.exact:
            exact, _ = attempt(lambda: self._compile(keep, exact=True), self.step.path)
            self.exact[keep] = self._node_by_node() if exact is None else exact
        return self.exact[keep]

    def split(self) -> Split:
        """The linear recurrences of the cell, found once."""
        if self._split is None:
            found, reason = attempt(lambda: split_of(self.step, self.shapes, self.options), self.step.path)
            self._split = Split(reason=reason or "") if found is None else found
        return self._split

    def compiled(self) -> Iterator[BoundProgram]:
        """The programs that were compiled so far."""
        for program in (*self.programs.values(), *self.exact.values()):
            if isinstance(program, ScanProgram):
                yield program
            elif isinstance(program, SplitScan):
                yield from program.compiled()

    def whole(self, keep: bool) -> bool:
        """Whether passes of whole rows are one call a direction."""
        program = self.program(keep)
        return isinstance(program, ScanProgram) and program.whole()

    def policy(self, keep: bool) -> ThreadPolicy:
        """Which BLAS threads it runs with."""
        return self.program(keep).policy(keep)

    def _taken_apart(self, cell: SplitCell) -> SplitScan:
        """The Scan as linear recurrences."""
        bind_rest = partial(BoundScan, splits=False)
        return SplitScan(self.step, self.shapes, self.options, self.wanted, cell, bind_rest)

    def _node_by_node(self) -> BoundLoop:
        return BoundLoop(self.step, self.shapes, self.options, self.wanted)

    def _compile(self, keep: bool, exact: bool = False) -> ScanProgram:
        program = ScanProgram(self.step, self.shapes, self.options, self.wanted, keep, exact=exact)
        if self.read is not None:
            program.finals_read = [slot in self.read for slot in self.step.finals]
        program.given = self.given
        program.executable()  # everything that can fail does so here, and not in the middle of a pass
        return program

    def start(self, run: RunContext) -> None:
        """Choose the program, and look up what stays the same for a whole pass."""
        ragged = run.ends and run.ends_at(self.origin) is not None
        self.active = self.ragged_program(run.keep) if ragged else self.program(run.keep)
        if not isinstance(self.active, ScanProgram):
            self.active.start(run)

    def required_padding(self) -> Padding:
        """The padding that it requires of sequences."""
        assert self.active is not None
        return self.active.required_padding()

    def forward(self, slots: list[Any], run: RunContext) -> Any:
        """Fill the slots of outputs and final states; returns the values saved for backward."""
        assert self.active is not None
        return self.active, self.active.forward(slots, run)

    def backward(self, saved: Any, errors: list[Any], run: RunContext, rows: Rows) -> None:
        """Add to the errors of sequences, initial states and contexts, and to the gradients."""
        program, program_saved = saved
        program.backward(program_saved, errors, run, rows)
