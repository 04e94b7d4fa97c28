"""One use of a primitive layer."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphnet.core.compile import Shapes
from graphnet.core.compile.infer import ragged
from graphnet.core.compile.plan import Call
from graphnet.core.describe import signatures
from graphnet.core.describe.shapes import Shape
from graphnet.core.phase import Phase
from graphnet.core.run.context import BindOptions, RunContext
from graphnet.core.run.reference.rule_checks import RuleChecks
from graphnet.core.run.row_masks import Rows, add, only


class BoundCall:
    """A step that applies a layer, with everything about it looked up.

    ``wanted`` says whether an error must go on to the inputs; ``trained`` whether the layer has weights.
    """

    def __init__(self, step: Call, shapes: Shapes, options: BindOptions, wanted: bool) -> None:
        self.step = step
        layer = self.layer = options.layers[step.layer]
        self.owner, self.ports = step.layer, layer.input_ports()
        self.inputs: list[Any] = [i if i is not None and shapes.slots[i] is not None else None for i in step.inputs]
        self.outputs = step.outputs
        self.several = len(step.outputs) > 1
        self.expected = [shapes.slots[i] for i in step.outputs]
        self.given: list[Any] = [None if i is None else shapes.slots[i] for i in self.inputs]
        self.origin = None if self.inputs[0] is None else shapes.lengths[self.inputs[0]]
        self.context: dict[str, Any] = {"phase": options.phase, "lengths": None, "shapes": tuple(self.given)}
        self.takes = {name: signatures.keywords(getattr(type(layer), name)) for name in ("apply", "pull", "grad")}
        training = options.phase is Phase.train
        self.draws = layer.draws if training else ()
        self.updates = training and bool(layer.buffers(*self.given))
        self.trained = bool(layer.parameters(*self.given))
        self.wanted = wanted
        self.dtype = options.dtype
        self.checks = RuleChecks(step.path, layer, options.dtype)
        self.checked_errors = False
        self.apply, self.output = layer.apply, step.outputs[0]
        self.plain = not (self.several or self.draws or self.updates or None in self.inputs)
        self.forward = self.first_forward
        self.apply_with: dict[str, Any] = {}
        self.pull_with: dict[str, Any] = {}
        self.grad_with: dict[str, Any] = {}

    def start(self, run: RunContext) -> None:
        """Look up what stays the same for the whole run."""
        available = {**self.context, **dict.fromkeys(self.layer.draws), **run.arrays.get(self.owner, {})}
        if self.origin is not None:
            available["lengths"] = run.lengths[self.origin]
        self.apply_with = self.takes["apply"].pick(available)
        own = {name: available[name] for name in self.layer.params}
        self.pull_with, self.grad_with = self.takes["pull"].pick(own), self.takes["grad"].pick(own)

    # ------------------------------------------------------------------ forward
    def first_forward(self, slots: list[Any], run: RunContext) -> Any:
        """The first run of this step: checks what ``apply`` returns, then makes way for the quicker ones."""
        saved = self.any_forward(slots, run)
        outputs = tuple(slots[slot] for slot in self.outputs)
        self.checks.outputs(outputs, self.expected)
        self.forward = self.plain_forward if self.plain else self.any_forward
        return saved

    def plain_forward(self, slots: list[Any], run: RunContext) -> Any:
        """One output, no random draws, no buffers, every input there: nothing to decide."""
        try:
            slots[self.output], saved = self.apply(*[slots[i] for i in self.inputs], **self.apply_with)
        except Exception as error:
            raise self.checks.placed(error) from error.__cause__
        return saved

    def any_forward(self, slots: list[Any], run: RunContext) -> Any:
        """Fill the outputs' slots; returns what the backward pass needs."""
        given = {**self.apply_with, **self.drawn(run)} if self.draws else self.apply_with
        try:
            output, saved = self.apply(*[None if i is None else slots[i] for i in self.inputs], **given)
        except Exception as error:
            raise self.checks.placed(error) from error.__cause__
        outputs = self.checks.several(output, len(self.outputs)) if self.several else (output,)
        for slot, array in zip(self.outputs, outputs, strict=True):
            slots[slot] = array
        if self.updates:
            self.update(saved, run)
        return saved

    def drawn(self, run: RunContext) -> dict[str, Any]:
        """The random arrays of one application, in the dtype of the run.

        Those for single steps are repeated beyond the rows' ends, as the steps are.
        """
        made = self.layer.draw(run.generator(), *self.given)
        if not isinstance(made, dict) or set(made) != set(self.draws):
            raise self.checks.broken("draw", f"arrays for {', '.join(self.draws)}", _names(made))
        drawn = {name: made[name].astype(self.dtype, copy=False) for name in self.draws}
        ends = run.ends_at(self.origin)
        if ends is None:
            return drawn
        return {n: ends.repeated(a) if a.shape[:2] == ends.beyond.shape else a for n, a in drawn.items()}

    def update(self, saved: Any, run: RunContext) -> None:
        """Put new buffer values where this run's next uses of the layer read them."""
        arrays = run.arrays[self.owner]
        new = self.layer.update(saved, **{name: arrays[name] for name in self.layer.buffer_values})
        self.checks.buffers(new, {name: arrays[name] for name in self.layer.buffer_values})
        arrays |= {name: np.asarray(value, arrays[name].dtype) for name, value in new.items()}
        self.start(run)

    # ------------------------------------------------------------------ backward
    def backward(self, saved: Any, errors: list[Any], run: RunContext, rows: Rows) -> None:
        """Add to the errors of the inputs and to the gradients; ``rows`` says which rows count in the gradients."""
        error = self.error(errors)
        if error is None:
            return
        try:
            if self.trained and rows is not False:
                self.collect(self.layer.grad(saved, self.counted(error, rows), **self.grad_with), run)
            if self.wanted:
                self.pass_on(self.layer.pull(saved, error, **self.pull_with), errors)
        except Exception as problem:
            raise self.checks.placed(problem) from problem.__cause__

    def counted(self, error: Any, rows: Rows) -> Any:
        """The error with zeros in the rows that do not count."""
        if rows is None or rows is False:
            return error
        if not self.several:
            return only(rows, error, _batch_axis(self.expected[0]))
        return tuple(only(rows, e, _batch_axis(shape)) for e, shape in zip(error, self.expected, strict=True))

    def collect(self, gradients: dict[str, Any], run: RunContext) -> None:
        """Add to the gradients of the run."""
        total = run.gradients.setdefault(self.owner, {})
        for name, gradient in gradients.items():
            if name in total:
                total[name] += gradient
            else:
                total[name] = self.checks.gradient(name, gradient)

    def pass_on(self, pulled: Any, errors: list[Any]) -> None:
        """Add to the errors of the inputs."""
        each = self.ports.for_given(pulled, len(self.inputs))
        if not self.checked_errors:
            self.checks.errors(each, self.given)
            self.checked_errors = True
        for slot, array in zip(self.inputs, each, strict=True):
            if slot is not None and array is not None:
                add(errors, slot, array)

    def error(self, errors: list[Any]) -> Any:
        """The error for the output, or for all outputs, zeros where one was not used; None when none was."""
        if not self.several:
            return errors[self.outputs[0]]
        found = [errors[slot] for slot in self.outputs]
        if all(error is None for error in found):
            return None
        return tuple(
            np.zeros([n or 0 for n in shape], self.dtype) if error is None and shape is not None else error
            for error, shape in zip(found, self.expected, strict=True)
        )


def _names(made: Any) -> str:
    return ", ".join(map(str, made)) if isinstance(made, dict) else type(made).__name__


def _batch_axis(shape: Shape | None) -> int:
    """The axis that numbers the rows of a batch: the second one of a sequence (time, batch, …), else the first."""
    return 1 if shape is not None and ragged(shape) else 0
