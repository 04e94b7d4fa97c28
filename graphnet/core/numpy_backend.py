"""The built-in backend: runs a plan step by step with the layers' own rules.

Everything that a plan and its shapes settle is settled when it is bound: which arguments a rule takes, which errors are
wanted, whether rows end early. A step then costs one call of a rule.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from graphnet.core import random, rules
from graphnet.core.compiler import Shapes
from graphnet.core.errors import RuleError
from graphnet.core.layer import Layer
from graphnet.core.parameter import Array
from graphnet.core.phase import Phase
from graphnet.core.plan import Call, Loop, Plan
from graphnet.core.shapes import Shape

#: Which rows a gradient counts: every row (None), no row (False), or those that are True.
Rows = Array | bool | None


@dataclass(slots=True)
class Setting:
    """What holds for a whole bound plan: the layers, the phase and the dtype."""

    layers: Mapping[str, Layer]
    phase: Phase
    dtype: str


@dataclass(slots=True)
class Run:
    """One pass: the arrays of each layer, the row lengths of each input, and the gradients as they add up."""

    arrays: Mapping[str, dict[str, Array]]
    lengths: list[Array | None]
    keep: bool = True
    gradients: dict[str, dict[str, Array]] = field(default_factory=dict)


class BoundCall:
    """One use of a primitive layer, with everything about it looked up."""

    def __init__(self, step: Call, plan: Plan, shapes: Shapes, setting: Setting, wanted: bool) -> None:
        layer = setting.layers[step.layer]
        self.path, self.owner, self.layer = step.path, step.layer, layer
        self.inputs = [i if i is not None and shapes.slots[i] is not None else None for i in step.inputs]
        self.outputs, self.output = step.outputs, step.outputs[0]
        self.several = len(step.outputs) > 1
        self.expected = [shapes.slots[i] for i in step.outputs]
        self.given: list[Any] = [None if i is None else shapes.slots[i] for i in self.inputs]
        self.dtype = setting.dtype
        self.context = {"phase": setting.phase, "lengths": None, "shapes": tuple(self.given)}
        self.origin = None if self.inputs[0] is None else shapes.lengths[self.inputs[0]]
        self.takes = {name: rules.keywords(getattr(type(layer), name)) for name in ("apply", "pull", "grad")}
        self.draws = layer.draws if setting.phase is Phase.train else ()
        self.updates = setting.phase is Phase.train and bool(layer.buffers(*self.given))
        self.trained = bool(layer.parameters(*self.given))
        self.wanted = wanted
        self.checked = self.pulled = False
        self.apply_with: dict[str, Any] = {}
        self.pull_with: dict[str, Any] = {}
        self.grad_with: dict[str, Any] = {}

    def start(self, run: Run) -> None:
        """Look up what stays the same for the whole run."""
        available = {**self.context, **run.arrays.get(self.owner, {})}
        if self.origin is not None:
            available["lengths"] = run.lengths[self.origin]
        available |= dict.fromkeys(self.layer.draws)
        self.apply_with = self.takes["apply"].pick(available)
        own = {name: available[name] for name in self.layer._parameters}
        self.pull_with, self.grad_with = self.takes["pull"].pick(own), self.takes["grad"].pick(own)

    def forward(self, slots: list[Any], run: Run) -> Any:
        given = self.apply_with
        if self.draws:
            made = self.layer.draw(random.generator(), *self.given)
            given = {**given, **{name: made[name].astype(self.dtype, copy=False) for name in self.draws}}
        output, saved = self.layer.apply(*[None if i is None else slots[i] for i in self.inputs], **given)
        if not self.checked:
            self.check(output)
        if self.several:
            for slot, array in zip(self.outputs, output, strict=True):
                slots[slot] = array
        else:
            slots[self.output] = output
        if self.updates:
            self.update(saved, run)
        return saved

    def update(self, saved: Any, run: Run) -> None:
        """Put new buffer values where this run's next uses of the layer read them."""
        arrays = run.arrays[self.owner]
        new = self.layer.update(saved, **{name: arrays[name] for name in self.layer._buffers})
        arrays |= {name: np.asarray(value, arrays[name].dtype) for name, value in new.items()}
        self.start(run)

    def backward(self, saved: Any, errors: list[Any], run: Run, rows: Rows) -> None:
        error = self.error(errors)
        if error is None:
            return
        if self.trained and rows is not False:
            counted = error if rows is None else self.masked(error, rows)
            total = run.gradients.setdefault(self.owner, {})
            for name, gradient in self.layer.grad(saved, counted, **self.grad_with).items():
                if name in total:
                    total[name] += gradient
                else:
                    total[name] = self.first(name, gradient)
        if not self.wanted:
            return
        pulled = self.layer.pull(saved, error, **self.pull_with)
        if not isinstance(pulled, tuple):
            pulled = (pulled,)
        if not self.pulled:
            self.check_pulled(pulled)
        for slot, array in zip(self.inputs, pulled, strict=True):
            if slot is not None and array is not None:
                errors[slot] = array if errors[slot] is None else errors[slot] + array

    def error(self, errors: list[Any]) -> Any:
        """The error for the output, or for all outputs, zeros where one was not used; None when none was."""
        if not self.several:
            return errors[self.output]
        found = [errors[slot] for slot in self.outputs]
        if all(error is None for error in found):
            return None
        return tuple(
            np.zeros(shape.sizes, self.dtype) if error is None and shape is not None else error  # type: ignore[arg-type]
            for error, shape in zip(found, self.expected, strict=True)
        )

    def masked(self, error: Any, rows: Array) -> Any:
        if isinstance(error, tuple):
            return tuple(self.masked(one, rows) for one in error)
        return np.where(spread(rows, error.ndim), error, error.dtype.type(0))

    # ------------------------------------------------------------------ the first run of a bound step checks its rules
    def check(self, output: Any) -> None:
        outputs = output if self.several else (output,)
        if not isinstance(outputs, tuple) or len(outputs) != len(self.outputs):
            raise self.broken("apply", f"{len(self.outputs)} outputs in a tuple", type(output).__name__)
        for array, shape in zip(outputs, self.expected, strict=True):
            self.compare("apply", array, shape)
        self.checked = True

    def check_pulled(self, pulled: tuple[Any, ...]) -> None:
        if len(pulled) != len(self.inputs):
            raise self.broken("pull", f"{len(self.inputs)} errors, one for each input", len(pulled))
        for array, shape in zip(pulled, self.given, strict=True):
            if array is not None and shape is not None:
                self.compare("pull", array, shape)
        self.pulled = True

    def first(self, name: str, gradient: Any) -> Array:
        """The first gradient of a weight in a run: checked, and a copy to add to."""
        if name not in self.layer._parameters:
            raise self.broken("grad", f"gradients for {', '.join(self.layer._parameters)}", repr(name))
        value = self.layer._parameters[name].value
        if np.shape(gradient) != value.shape:
            raise self.broken("grad", f"shape {value.shape} for {name}", f"shape {np.shape(gradient)}")
        return np.array(gradient, self.dtype)

    def compare(self, rule: str, array: Any, shape: Shape | None) -> None:
        if not isinstance(array, np.ndarray) and not np.isscalar(array):
            raise self.broken(rule, f"an array of shape {shape}", type(array).__name__)
        if shape is not None and np.shape(array) != shape.sizes:
            raise self.broken(rule, f"shape {shape}", f"shape {np.shape(array)}")
        if np.asarray(array).dtype.name != self.dtype:
            raise self.broken(rule, f"dtype {self.dtype}, as the input", f"dtype {np.asarray(array).dtype}")

    def broken(self, rule: str, expected: object, received: object) -> RuleError:
        return RuleError(f"{rule} of {type(self.layer).__name__} returned something else than it must", where=self.path,
                         expected=expected, received=received)  # fmt: skip


