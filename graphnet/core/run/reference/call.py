"""One use of a primitive layer: calls the layer's own rules."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from graphnet.core import collective
from graphnet.core.compile import Shapes
from graphnet.core.compile.infer import ragged
from graphnet.core.compile.plan import Call
from graphnet.core.describe import signatures
from graphnet.core.describe.shapes import Shape
from graphnet.core.phase import Phase
from graphnet.core.run.context import BindOptions, RunContext
from graphnet.core.run.reference.rule_checks import RuleChecks
from graphnet.core.run.row_masks import Rows, add, only
from graphnet.core.run.thread_policy import ThreadPolicy, of_rules


class BoundCall:
    """A step that applies a layer; everything that shapes, phase and dtype determine is looked up once.

    Parameters
    ----------
    step : Call
    shapes : Shapes
    options : BindOptions
    wanted : bool
        Whether an error is passed on to the inputs.
    """

    def __init__(self, step: Call, shapes: Shapes, options: BindOptions, wanted: bool) -> None:
        self.step = step
        layer = self.layer = options.layers[step.layer]
        self.owner, self.ports = step.layer, layer.input_ports()
        self.inputs: list[Any] = [i if i is not None and shapes.slots[i] is not None else None for i in step.inputs]
        self.outputs = step.outputs
        self.several = len(step.outputs) > 1
        self.output_shapes = [shapes.slots[i] for i in step.outputs]
        self.input_shapes: list[Any] = [None if i is None else shapes.slots[i] for i in self.inputs]
        self.origin = None if self.inputs[0] is None else shapes.lengths[self.inputs[0]]
        self.operations = options.operations
        self.context: dict[str, Any] = {"phase": options.phase, "lengths": None, "shapes": tuple(self.input_shapes)}
        self.context["operations"] = self.operations
        self.keywords = {name: signatures.keywords(getattr(type(layer), name)) for name in ("apply", "pull", "grad")}
        #: What the rules take besides arrays of the layer and row lengths.
        self.fixed = self._fixed()
        training = options.phase is Phase.train
        self.draws = layer.draws if training else ()
        self.constants = tuple(layer.constants())
        self.updates_buffers = training and bool(layer.buffers(*self.input_shapes))
        self.trained = bool(layer.parameters(*self.input_shapes))
        self.wanted = wanted
        self.dtype = options.dtype
        self.checks = RuleChecks(step.path, layer, options.dtype)
        #: Whether what the rules return has been checked; only the first pass pays for it.
        self.outputs_checked = self.errors_checked = self.buffers_checked = False
        self.apply, self.output = layer.apply, step.outputs[0]
        #: Whether it has one output, all its inputs, no random draws and no buffers.
        self.plain = not (self.several or self.draws or self.updates_buffers or None in self.inputs)
        #: Whether random arrays are repeated beyond the rows' ends; not where any finite numbers serve.
        self.repeats_draws = True
        self.apply_with: dict[str, Any] = {}
        self.pull_with: dict[str, Any] = {}
        self.grad_with: dict[str, Any] = {}

    def _fixed(self) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
        """The keyword arguments of ``apply``, ``pull`` and ``grad`` that are the same in every pass."""
        available = {**self.context, **dict.fromkeys(self.layer.draws)}
        operations = {"operations": self.operations}
        keywords = self.keywords
        return keywords["apply"].pick(available), keywords["pull"].pick(operations), keywords["grad"].pick(operations)

    def start(self, run: RunContext) -> None:
        """Look up the keyword arguments of the rules, which stay the same for a whole pass."""
        arrays, fixed = run.arrays.get(self.owner), self.fixed
        self.apply_with, self.pull_with, self.grad_with = fixed
        if arrays is not None:
            names = self.keywords
            self.apply_with = fixed[0] | names["apply"].pick(arrays)
            weights = {name: arrays[name] for name in (*self.layer.params, *self.constants)}
            if weights:
                self.pull_with = fixed[1] | names["pull"].pick(weights)
                self.grad_with = fixed[2] | names["grad"].pick(weights)
        if "lengths" in self.apply_with and self.origin is not None:
            self.apply_with = {**self.apply_with, "lengths": run.lengths[self.origin]}

    def policy(self, keep: bool) -> ThreadPolicy:
        """Which BLAS threads it runs with."""
        weights = [parameter.value.shape for parameter in self.layer.params.values()]
        return of_rules(self.dtype, _sizes(self.input_shapes), _sizes(self.output_shapes), weights)

    # ------------------------------------------------------------------ forward
    def forward(self, slots: list[Any], run: RunContext) -> Any:
        """Fill the slots of the outputs; returns the values saved for backward."""
        if self.plain:
            try:
                slots[self.output], saved = self.apply(*[slots[i] for i in self.inputs], **self.apply_with)
            except Exception as error:
                raise self.checks.placed(error) from error.__cause__
        else:
            saved = self._forward(slots, run)
        if not self.outputs_checked:
            self.checks.outputs([slots[slot] for slot in self.outputs], self.output_shapes)
            self.outputs_checked = True
        return saved

    def _forward(self, slots: list[Any], run: RunContext) -> Any:
        """The same with optional inputs, several outputs, random draws or buffers."""
        keywords = {**self.apply_with, **self.drawn(run)} if self.draws else self.apply_with
        try:
            output, saved = self.apply(*[None if i is None else slots[i] for i in self.inputs], **keywords)
        except Exception as error:
            raise self.checks.placed(error) from error.__cause__
        outputs = self.checks.several(output, len(self.outputs)) if self.several else (output,)
        for slot, array in zip(self.outputs, outputs, strict=True):
            slots[slot] = array
        if self.updates_buffers:
            self.update(saved, run)
        return saved

    def drawn(self, run: RunContext) -> dict[str, Any]:
        """The random arrays of one application, in the dtype of the pass.

        Arrays ``(time, batch, …)`` are repeated beyond the rows' ends where the inputs are.
        """
        arrays = collective.drawn(self.layer, run.generator(), self.input_shapes)
        if not isinstance(arrays, dict) or set(arrays) != set(self.draws):
            raise self.checks.broken("draw", f"arrays for {', '.join(self.draws)}", _names(arrays))
        drawn = {name: arrays[name].astype(self.dtype, copy=False) for name in self.draws}
        ends = run.ends_at(self.origin) if self.repeats_draws else None
        if ends is None:
            return drawn
        return {n: ends.repeated(a) if a.shape[:2] == ends.beyond.shape else a for n, a in drawn.items()}

    def update(self, saved: Any, run: RunContext) -> None:
        """Store new buffer values where later uses of the layer in this pass read them."""
        arrays = run.arrays[self.owner]
        new = self.layer.update(saved, **{name: arrays[name] for name in self.layer.buffer_values})
        if not self.buffers_checked:
            self.checks.buffers(new, {name: arrays[name] for name in self.layer.buffer_values})
            self.buffers_checked = bool(new)
        changed = {name: np.asarray(value, arrays[name].dtype) for name, value in new.items()}
        arrays |= changed
        self.apply_with = {**self.apply_with, **self.keywords["apply"].pick(changed)}

    # ------------------------------------------------------------------ backward
    def backward(self, saved: Any, errors: list[Any], run: RunContext, rows: Rows) -> None:
        """Add to the errors of the inputs and to the gradients; ``rows`` are those that count in the gradients."""
        error = self.output_error(errors)
        if error is None:
            return
        try:
            if self.trained and rows is not False:
                self.collect(self.layer.grad(saved, self.counted(error, rows), **self.grad_with), run)
            if self.wanted:
                self.add_input_errors(self.layer.pull(saved, error, **self.pull_with), errors)
        except Exception as problem:
            raise self.checks.placed(problem) from problem.__cause__

    def counted(self, error: Any, rows: Rows) -> Any:
        """The error with zeros in the rows that do not count."""
        if rows is None or rows is False:
            return error
        if not self.several:
            return only(rows, error, _batch_axis(self.output_shapes[0]))
        return tuple(only(rows, e, _batch_axis(shape)) for e, shape in zip(error, self.output_shapes, strict=True))

    def collect(self, gradients: dict[str, Any], run: RunContext) -> None:
        """Add to the gradients of the pass."""
        total = run.gradients.setdefault(self.owner, {})
        for name, gradient in gradients.items():
            if name in total:
                total[name] += gradient
            else:
                total[name] = self.checks.gradient(name, gradient)

    def add_input_errors(self, pulled: Any, errors: list[Any]) -> None:
        """Add what ``pull`` returned to the errors of the inputs."""
        input_errors = self.ports.for_given(pulled, len(self.inputs))
        if not self.errors_checked:
            self.checks.errors(input_errors, self.input_shapes)
            self.errors_checked = True
        for slot, array in zip(self.inputs, input_errors, strict=True):
            if slot is not None and array is not None:
                add(errors, slot, array)

    def output_error(self, errors: list[Any]) -> Any:
        """The error of the output, or of all outputs, zeros where one was not used; None when none was."""
        if not self.several:
            return errors[self.outputs[0]]
        arrays = [errors[slot] for slot in self.outputs]
        if all(array is None for array in arrays):
            return None
        return tuple(
            np.zeros([n or 0 for n in shape], self.dtype) if array is None and shape is not None else array
            for array, shape in zip(arrays, self.output_shapes, strict=True)
        )


def _names(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, dict) else type(value).__name__


def _sizes(shapes: Iterable[Shape | None]) -> list[tuple[int, ...]]:
    return [tuple(n or 0 for n in shape.sizes) for shape in shapes if shape is not None]


def _batch_axis(shape: Shape | None) -> int:
    """The batch axis: 1 for a sequence (time, batch, …), else 0."""
    return 1 if shape is not None and ragged(shape) else 0
