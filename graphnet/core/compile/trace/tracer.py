"""Run the rules of a cell on symbols, forward and backward: one graph of operations for both.

``h = tanh(x @ W + b)`` becomes ``dot, add, tanh``; its backward pass ``1 - h·h, error · that, dot with W.T, outer,
rowsum`` is in the same graph, where ``h`` is one value. Costs one call of each rule. If a rule cannot be traced,
Untraceable names the node and the reason.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from graphnet.core.compile.plan import Call
from graphnet.core.compile.trace.ir import FIXED, ROWS, TOTAL, Roles, Trace
from graphnet.core.compile.trace.layer_copies import LayerCopies
from graphnet.core.compile.trace.spec import TraceSpec
from graphnet.core.compile.trace.symbol import RowLengths, Symbol
from graphnet.core.compile.trace.templates import ERROR, INPUT, WEIGHT, Instance, Template
from graphnet.core.compile.trace.untraceable import Untraceable
from graphnet.core.describe import signatures
from graphnet.core.describe.layer import Layer, rules_key
from graphnet.core.describe.shapes import Shape
from graphnet.core.operations import NO_OPERATIONS
from graphnet.core.phase import Phase

#: Nodes from which on the rules of equal ones run once.
MANY = 32


def trace(spec: TraceSpec) -> Trace:
    """Return the operations of a plan of Calls.

    Raises
    ------
    Untraceable
        With the node and what its rule does.
    """
    return _Tracer(spec).run()


class _Tracer:
    """Records one trace."""

    def __init__(self, spec: TraceSpec) -> None:
        self.spec = spec
        self.layers = LayerCopies(spec.layers)
        self.trace = Trace()
        self.saved: list[Any] = []
        #: For each slot, whether an error for it is needed.
        self.needs = [*spec.wanted, *[False] * (spec.plan.slot_count - len(spec.wanted))]
        self.weights: dict[str, dict[str, Symbol]] = {}
        self.gradients: dict[tuple[str, str], Symbol] = {}
        self.lead: tuple[int, ...] = ()
        #: A rule may ask whether it is traced inside a Scan; and few nodes take no longer one by one.
        self.reuses = len(spec.plan.steps) >= MANY and not any(name == "state" for name, _ in spec.roles)
        self.templates: dict[Any, Template] = {}

    def run(self) -> Trace:
        spec, plan = self.spec, self.spec.plan
        slots: list[Symbol | None] = [None] * plan.slot_count
        for i, (name, index) in enumerate(spec.roles):
            if spec.shapes.slots[i] is not None:
                slots[i] = self.leaf(name, index, self.row_shape(i))
        for step in plan.steps:
            if not isinstance(step, Call):
                raise Untraceable(f"{step.path}: a Scan inside a cell is not compiled")
            self.run_rule(step, self.forward, slots)
        outputs = [self.checked_output(slots[slot]) for _, slot in plan.outputs]
        values = [symbol.value for symbol in outputs]
        roles = Roles(tuple(values[: spec.emitted]), tuple(values[spec.emitted :]))
        self.trace.roles = self.backward(roles, outputs) if spec.backward else roles
        return self.trace

    @staticmethod
    def checked_output(symbol: Symbol | None) -> Symbol:
        if symbol is None or symbol.kind != ROWS or symbol.transposed:
            raise Untraceable("an output does not have rows")
        return symbol

    def row_shape(self, slot: int) -> tuple[int, ...]:
        """The sizes of a slot, whose row axes must be those of all slots."""
        shape, path = self.spec.shapes.slots[slot], self.spec.plan.slot_paths[slot]
        first = self.spec.row_axes
        if shape is None or not shape.known or shape.rank < (2 if first is None else first):
            raise Untraceable(f"{path}: its shape is {shape}, not rows of numbers")
        sizes = tuple(n or 0 for n in shape.sizes)
        if first is None:
            first = len(sizes) - 1
        lead = self.lead or sizes[:first]
        if sizes[:first] != lead or len(lead) != first:
            raise Untraceable(f"{path}: shape {shape} does not have the rows {lead} of the others")
        self.lead = self.trace.lead = lead
        return sizes

    def leaf(self, name: str, key: Any, shape: tuple[int, ...], kind: str = ROWS) -> Symbol:
        lead, inner = (self.lead, shape[len(self.lead) :]) if kind == ROWS else ((), ())
        value = self.trace.leaf(name, key, kind, (math.prod(inner),) if kind == ROWS else shape)
        return Symbol(self.trace, value, shape, lead, self.spec.dtype)

    def run_rule(self, step: Call, rule: Callable[..., None], *arguments: Any) -> None:
        """Run a rule of one node; turn any exception into Untraceable."""
        self.trace.path = step.path
        try:
            rule(step, *arguments)
        except Untraceable as problem:
            raise Untraceable(f"{step.path}: {self.spec.layers[step.layer]!r}: {problem}") from None
        except Exception as problem:
            kind = type(problem).__name__
            raise Untraceable(f"{step.path}: {self.spec.layers[step.layer]!r}: {kind}: {problem}") from problem

    # ------------------------------------------------------------------ forward
    def forward(self, step: Call, slots: list[Symbol | None]) -> None:
        """Run ``apply`` of one node."""
        inputs = [None if i is None else slots[i] for i in step.inputs]
        shapes = [None if i is None else self.spec.shapes.slots[i] for i in step.inputs]
        layer = self.spec.layers[step.layer]
        arrays = self.arrays(step, layer, shapes)
        key = self.template_key(step, layer, shapes, arrays)
        if key is None:
            outputs, saved = self.apply(step, inputs, shapes, arrays)
        else:
            template = self.templates.get(key)
            if template is None:
                template = self.templates[key] = self.template(step, shapes, arrays)
            outputs, saved = self.instance(template, inputs, arrays)
        for slot, symbol in zip(step.outputs, outputs, strict=True):
            slots[slot] = symbol
        self.saved.append(saved)
        needs_error = any(self.needs[i] for i in step.inputs if i is not None) or bool(layer.params)
        for slot in step.outputs:
            self.needs[slot] = needs_error

    def apply(
        self, step: Call, inputs: list[Symbol | None], shapes: list[Shape | None], arrays: dict[str, Symbol]
    ) -> tuple[list[Symbol], Any]:
        """The outputs of ``apply``, and what it saves."""
        layer = self.layers[step.layer]
        keywords = signatures.keywords(type(layer).apply)
        context = {"phase": self.spec.phase, "lengths": None, "shapes": tuple(shapes), "operations": NO_OPERATIONS}
        available = {**context, **self.draws(step, layer, shapes), **arrays}
        output, saved = layer.apply(*inputs, **keywords.pick(available))
        if "lengths" in keywords.names and self.is_ragged(step):
            available["lengths"] = RowLengths()
            if not _equal((output, saved), layer.apply(*inputs, **keywords.pick(available))):
                raise Untraceable("it depends on whether the rows differ in length")
        outputs = output if len(step.outputs) > 1 else (output,)
        pairs = zip(step.outputs, outputs, strict=True)
        return [self.checked(symbol, self.row_shape(slot)) for slot, symbol in pairs], saved

    def is_ragged(self, step: Call) -> bool:
        """Whether the rows of a node's first input may differ in length."""
        first = step.inputs[0]
        return first is not None and self.spec.shapes.lengths[first] is not None

    def arrays(self, step: Call, layer: Layer, shapes: list[Shape | None]) -> dict[str, Symbol]:
        """The layer's weights, buffers and constants as symbols."""
        if self.spec.phase is Phase.train and layer.buffers(*shapes):
            raise Untraceable("it updates running statistics")
        symbols = self.weights.get(step.layer)
        if symbols is None:
            arrays = {**{n: p.value for n, p in layer.params.items()}, **layer.buffer_values, **layer.constants()}
            symbols = {n: self.leaf("weight", (step.layer, n), a.shape, FIXED) for n, a in arrays.items()}
            self.weights[step.layer] = symbols
        return symbols

    def draws(self, step: Call, layer: Layer, shapes: list[Shape | None]) -> dict[str, Any]:
        """The layer's random arrays, drawn at every step: one leaf each; None in the test phase."""
        if not layer.draws or self.spec.phase is not Phase.train:
            return dict.fromkeys(layer.draws)
        shape = shapes[0]
        if shape is None:
            raise Untraceable("it draws random numbers for an input that is not connected")
        sizes = tuple(n or 0 for n in shape.sizes)
        drawn = layer.draw(np.random.default_rng(0), *shapes)
        if {name: np.shape(array) for name, array in drawn.items()} != dict.fromkeys(layer.draws, sizes):
            raise Untraceable("it draws arrays whose shape is not that of its first input")
        return {name: self.leaf("draw", (step.path, step.layer, name), sizes) for name in layer.draws}

    def checked(self, result: Any, shape: tuple[int, ...]) -> Symbol:
        """The result of a rule, if it is rows of the inferred shape."""
        if not isinstance(result, Symbol):
            raise Untraceable(f"it returns a {type(result).__name__}")
        right = (shape, self.lead, False, 1)
        found = (result.shape, result.lead, result.transposed, result.fold)
        if found != right or result.dtype.kind != "f" or result.kind != ROWS:
            raise Untraceable(f"it returns shape {result.shape} where infer says {shape}")
        return result

    # ------------------------------------------------------------------ backward
    def backward(self, roles: Roles, outputs: list[Symbol]) -> Roles:
        """Run ``grad`` and ``pull`` of every node; the roles with errors and gradients."""
        spec, plan = self.spec, self.spec.plan
        errors: list[Symbol | None] = [None] * plan.slot_count
        for number, ((_, slot), output) in enumerate(zip(plan.outputs, outputs, strict=True)):
            emitted = number < spec.emitted
            name, index = ("emitted_error", number) if emitted else ("carried_error", number - spec.emitted)
            self.add(errors, slot, self.leaf(name, index, output.shape))
        for step, saved in zip(reversed(plan.steps), reversed(self.saved), strict=True):
            assert isinstance(step, Call)
            self.run_rule(step, self.pull, saved, errors)
        values: dict[str, list[int | None]] = {"sequence": [], "state": [], "context": []}
        for i, (name, _) in enumerate(spec.roles):
            error = errors[i] if spec.wanted[i] or name == "state" else None
            values[name].append(None if error is None else error.value)
        return Roles(
            roles.emitted,
            roles.next_states,
            sequence_errors=tuple(values["sequence"]),
            carried_errors=tuple(values["state"]),
            context_errors=tuple(values["context"]),
            gradients={key: gradient.value for key, gradient in self.gradients.items()},
        )

    def pull(self, step: Call, saved: Any, errors: list[Symbol | None]) -> None:
        """Run ``grad`` and ``pull`` of one node; nothing if no error arrives at it."""
        error = self.output_error(step, errors)
        if error is None:
            return
        if isinstance(saved, Instance):
            gradients, pulled = self.pull_instance(step, saved, error)
        else:
            gradients, pulled = self.pulled(step, saved, error, self.weights.get(step.layer, {}))
        for name, gradient in gradients.items():
            key = (step.layer, name)
            self.gradients[key] = self.gradients[key] + gradient if key in self.gradients else gradient
        for position, symbol in pulled:
            self.add(errors, step.inputs[position], symbol)  # type: ignore[arg-type] # only inputs that are connected

    def pulled(
        self, step: Call, saved: Any, error: Any, arrays: dict[str, Symbol]
    ) -> tuple[dict[str, Symbol], list[tuple[int, Symbol]]]:
        """The gradients of a node's weights, and the errors of its inputs that need one, by position."""
        layer = self.layers[step.layer]
        weights: dict[str, Any] = {"operations": NO_OPERATIONS}
        weights |= {n: s for n, s in arrays.items() if n not in layer.buffer_values}
        gradients: dict[str, Symbol] = {}
        if layer.params:
            gradients = dict(layer.grad(saved, error, **signatures.keywords(type(layer).grad).pick(weights)))
            self.check_gradients(layer, gradients)
        if not any(self.needs[i] for i in step.inputs if i is not None):
            return gradients, []
        pulled = layer.pull(saved, error, **signatures.keywords(type(layer).pull).pick(weights))
        given = zip(step.inputs, layer.input_ports().for_given(pulled, len(step.inputs)), strict=True)
        return gradients, [
            (position, self.checked(symbol, self.row_shape(slot)))
            for position, (slot, symbol) in enumerate(given)
            if slot is not None and symbol is not None and self.needs[slot]
        ]

    def output_error(self, step: Call, errors: list[Symbol | None]) -> Any:
        """The error for the outputs of a node, with zeros for outputs without one; None if there is none at all."""
        symbols = [errors[slot] for slot in step.outputs]
        if all(e is None for e in symbols):
            return None
        if len(symbols) == 1:
            return symbols[0]
        return tuple(
            self.zeros(self.row_shape(slot)) if e is None else e for e, slot in zip(symbols, step.outputs, strict=True)
        )

    def zeros(self, shape: tuple[int, ...]) -> Symbol:
        value = self.trace.copy(self.trace.constant(0.0), math.prod(shape[len(self.lead) :]))
        return Symbol(self.trace, value, shape, self.lead, self.spec.dtype)

    @staticmethod
    def check_gradients(layer: Layer, gradients: dict[str, Any]) -> None:
        for name, gradient in gradients.items():
            shape = layer.params[name].value.shape
            if not isinstance(gradient, Symbol) or gradient.kind != TOTAL or gradient.shape != shape:
                raise Untraceable(f"grad returns for {name!r} a value that is not a sum over rows of shape {shape}")

    # ------------------------------------------------------------------ equal layers
    def template_key(
        self, step: Call, layer: Layer, shapes: list[Shape | None], arrays: dict[str, Symbol]
    ) -> tuple[Any, ...] | None:
        """A key that is equal for nodes whose rules record the same; None where it is not known, or is not worth it."""
        if not self.reuses or len(step.outputs) != 1 or layer.draws:
            return None
        rules = rules_key(layer)
        if rules is None:
            return None
        needs = tuple([i is not None and self.needs[i] for i in step.inputs])
        sizes = tuple([(name, symbol.shape) for name, symbol in arrays.items()])
        return rules, tuple(shapes), needs, sizes, self.is_ragged(step)

    def template(self, step: Call, shapes: list[Shape | None], arrays: dict[str, Symbol]) -> Template:
        """The operations of ``apply`` in a trace of their own."""
        with self.tracing(Trace()) as trace:
            inputs = [
                None if slot is None else self.leaf(INPUT, position, self.row_shape(slot))
                for position, slot in enumerate(step.inputs)
            ]
            weights = {name: self.leaf(WEIGHT, name, symbol.shape, FIXED) for name, symbol in arrays.items()}
            outputs, saved = self.apply(step, inputs, shapes, weights)
        return Template(trace, outputs, saved, weights, len(trace))

    def instance(
        self, template: Template, inputs: list[Symbol | None], arrays: dict[str, Symbol]
    ) -> tuple[list[Symbol], Instance]:
        """The outputs of a node by the template of another."""
        made = Instance(template)
        leaves: dict[tuple[str, Any], int] = {
            (INPUT, position): symbol.value for position, symbol in enumerate(inputs) if symbol is not None
        }
        leaves |= {(WEIGHT, name): symbol.value for name, symbol in arrays.items()}
        made.extend(self.trace, template.forward, leaves)
        return [made.symbol(self.trace, output) for output in template.outputs], made

    def pull_instance(
        self, step: Call, made: Instance, error: Symbol
    ) -> tuple[dict[str, Symbol], list[tuple[int, Symbol]]]:
        """The same as :meth:`pulled`, by the template."""
        template, trace = made.template, self.trace
        if template.backward is None:
            with self.tracing(template.trace):
                leaf = self.leaf(ERROR, 0, error.shape)
                template.backward = self.pulled(step, template.saved, leaf, template.weights)
        gradients, pulled = template.backward
        made.extend(trace, len(template.trace), {(ERROR, 0): error.value})
        return (
            {name: made.symbol(trace, gradient) for name, gradient in gradients.items()},
            [(position, made.symbol(trace, symbol)) for position, symbol in pulled],
        )

    @contextmanager
    def tracing(self, trace: Trace) -> Iterator[Trace]:
        """Record in another trace."""
        own, self.trace = self.trace, trace
        trace.lead = self.lead
        try:
            yield trace
        finally:
            self.trace = own

    @staticmethod
    def add(errors: list[Symbol | None], slot: int, error: Symbol) -> None:
        before = errors[slot]
        errors[slot] = error if before is None else before + error


def _equal(a: Any, b: Any) -> bool:
    """Whether two results of a rule are the same values."""
    if isinstance(a, Symbol) or isinstance(b, Symbol):
        return type(a) is type(b) and a.signature == b.signature
    if isinstance(a, (tuple, list)):
        return type(a) is type(b) and len(a) == len(b) and all(map(_equal, a, b))
    if isinstance(a, dict):
        return isinstance(b, dict) and a.keys() == b.keys() and all(_equal(a[k], b[k]) for k in a)
    return bool(np.array_equal(a, b)) if isinstance(a, np.ndarray) else bool(a == b)