class BoundLoop:
    """A Scan: the cell's bound plan, run once a step."""

    def __init__(self, step: Loop, plan: Plan, shapes: Shapes, setting: Setting, wanted: list[bool]) -> None:
        self.path, self.step, self.dtype = step.path, step, setting.dtype
        self.single = step.path in shapes.single
        inner = shapes.cells[step.path]
        self.slots = inner.slots
        n, s = len(step.sequences), len(step.initial)
        self.states = range(n, n + s)
        self.contexts = range(n + s, n + s + len(step.contexts))
        needs = [wanted[i] for i in step.sequences] + [True] * s + [wanted[i] for i in step.contexts]
        self.body = BoundPlan(step.cell, inner, setting, needs)
        self.emitted = [slot for _, slot in step.cell.outputs[: len(step.outputs)]]
        self.next = [slot for _, slot in step.cell.outputs[len(step.outputs) :]]
        self.origin = next((o for o in (shapes.lengths[i] for i in step.sequences) if o is not None), None)
        self.wanted = True

    def start(self, run: Run) -> None:
        self.body.start(run)

    def active(self, run: Run, steps: int) -> tuple[list[Rows], Array | None]:
        """Per step, which rows still run (None: all; False: none); and the rows' lengths when they differ."""
        lengths = None if self.origin is None else run.lengths[self.origin]
        if lengths is None or lengths.min() == steps:
            return [None] * steps, None
        low, high = int(lengths.min()), int(lengths.max())
        return [None if t < low else (False if t >= high else lengths > t) for t in range(steps)], lengths

    def counted(self, steps: int, lengths: Array | None) -> list[Rows]:
        """Per step, which rows are among the last ``bptt_length`` that were processed, and so count in the gradient."""
        k = self.step.bptt_length
        if k is None or k >= steps:
            return [None] * steps
        if self.step.reverse:
            return [None if t < k else False for t in range(steps)]
        if lengths is None:
            return [None if t >= steps - k else False for t in range(steps)]
        start = lengths - k
        return [None if t >= start.max() else (False if t < start.min() else start <= t) for t in range(steps)]

    def forward(self, slots: list[Any], run: Run) -> Any:
        step, dtype = self.step, self.dtype
        sequences = [slots[i][:, None] if self.single else slots[i] for i in step.sequences]
        steps = len(sequences[0])
        active, lengths = self.active(run, steps)
        states = [
            np.zeros(self.slots[inner].sizes, dtype) if slot is None or slots[slot] is None else slots[slot]  # type: ignore[union-attr, arg-type]
            for slot, inner in zip(step.initial, self.states, strict=True)
        ]
        contexts = [slots[i] for i in step.contexts]
        outputs = [np.zeros((steps, *self.slots[i].sizes), dtype) for i in self.emitted]  # type: ignore[union-attr, misc]
        tapes: list[Any] = [None] * steps
        inner_slots = [None] * (step.cell.slots - len(step.cell.inputs))
        body = self.body
        for t in range(steps)[:: -1 if step.reverse else 1]:
            rows = active[t]
            if rows is False:
                continue
            here = [*(x[t] for x in sequences), *states, *contexts, *inner_slots]
            tape = body.forward(here, run)
            if run.keep:
                tapes[t] = tape
            for output, slot in zip(outputs, self.emitted, strict=True):
                output[t] = here[slot] if rows is None else only(rows, here[slot])
            new = [here[slot] for slot in self.next]
            states = new if rows is None else [choose(rows, a, b) for a, b in zip(new, states, strict=True)]
        for slot, array in zip((*step.outputs, *step.finals), (*outputs, *states), strict=True):
            slots[slot] = array[:, 0] if self.single and slot in step.outputs else array
        return tapes, active, self.counted(steps, lengths)

    def backward(self, saved: Any, errors: list[Any], run: Run, rows: Rows) -> None:
        step = self.step
        given = [errors[i] for i in step.outputs]
        carried = [errors[i] for i in step.finals]
        if all(e is None for e in (*given, *carried)):
            return
        if self.single:
            given = [None if e is None else e[:, None] for e in given]
        tapes, active, counted = saved
        steps = len(tapes)
        pulled = [np.zeros((steps, *self.slots[i].sizes), self.dtype)  # type: ignore[union-attr, misc]
                  for i in range(len(step.sequences))]  # fmt: skip
        totals: list[Any] = [None] * len(step.contexts)
        for t in range(steps)[:: 1 if step.reverse else -1]:
            live = active[t]
            if live is False:
                continue
            here: list[Any] = [None] * step.cell.slots
            for slot, error in zip(self.emitted, given, strict=True):
                if error is not None:
                    add(here, slot, error[t] if live is None else only(live, error[t]))
            for slot, error in zip(self.next, carried, strict=True):
                if error is not None:
                    add(here, slot, error if live is None else only(live, error))
            self.body.backward(tapes[t], here, run, both(rows, counted[t]))
            for i, total in enumerate(pulled):
                if here[i] is not None:
                    total[t] = here[i] if live is None else only(live, here[i])
            carried = [self.before(here[i], old, live) for i, old in zip(self.states, carried, strict=True)]
            for i, slot in enumerate(self.contexts):
                if here[slot] is not None:
                    totals[i] = here[slot] if totals[i] is None else totals[i] + here[slot]
        for slot, array in zip(step.sequences, pulled, strict=True):
            add(errors, slot, array[:, 0] if self.single else array)
        for outer, array in zip((*step.initial, *step.contexts), (*carried, *totals), strict=True):
            if outer is not None and array is not None:
                add(errors, outer, array)

    @staticmethod
    def before(new: Any, old: Any, live: Rows) -> Any:
        """The error for a state before a step: rows that had ended pass on what came."""
        if live is None or (new is None and old is None):
            return new
        new = np.zeros_like(old) if new is None else new
        return choose(live, new, np.zeros_like(new) if old is None else old)


