"""Run a cell's rules on symbols, forward and backward: one graph of operations for both.

``h = tanh(x @ W + b)`` becomes ``dot, add, tanh``; its backward pass ``1 - h·h, error · that, dot with W.T, outer,
rowsum`` in the same graph, where ``h`` is one value. Costs one run of each rule. Not possible where a rule cannot be
traced: Untraceable says where and why.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from graphnet.core.compile.plan import Call
from graphnet.core.compile.trace.ir import FIXED, ROWS, TOTAL, Roles, Trace
from graphnet.core.compile.trace.spec import TraceSpec
from graphnet.core.compile.trace.symbol import RowLengths, Symbol, Untraceable
from graphnet.core.describe import signatures
from graphnet.core.describe.layer import Layer
from graphnet.core.describe.shapes import Shape
from graphnet.core.phase import Phase


def trace(spec: TraceSpec) -> Trace:
    """The operations of a plan of Calls.

    Raises
    ------
    Untraceable
        Naming the node, and what its rule does.
    """
    return _Joint(spec).run()


class _Apart(dict[str, Layer]):
    """Copies of layers, made when they are asked for: what a rule keeps in self (which it should not) stays there, and
    no symbol is left in the layer that its owner uses.
    """

    def __init__(self, layers: Mapping[str, Layer]) -> None:
        super().__init__()
        self.own = layers

    def __missing__(self, path: str) -> Layer:
        own = self.own[path]
        made = self[path] = object.__new__(type(own))  # copy.copy takes ten times as long, and there may be many
        made.__dict__.update(own.__dict__)
        for name, value in own.__dict__.items():
            if type(value) in (dict, list, set):
                made.__dict__[name] = value.copy()
        return made


class _Joint:
    """One trace in the making."""

    def __init__(self, spec: TraceSpec) -> None:
        self.spec = spec
        self.layers = _Apart(spec.layers)
        self.trace = Trace()
        self.saved: list[Any] = []
        self.needs = [*spec.wanted, *[False] * (spec.plan.slot_count - len(spec.wanted))]
        self.weights: dict[str, dict[str, Symbol]] = {}
        self.gradients: dict[tuple[str, str], Symbol] = {}
        self.lead: tuple[int, ...] = ()

    def run(self) -> Trace:
        spec, plan = self.spec, self.spec.plan
        slots: list[Symbol | None] = [None] * plan.slot_count
        for i, (name, index) in enumerate(spec.roles):
            if spec.shapes.slots[i] is not None:
                slots[i] = self.leaf(name, index, self.shape(i))
        for step in plan.steps:
            if not isinstance(step, Call):
                raise Untraceable(f"{step.path}: a Scan inside a cell is run as it is")
            self.placed(step, self.forward, slots)
        outputs = [self.produced(slots[slot]) for _, slot in plan.outputs]
        emitted, following = outputs[: spec.emitted], outputs[spec.emitted :]
        roles = Roles(tuple(s.value for s in emitted), tuple(s.value for s in following))
        self.trace.roles = self.backward(roles, outputs) if spec.backward else roles
        return self.trace

    @staticmethod
    def produced(symbol: Symbol | None) -> Symbol:
        if symbol is None or symbol.kind != ROWS or symbol.flipped:
            raise Untraceable("an output does not have rows")
        return symbol

    def shape(self, slot: int) -> tuple[int, ...]:
        shape = self.spec.shapes.slots[slot]
        if shape is None or not shape.known or shape.rank < 2:
            raise Untraceable(f"{self.spec.plan.slot_paths[slot]}: its shape is {shape}, not rows of numbers")
        sizes = tuple(n or 0 for n in shape.sizes)
        lead = self.lead or sizes[:-1]
        if sizes[:-1] != lead:
            place = self.spec.plan.slot_paths[slot]
            raise Untraceable(f"{place}: shape {shape} does not have the rows {lead} of the others")
        self.lead = lead
        return sizes

    def leaf(self, name: str, index: Any, shape: tuple[int, ...], kind: str = ROWS) -> Symbol:
        value = self.trace.leaf(name, index, kind, shape[-1:] if kind == ROWS else shape)
        return Symbol(self.trace, value, shape, shape[:-1] if kind == ROWS else (), self.spec.dtype)

    def placed(self, step: Call, rule: Any, *arguments: Any) -> None:
        """Run a rule of one node; whatever it raises says that it cannot be traced."""
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
        layer = self.layers[step.layer]
        given = [None if i is None else slots[i] for i in step.inputs]
        shapes = [None if i is None else self.spec.shapes.slots[i] for i in step.inputs]
        takes = signatures.keywords(type(layer).apply)
        arrays = self.arrays(step, layer, shapes)
        context = {"phase": self.spec.phase, "lengths": None, "shapes": tuple(shapes)}
        available = {**context, **self.draws(step, layer, shapes), **arrays}
        output, saved = layer.apply(*given, **takes.pick(available))
        if "lengths" in takes.names and self.ragged(step):
            available["lengths"] = RowLengths()
            if not _alike((output, saved), layer.apply(*given, **takes.pick(available))):
                raise Untraceable("it depends on whether the rows differ in length")
        outputs = output if len(step.outputs) > 1 else (output,)
        for slot, found in zip(step.outputs, outputs, strict=True):
            slots[slot] = self.checked(found, self.shape(slot))
        self.saved.append(saved)
        wanted = any(self.needs[i] for i in step.inputs if i is not None)
        for slot in step.outputs:
            self.needs[slot] = wanted or bool(layer.params)

    def ragged(self, step: Call) -> bool:
        """Whether the rows of a node's first input may differ in length."""
        first = step.inputs[0]
        return first is not None and self.spec.shapes.lengths[first] is not None

    def arrays(self, step: Call, layer: Layer, shapes: list[Shape | None]) -> dict[str, Symbol]:
        """The layer's weights and buffers as symbols."""
        if self.spec.phase is Phase.train and layer.buffers(*shapes):
            raise Untraceable("it keeps running statistics")
        found = self.weights.get(step.layer)
        if found is None:
            every = {**{n: p.value for n, p in layer.params.items()}, **layer.buffer_values}
            found = {n: self.leaf("weight", (step.layer, n), a.shape, FIXED) for n, a in every.items()}
            self.weights[step.layer] = found
        return found

    def draws(self, step: Call, layer: Layer, shapes: list[Shape | None]) -> dict[str, Any]:
        """The layer's random arrays: one leaf each, drawn anew at every step; None in the test phase."""
        if not layer.draws or self.spec.phase is not Phase.train:
            return dict.fromkeys(layer.draws)
        shape = shapes[0]
        if shape is None:
            raise Untraceable("it draws for an input that was left out")
        sizes = tuple(n or 0 for n in shape.sizes)
        made = layer.draw(np.random.default_rng(0), *shapes)
        if {name: np.shape(array) for name, array in made.items()} != dict.fromkeys(layer.draws, sizes):
            raise Untraceable("it draws arrays of other shapes than its first input's")
        return {name: self.leaf("draw", (step.path, step.layer, name), sizes) for name in layer.draws}

    def checked(self, found: Any, shape: tuple[int, ...]) -> Symbol:
        if not isinstance(found, Symbol):
            raise Untraceable(f"apply returns a {type(found).__name__}")
        if found.shape != shape or found.dtype.kind != "f" or found.kind != ROWS or found.flipped:
            raise Untraceable(f"apply returns shape {found.shape} where infer says {shape}")
        return found

    # ------------------------------------------------------------------ backward
    def backward(self, roles: Roles, outputs: list[Symbol]) -> Roles:
        spec, plan = self.spec, self.spec.plan
        errors: list[Symbol | None] = [None] * plan.slot_count
        for number, ((_, slot), output) in enumerate(zip(plan.outputs, outputs, strict=True)):
            emitted = number < spec.emitted
            name, index = ("emitted_error", number) if emitted else ("carried_error", number - spec.emitted)
            self.add(errors, slot, self.leaf(name, index, output.shape))
        for step, saved in zip(reversed(plan.steps), reversed(self.saved), strict=True):
            assert isinstance(step, Call)
            self.placed(step, self.pull, saved, errors)
        found: dict[str, list[int | None]] = {"sequence": [], "state": [], "context": []}
        for i, (name, _) in enumerate(spec.roles):
            error = errors[i] if spec.wanted[i] or name == "state" else None
            found[name].append(None if error is None else error.value)
        gradients = {key: g.value for key, g in self.gradients.items()}
        carried, contexts = tuple(found["state"]), tuple(found["context"])
        return Roles(roles.emitted, roles.next_states, tuple(found["sequence"]), carried, contexts, gradients)

    def pull(self, step: Call, saved: Any, errors: list[Symbol | None]) -> None:
        layer = self.layers[step.layer]
        error = self.error(step, errors)
        if error is None:
            return
        own = {n: s for n, s in self.weights.get(step.layer, {}).items() if n in layer.params}
        if layer.params:
            self.collect(step, layer, layer.grad(saved, error, **signatures.keywords(type(layer).grad).pick(own)))
        if not any(self.needs[i] for i in step.inputs if i is not None):
            return
        pulled = layer.pull(saved, error, **signatures.keywords(type(layer).pull).pick(own))
        each = layer.input_ports().for_given(pulled, len(step.inputs))
        for slot, found in zip(step.inputs, each, strict=True):
            if slot is not None and found is not None and self.needs[slot]:
                self.add(errors, slot, self.checked(found, self.shape(slot)))

    def error(self, step: Call, errors: list[Symbol | None]) -> Any:
        """The error for the outputs of a node; None when none arrived."""
        found = [errors[slot] for slot in step.outputs]
        if all(e is None for e in found):
            return None
        if len(found) == 1:
            return found[0]
        zeros = [self.zeros(self.shape(slot)) if e is None else e for e, slot in zip(found, step.outputs, strict=True)]
        return tuple(zeros)

    def zeros(self, shape: tuple[int, ...]) -> Symbol:
        value = self.trace.copy(self.trace.constant(0.0), shape[-1])
        return Symbol(self.trace, value, shape, shape[:-1], self.spec.dtype)

    def collect(self, step: Call, layer: Layer, gradients: Any) -> None:
        for name, gradient in gradients.items():
            shape = layer.params[name].value.shape
            if not isinstance(gradient, Symbol) or gradient.kind != TOTAL or gradient.shape != shape:
                raise Untraceable(f"grad returns something else than sums over the rows of shape {shape} for {name}")
            key = (step.layer, name)
            self.gradients[key] = self.gradients[key] + gradient if key in self.gradients else gradient

    def add(self, errors: Sequence[Symbol | None], slot: int, error: Symbol) -> None:
        before = errors[slot]
        errors[slot] = error if before is None else before + error  # type: ignore[index]


def _alike(a: Any, b: Any) -> bool:
    """Whether a rule has returned the same twice."""
    if isinstance(a, Symbol) or isinstance(b, Symbol):
        return type(a) is type(b) and (a.value, a.shape, a.flipped) == (b.value, b.shape, b.flipped)
    if isinstance(a, (tuple, list)):
        return type(a) is type(b) and len(a) == len(b) and all(map(_alike, a, b))
    if isinstance(a, dict):
        return isinstance(b, dict) and a.keys() == b.keys() and all(_alike(a[k], b[k]) for k in a)
    return bool(np.array_equal(a, b)) if isinstance(a, np.ndarray) else bool(a == b)
