"""From a gradient that is not finite back to the backward rules in which that began, and to the forward pass."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from graphnet.core.compile.plan import Call, Loop, Plan
from graphnet.core.describe.parameter import Array
from graphnet.core.run.observed.codes import Codes, Places, explained, fitted
from graphnet.core.run.observed.counted import place_of_gradient
from graphnet.core.run.observed.origin import Origin, first_place
from graphnet.core.run.observed.record import BackwardCall, Event, Key, Record, Scope
from graphnet.core.run.observed.walk import ForwardWalk, Mixing, Wanted, at_step, received, spread
from graphnet.core.run.row_masks import Rows


class BackwardWalk:
    """Explains gradients and errors that are not finite.

    The error of a value is the sum of what its readers return, so the walk goes from the first node of the plan to the
    last one, against the order of the backward pass. Where a node's error is finite and what it returns is not, its
    values in the forward pass may be the reason.

    Parameters
    ----------
    plan : Plan
    record : Record
    mixing : Mixing
    forward : ForwardWalk
        Explains values of the forward pass; not run yet.

    Attributes
    ----------
    origins : list of Origin
    """

    def __init__(self, plan: Plan, record: Record, mixing: Mixing, forward: ForwardWalk) -> None:
        self.plan, self.record, self.mixing, self.forward = plan, record, mixing, forward
        self.wanted = Wanted()
        self.covered: dict[Key, Places] = {}
        self.origins: list[Origin] = []
        self._values: list[tuple[Key, Places]] = []
        self._calls = {call.path: call for call in calls(plan)}
        self._gradients: dict[Event, dict[str, Array]] = {}

    def run(self, gradients: Mapping[str, set[str]], errors: bool = False) -> list[Origin]:
        """The origins of gradients that are not finite, the first to have been computed first.

        Parameters
        ----------
        gradients : mapping of layer path to names of its weights
        errors : bool
            Whether every error that is not finite is to be explained, even where no gradient depends on it.
        """
        layers = {path: names for path, names in gradients.items() if names}
        self._gradients = {
            event: bad
            for event, bad in self.record.gradients.items()
            if any(name in layers.get(self._calls[event[1]].layer, ()) for name in bad)
        }
        if errors:
            for event, parts in self.record.pulled.items():
                for slot, codes in zip(self._calls[event[1]].inputs, parts, strict=True):
                    if slot is not None and codes is not None:
                        self.wanted.include((event[0], slot), codes != 0)
        self.through(self.plan, ())
        for name, slot in self.plan.outputs:
            self.outputs(name, slot)
        self.sums()
        found = self.forward.run(self._values)
        return found or sorted(self.origins, key=lambda origin: origin.order)

    def through(self, plan: Plan, scope: Scope) -> None:
        """Explain the errors of one plan, the first step first."""
        for step in plan.steps:
            if isinstance(step, Loop):
                self.loop(step, scope)
            elif (scope, step.path) in self.record.pulled or (scope, step.path) in self._gradients:
                self.call(step, scope)

    # ------------------------------------------------------------------ one node
    def call(self, step: Call, scope: Scope) -> None:
        """Explain what a node has returned by the errors of its outputs or by its values, or blame it."""
        event = scope, step.path
        for slot, codes in zip(step.inputs, self.record.pulled.get(event, []), strict=False):
            places = None if slot is None else self.wanted.get((scope, slot))
            if slot is None or codes is None or places is None or codes.shape != places.shape:
                continue
            mine = places & (codes != 0)
            self.covered[scope, slot] = self.covered.get((scope, slot), np.zeros_like(places)) | mine
            rest = self.from_errors(step, scope, mine, codes)
            rest = rest & ~self.from_values(step, scope, rest, codes) if rest.any() else rest
            if rest.any():
                self.blame(step, scope, rest, codes)
        if event in self._gradients:
            self.gradient(step, scope)

    def from_errors(self, step: Call, scope: Scope, places: Places, codes: Codes) -> Places:
        """The places that the errors of the outputs do not explain; those that explain others are then wanted."""
        steps, rows = self.mixing(step)
        rest = places
        for slot in step.outputs:
            error = self.record.errors.get((scope, slot))
            if error is not None and rest.any():
                sources, targets = explained(rest, codes, error, steps, rows)
                self.wanted.include((scope, slot), sources)
                rest = rest & ~targets
        return rest

    def from_values(self, step: Call, scope: Scope, places: Places, codes: Codes) -> Places:
        """The places that values of the forward pass explain; these values are then to be explained."""
        found = np.zeros_like(places)
        steps, rows = self.mixing(step)
        causes = [((scope, slot), self.record.values.get((scope, slot))) for slot in step.outputs]
        causes += [
            ((scope, slot), self.forward.cause(step, i, (scope, slot)))
            for i, slot in enumerate(step.inputs)
            if slot is not None
        ]
        for key, values in causes:
            rest = places & ~found
            if values is not None and rest.any():
                sources, targets = explained(rest, codes, values, steps, rows)
                self._values.append((key, sources))
                found |= targets
        return found

    def gradient(self, step: Call, scope: Scope) -> None:
        """Explain the gradient of a node's weights."""
        event = scope, step.path
        errors = [(slot, self.record.errors.get((scope, slot))) for slot in step.outputs]
        if event in self.record.counted and any(codes is not None for _, codes in errors):
            counted = self.record.counted[event]
            for slot, codes in errors:
                if codes is not None:
                    self.wanted.include((scope, slot), (codes != 0) & fitted(counted != 0, codes.shape))
            return
        slots = [slot for slot in (*step.outputs, *step.inputs) if slot is not None]
        values = {slot: codes for slot in slots if (codes := self.record.values.get((scope, slot))) is not None}
        if values:
            self._values += [((scope, slot), codes != 0) for slot, codes in values.items()]
            return
        name, bad = next(iter(self._gradients[event].items()))
        kept = self.record.calls.get(event)
        at, row = (None, None) if kept is None else place_of_gradient(kept, name, bad)
        at = scope[0][1] if scope else at
        if kept is not None and row is not None:
            at = self.last_step(kept, scope, at, row)
        self.add(event, at, row, "")

    def last_step(self, kept: BackwardCall, scope: Scope, at: int | None, row: int) -> int | None:
        """The step that a row repeats beyond its end, or the given one."""
        if scope:
            (path, t), *_ = scope
            valid = [step for step, rows in self.record.loops[(), path] if _running(rows, row)]
            return t if t in valid or not valid else min(valid, key=lambda step: abs(step - t))
        slot = kept.call.outputs[0]
        ends = kept.call.run.ends_at(kept.call.origins[slot])
        return at if at is None or ends is None else min(at, max(0, int(ends.lengths[row]) - 1))

    def blame(self, step: Call, scope: Scope, places: Places, codes: Codes) -> None:
        """Note that a node is an origin."""
        at, row = first_place(places, scope)
        self.add((scope, step.path), at, row, received(codes, places))

    def add(self, event: Event, at: int | None, row: int | None, what: str) -> None:
        """Add an origin."""
        scope, path = event
        self.origins.append(Origin("backward", path, self.record.backward_order[event], scope, at, row, what))

    # ------------------------------------------------------------------ Scans, outputs, sums
    def loop(self, step: Loop, scope: Scope) -> None:
        """Explain the errors of what a Scan reads through its steps, in the order of the forward pass."""
        executed = self.record.loops.get((scope, step.path), [])
        single = step.path in self.record.single
        n, s = len(step.sequences), len(step.initial)
        emitted = [slot for _, slot in step.cell.outputs[: len(step.outputs)]]
        after = [slot for _, slot in step.cell.outputs[len(step.outputs) :]]
        carry: list[Any] = [None if slot is None else self.wanted.get((scope, slot)) for slot in step.initial]
        for slot in (*step.sequences, *step.initial, *step.contexts):
            if slot is not None and (scope, slot) in self.wanted:
                self.covered[scope, slot] = self.wanted[scope, slot]
        for t, _ in executed:
            inner = (*scope, (step.path, t))
            for i, outer in enumerate(step.sequences):
                places = self.wanted.get((scope, outer))
                self.seed(inner, i, None if places is None else at_step(places, t, single))
            for k, places in enumerate(carry):
                self.seed(inner, n + k, places)
            for i, outer in enumerate(step.contexts):
                self.seed(inner, n + s + i, self.wanted.get((scope, outer)))
            self.through(step.cell, inner)
            for slot, outer in zip(emitted, step.outputs, strict=True):
                self.leave(step, inner, slot, scope, outer, t)
            carry = [self.wanted.get((inner, slot)) for slot in after]
            for slot in (*emitted, *after):
                if (inner, slot) in self.wanted:
                    self.covered[inner, slot] = self.wanted[inner, slot]
        for outer, places in zip(step.finals, carry, strict=True):
            codes = self.record.errors.get((scope, outer))
            if places is not None and codes is not None:
                self.wanted.include((scope, outer), fitted(places, codes.shape) & (codes != 0))

    def seed(self, scope: Scope, slot: int, places: Places | None) -> None:
        """Add places of the error of a cell's slot, where it is not finite."""
        codes = self.record.errors.get((scope, slot))
        if places is not None and codes is not None:
            self.wanted.include((scope, slot), fitted(places, codes.shape) & (codes != 0))

    def leave(self, step: Loop, inner: Scope, slot: int, scope: Scope, outer: int, t: int) -> None:
        """Go on from the error of what a step emits to that of the Scan's output."""
        places, codes = self.wanted.get((inner, slot)), self.record.errors.get((scope, outer))
        if places is not None and codes is not None:
            whole = spread(places, codes.shape, t, step.path in self.record.single)
            self.wanted.include((scope, outer), whole & (codes != 0))

    def outputs(self, name: str, slot: int) -> None:
        """Note that the error of an output that the loss has returned is an origin."""
        places, codes = self.wanted.get(((), slot)), self.record.errors.get(((), slot))
        readers = self.covered.get(((), slot))
        if places is None or codes is None or (readers is not None and not (places & ~readers).any()):
            return
        at, row = first_place(places, ())
        self.covered[(), slot] = places
        self.origins.append(Origin("loss error", name, 0, (), at, row, received(codes, places)))

    def sums(self) -> None:
        """Errors that are not finite although all their parts are, because the sum overflows."""
        for (scope, slot), places in self.wanted.items():
            rest = places & ~self.covered.get((scope, slot), np.zeros_like(places))
            if rest.any():
                plan = self._plan(scope)
                path = plan.slot_paths[slot]
                at, row = first_place(rest, scope)
                self.origins.append(Origin("gradient", path, 10**9, scope, at, row))

    def _plan(self, scope: Scope) -> Plan:
        plan = self.plan
        for path, _ in scope:
            plan = next(step.cell for step in plan.steps if isinstance(step, Loop) and step.path == path)
        return plan


def _running(rows: Rows, row: int) -> bool:
    return bool(rows[row]) if isinstance(rows, np.ndarray) else rows is None


def calls(plan: Plan) -> Iterable[Call]:
    """The nodes of a plan and of the cells of its Scans."""
    for step in plan.steps:
        if isinstance(step, Loop):
            yield from calls(step.cell)
        else:
            yield step