class BoundPlan:
    """A plan bound to shapes, a dtype and a phase."""

    def __init__(self, plan: Plan, shapes: Shapes, setting: Setting, wanted: list[bool]) -> None:
        needs = list(wanted) + [False] * (plan.slots - len(wanted))
        self.steps: list[BoundCall | BoundLoop] = []
        for step in plan.steps:
            if isinstance(step, Call):
                call = BoundCall(step, plan, shapes, setting, any(needs[i] for i in step.inputs if i is not None))
                needs_outputs = call.wanted or call.trained
                self.steps.append(call)
            else:
                loop = BoundLoop(step, plan, shapes, setting, needs)
                needs_outputs = True
                self.steps.append(loop)
            for slot in (step.outputs if isinstance(step, Call) else (*step.outputs, *step.finals)):
                needs[slot] = needs_outputs

    def start(self, run: Run) -> None:
        """Look up what stays the same for a whole run."""
        for step in self.steps:
            step.start(run)

    def forward(self, slots: list[Any], run: Run) -> list[Any]:
        """Fill ``slots`` in order; returns what the backward pass needs, a step an entry."""
        if run.keep:
            return [step.forward(slots, run) for step in self.steps]
        for step in self.steps:
            step.forward(slots, run)
        return []

    def backward(self, tape: list[Any], errors: list[Any], run: Run, rows: Rows = None) -> None:
        """Fill ``errors`` from the outputs back to the inputs and add to the run's gradients."""
        for step, saved in zip(reversed(self.steps), reversed(tape), strict=True):
            step.backward(saved, errors, run, rows)


def spread(rows: Array, rank: int) -> Array:
    """A row mask with as many axes as the arrays that it is for."""
    return rows.reshape(-1, *[1] * (rank - 1))


def only(rows: Any, array: Array) -> Array:
    """``array`` with zeros in the rows that are not True."""
    return np.where(spread(rows, array.ndim), array, array.dtype.type(0))


def choose(rows: Any, new: Array, old: Array) -> Array:
    """``new`` in the rows that are True, ``old`` in the others."""
    return np.where(spread(rows, new.ndim), new, old)


def add(errors: list[Any], slot: int, array: Any) -> None:
    """Add up errors where paths meet."""
    errors[slot] = array if errors[slot] is None else errors[slot] + array


def both(a: Rows, b: Rows) -> Rows:
    """The rows that count in an outer loop and in an inner one."""
    if a is False or b is False:
        return False
    if a is None:
        return b
    return a if b is None else np.logical_and(a, b)
