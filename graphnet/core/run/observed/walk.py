"""From a result that is not finite back to the nodes in which that began.

A node is to blame for a place of its output that is not finite where none of its inputs explains it. An infinite input
explains nothing to a node that has made finite numbers of the same infinity in another row or step: the -inf of a mask
before a softmax is not an error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from graphnet.core.compile.plan import Call, Loop, Plan
from graphnet.core.run.observed.codes import ABOVE, BELOW, NAN, Codes, Places, explained, fitted
from graphnet.core.run.observed.origin import Origin, first_place
from graphnet.core.run.observed.record import Key, Record, Scope

#: Whether a node may compute a step from others, and a row from others.
Mixing = Callable[[Call], tuple[bool, bool]]


class Wanted(dict[Key, Places]):
    """The places of values that are to be explained."""

    def include(self, key: Key, places: Places) -> None:
        """Add places."""
        if places.any():
            self[key] = self[key] | places if key in self and self[key].shape == places.shape else places


class ForwardWalk:
    """Explains values that are not finite.

    Parameters
    ----------
    plan : Plan
    record : Record
    mixing : Mixing
    bad_weights : callable
        The name of a weight array of a layer that is not finite, by the layer's path; None where all are.

    Attributes
    ----------
    origins : list of Origin
    """

    def __init__(
        self, plan: Plan, record: Record, mixing: Mixing, bad_weights: Callable[[str], str | None] = lambda path: None
    ) -> None:
        self.plan, self.record, self.mixing, self.bad_weights = plan, record, mixing, bad_weights
        self.wanted = Wanted()
        self.origins: list[Origin] = []

    def run(self, seeds: Iterable[tuple[Key, Places]]) -> list[Origin]:
        """The origins of these places, the first to have been computed first."""
        for key, places in seeds:
            codes = self.record.values.get(key)
            if codes is not None:
                self.wanted.include(key, fitted(places, codes.shape) & (codes != 0))
        self.back(self.plan, ())
        for slot, name in enumerate(self.plan.inputs):
            self.enter("input", name, ((), slot))
        return sorted(self.origins, key=lambda origin: origin.order)

    def enter(self, kind: str, name: str, key: Key, scope: Scope = ()) -> None:
        """Note that a value that enters the graph is an origin."""
        places = self.wanted.get(key)
        if places is not None and places.any():
            step, row = first_place(places, scope)
            self.origins.append(Origin(kind, name, 0, scope, step, row, received(self.record.values.get(key), places)))

    def back(self, plan: Plan, scope: Scope) -> None:
        """Explain the values of one plan, the last step first."""
        for step in reversed(plan.steps):
            if isinstance(step, Loop):
                self.loop(step, scope)
            elif any((scope, slot) in self.wanted for slot in step.outputs):
                self.call(step, scope)

    def call(self, step: Call, scope: Scope) -> None:
        """Explain the outputs of a node by its inputs, or blame it."""
        for slot in step.outputs:
            key = scope, slot
            places, codes = self.wanted.get(key), self.record.values.get(key)
            if places is None or codes is None:
                continue
            rest = places & ~self.from_inputs(step, scope, places, codes)
            if rest.any():
                self.blame(step, scope, rest, codes)

    def from_inputs(self, step: Call, scope: Scope, places: Places, output: Codes) -> Places:
        """The places that inputs explain; these inputs are then to be explained."""
        found = np.zeros_like(places)
        steps, rows = self.mixing(step)
        given = [(i, slot) for i, slot in enumerate(step.inputs) if slot is not None]
        usable = [(slot, self.cause(step, i, (scope, slot))) for i, slot in given]
        # Where one input has NaN, an infinity of another one need not be explained.
        for bits in (NAN, NAN | ABOVE | BELOW):
            rest = places & ~found
            for slot, codes in usable:
                if codes is not None and (codes & bits).any() and rest.any():
                    sources, targets = explained(rest, output, codes & np.uint8(bits), steps, rows)
                    self.wanted.include((scope, slot), sources)
                    found |= targets
        return found

    def cause(self, step: Call, number: int, key: Key) -> Codes | None:
        """The codes of an input, without the infinities that the node makes finite numbers of elsewhere."""
        codes = self.record.values.get(key)
        harmless = self.record.tolerated.get((step.path, number), 0)
        if codes is None or not harmless:
            return codes
        kept = np.where(codes & NAN, codes, codes & np.uint8(0xFF & ~harmless))
        return kept if kept.any() else None

    def blame(self, step: Call, scope: Scope, places: Places, codes: Codes) -> None:
        """Note that a node is an origin, or a weight of it that was not finite before."""
        order = self.record.forward_order.get((scope, step.path), 0)
        at, row = first_place(places, scope)
        weight = self.bad_weights(step.layer)
        if weight is not None:
            self.origins.append(Origin("weight", f"{step.layer}/{weight}", 0))
            return
        self.origins.append(Origin("forward", step.path, order, scope, at, row, received(codes, places)))

    def loop(self, step: Loop, scope: Scope) -> None:
        """Explain the outputs and final states of a Scan through its steps."""
        executed = self.record.loops.get((scope, step.path), [])
        cell, single = step.cell, step.path in self.record.single
        n = len(step.sequences)
        emitted = [slot for _, slot in cell.outputs[: len(step.outputs)]]
        after = [slot for _, slot in cell.outputs[len(step.outputs) :]]
        carry: list[Places | None] = [self.wanted.get((scope, slot)) for slot in step.finals]
        for t, live in reversed(executed):
            inner = (*scope, (step.path, t))
            kept = [_rows(places, live, False) for places in carry]
            for places, slot in zip(carry, after, strict=True):
                self.seed(inner, slot, _rows(places, live, True))
            for outer, slot in zip(step.outputs, emitted, strict=True):
                places = self.wanted.get((scope, outer))
                self.seed(inner, slot, None if places is None else _rows(at_step(places, t, single), live, True))
            self.back(cell, inner)
            self.sequences(step, scope, inner, t)
            carry = [_both(old, self.wanted.get((inner, n + k))) for k, old in enumerate(kept)]
        for k, (name, places) in enumerate(zip(step.states, carry, strict=True)):
            if places is not None and places.any():
                self.initial(step, scope, k, name, places)

    def seed(self, scope: Scope, slot: int, places: Places | None) -> None:
        """Add places of a cell's slot, where it is not finite."""
        codes = self.record.values.get((scope, slot))
        if places is not None and codes is not None:
            self.wanted.include((scope, slot), fitted(places, codes.shape) & (codes != 0))

    def sequences(self, step: Loop, scope: Scope, inner: Scope, t: int) -> None:
        """Go on from the sequences and contexts that a step of a Scan reads to those around it."""
        contexts = len(step.sequences) + len(step.initial)
        pairs = [(i, slot, t) for i, slot in enumerate(step.sequences)]
        pairs += [(contexts + i, slot, -1) for i, slot in enumerate(step.contexts)]
        for i, outer, at in pairs:
            places, codes = self.wanted.get((inner, i)), self.record.values.get((scope, outer))
            if places is None or codes is None:
                continue
            if at >= 0:
                places = spread(places, codes.shape, at, step.path in self.record.single)
            self.wanted.include((scope, outer), fitted(places, codes.shape) & (codes != 0))

    def initial(self, step: Loop, scope: Scope, number: int, name: str, places: Places) -> None:
        """Go on from a state before the first step to its initial value, or to the one that was carried over."""
        outer = step.initial[number]
        codes = None if outer is None else self.record.values.get((scope, outer))
        if outer is not None and codes is not None:
            self.wanted.include((scope, outer), fitted(places, codes.shape) & (codes != 0))
            return
        _, row = first_place(places, scope)
        self.origins.append(Origin("state", f"{step.path}/{name}", 0, scope, None, row))


def received(codes: Codes | None, places: Places) -> str:
    """What a value holds at some places."""
    bits = 0 if codes is None or codes.shape != places.shape else int(np.bitwise_or.reduce(codes[places], axis=None))
    return "NaN" if bits & NAN else "infinity" if bits & ABOVE else "-infinity" if bits & BELOW else ""


def at_step(places: Places, t: int, single: bool) -> Places:
    """One step of places over time; a sequence without a batch axis counts its steps as rows."""
    return places[:, t : t + 1] if single else places[t : t + 1]


def spread(places: Places, shape: tuple[int, ...], t: int, single: bool) -> Places:
    """The places of one step, at that step of a sequence."""
    whole = np.zeros(shape, bool)
    if single:
        whole[:, t] = places.any()
    else:
        whole[t] = fitted(places, (1, shape[1]))[0]
    return whole


def _rows(places: Places | None, live: object, running: bool) -> Places | None:
    """The places in the rows that are running in a step, or in the others."""
    if places is None:
        return None
    if not isinstance(live, np.ndarray):
        return places if running else None
    return places & (live if running else ~live)


def _both(a: Places | None, b: Places | None) -> Places | None:
    if a is None or b is None:
        return b if a is None else a
    return a | b if a.shape == b.shape else a
