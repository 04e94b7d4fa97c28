"""What an executable offers that runs whole passes in one call."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from graphnet.core.describe.parameter import Array
from graphnet.core.run.context import RunContext


@dataclass(slots=True)
class Slots:
    """Where the arrays of a program are among the slots of a plan.

    Attributes
    ----------
    sequences, outputs : list of (int, tuple of int)
        The slot and the shape of each.
    states : list of str
        The names by which a pass may carry them: those that enter it, and all that leave it.
    initial : list of int or None
        The states before the first step; None: zeros, as where the slot has None.
    finals : list of int
        The states after the last step.
    finals_read : list of bool
        Which of them are filled.
    initial_wanted : list of bool
        For which states the error before the first step is returned.
    truncated : int
        The number of first steps in which the errors of sequences are zero.
    """

    sequences: list[tuple[int, tuple[int, ...]]]
    outputs: list[tuple[int, tuple[int, ...]]]
    states: list[str] = field(default_factory=list)
    initial: list[int | None] = field(default_factory=list)
    finals: list[int] = field(default_factory=list)
    finals_read: list[bool] = field(default_factory=list)
    initial_wanted: list[bool] = field(default_factory=list)
    truncated: int = 0


class DirectCalls(Protocol):
    """Whole passes between the slots of a plan, which hold arrays of the shapes that it was made for.

    Attributes
    ----------
    keys : list of (str, str)
        The path and the name of each weight array that receives a gradient.
    """

    keys: list[tuple[str, str]]

    def load_weights(self, arrays: Mapping[str, Mapping[str, Array]]) -> bool:
        """Use these weights, from now on.

        Returns whether to call it again before each pass, because passes use copies, or numbers computed from them.
        """

    def forward(self, slots: list[Any], run: RunContext) -> Any:
        """Fill the slots of outputs and of the final states that are read; returns what ``backward`` needs."""

    def backward(self, saved: Any, errors: list[Any]) -> list[Array | None]:
        """Add to the errors of sequences and initial states; returns the gradients, in the order of ``keys``.

        None stands for zeros.
        """


class WholePass(Protocol):
    """Runs whole passes of a program: arrays in, new arrays out, with rows first, ``(steps, batch, units)``.

    There are no contexts. It needs none of what surrounds numpy's calls: neither a turn among the threads, nor limits
    for the BLAS, nor another treatment of denormal numbers.
    """

    #: Takes the weights of a pass, before ``forward``; returns the values of expressions that ``backward`` needs.
    load_weights: Callable[[Mapping[str, Mapping[str, Array]]], list[Any]]

    def flush(self, on: bool, counted: int) -> None:
        """Set whether denormal numbers count as zero, and the first step that counts in the gradients."""

    def direct(self, slots: Slots, draw: Callable[[RunContext], None] | None) -> DirectCalls | None:
        """Passes between the slots of a plan, with the memory of this object; None if the shapes differ.

        ``draw`` draws the random arrays of a pass before it.
        """

    def resize(self, steps: int) -> bool:
        """Let the next passes have that number of steps; False if their bits would differ, or need more memory."""

    def forward(
        self,
        sequences: Sequence[Array],
        states: Sequence[Array | None],
        wanted: Sequence[bool],
        ended: Array | None = None,
    ) -> tuple[list[Array], list[Array | None], list[Array]]:
        """Run forward.

        Parameters
        ----------
        sequences : sequence of array
        states : sequence of array or None
            Before the first step, ``(batch, units)``; None: zeros.
        wanted : sequence of bool
            Which states after the last step are returned.
        ended : bool array (steps, batch) or None
            Which rows have ended; they keep their states.

        Returns
        -------
        outputs, states, and arrays that must stay alive until ``backward`` has run
        """

    def backward(
        self,
        errors: Sequence[Array | None],
        final_errors: Sequence[Array | None],
        wanted: Sequence[bool],
        values: Sequence[Any],
    ) -> tuple[list[Array | None], list[Array | None], dict[tuple[str, str], Array]]:
        """Run backward.

        Parameters
        ----------
        errors, final_errors : sequence of array or None
            Of the outputs, and of the states after the last step; None: zeros.
        wanted : sequence of bool
            For which states the error before the first step is returned.
        values : sequence
            What ``load_weights`` has returned.

        Returns
        -------
        errors of the sequences, errors of the states, and gradients by path and name
        """


class WholeTape:
    """What the backward pass needs: the whole passes, the values of weight expressions, and arrays that must stay.

    Where rows end early, ``ragged`` is the tape for the calls of single blocks, and ``order`` that of the (step, row)
    pairs; see ``ScanProgram.order``.
    """

    __slots__ = ("alive", "lease", "order", "ragged", "values", "whole")

    def __init__(self, whole: WholePass, values: list[Any], alive: list[Array]) -> None:
        self.whole, self.values, self.alive = whole, values, alive
        #: Keeps a shared executable for this pass.
        self.lease: Any = None
        self.ragged: Any = None
        self.order: Array | None = None


def collect(gradients: Mapping[tuple[str, str], Array], run: RunContext) -> None:
    """Add the gradients of a program to those of a pass."""
    for (owner, name), gradient in gradients.items():
        total = run.gradients.setdefault(owner, {})
        total[name] = total[name] + gradient if name in total else gradient
