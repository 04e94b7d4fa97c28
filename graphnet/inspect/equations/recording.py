"""The rules of a layer as terms: recorded by calling them with arrays that record."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphnet.core import random
from graphnet.core.compile.trace.untraceable import Untraceable
from graphnet.core.describe import signatures
from graphnet.core.describe.layer import Layer
from graphnet.core.describe.rule_copies import FunctionCopies, RuleCopies
from graphnet.core.describe.shapes import Shape
from graphnet.core.errors import GraphnetError
from graphnet.core.operations import Operation
from graphnet.core.phase import Phase
from graphnet.inspect.equations.functions import RecordingNumpy
from graphnet.inspect.equations.operations import OPERATIONS
from graphnet.inspect.equations.recorded import Recorded, conditions
from graphnet.inspect.equations.terms import DRAW, INPUT, WEIGHT, Term, name, walk

#: Terms of one rule, at most; more come from a loop over rows, steps or cells.
MOST_TERMS = 400

_COPIES = FunctionCopies(RecordingNumpy())


@dataclass(frozen=True)
class Rule:
    """What ``apply`` of a layer computes.

    Attributes
    ----------
    inputs : tuple of Term or None
        The names of the inputs, in order.
    arrays : dict of str to Term
        The names of weights, buffers, constants and random arrays.
    outputs : tuple of Term
    conditions : tuple of (Term, bool)
        On which the rule branched, and what they were.
    gradients, errors : tuple of Term
        What ``grad`` and ``pull`` compute, if they were recorded.
    reason : str
        Why these are not known; empty if it is, or was not asked for.
    """

    inputs: tuple[Term | None, ...]
    arrays: dict[str, Term]
    outputs: tuple[Term, ...]
    conditions: tuple[tuple[Term, bool], ...] = ()
    gradients: tuple[Term, ...] = ()
    errors: tuple[Term, ...] = ()
    reason: str = ""


def record(layer: Layer, shapes: Sequence[Shape | None], phase: Phase = Phase.test, *, backward: bool = False) -> Rule:
    """Return what ``apply`` of a layer computes for inputs of these shapes, whose sizes are known.

    Raises
    ------
    Untraceable
        If the rule does something that is not recorded: it needs numbers, or reads a large table.
    """
    refused: Untraceable | None = None
    found: Rule | None = None
    for rules in (layer, RuleCopies(layer, _COPIES)):
        try:
            found = _Recording(layer, shapes, phase, rules).run(backward)
        except Untraceable as reason:
            refused = refused or reason
        if found is not None and not found.reason:
            return found
    if found is None:
        raise refused or Untraceable("it cannot be called")
    return found


def input_names(layer: Layer, count: int) -> list[str]:
    """The names of a layer's inputs; those of a repeated port are numbered from 1."""
    ports = layer.input_ports()
    names = list(ports.names[:count])
    if ports.variadic and count > 1 and len(ports.names) == 1:
        stem = names[0].removesuffix("s") if names[0] != "inputs" else "x"
        return [f"{stem}_{i + 1}" for i in range(count)]
    return [*names, *(f"{ports.names[-1]}_{i}" for i in range(2, count - len(names) + 2))]


class _Recording:
    def __init__(self, layer: Layer, shapes: Sequence[Shape | None], phase: Phase, rules: Any) -> None:
        self.layer, self.shapes, self.phase, self.rules = layer, tuple(shapes), phase, rules
        self.rng = np.random.default_rng(3)

    def run(self, backward: bool) -> Rule:
        with conditions() as branches, random.using(np.random.default_rng(0)), np.errstate(all="ignore"):
            try:
                return self._run(branches, backward)
            except (Untraceable, MemoryError):
                raise
            except GraphnetError as error:
                raise Untraceable(str(error)) from error
            except Exception as error:  # a rule of a plugin may raise anything
                raise Untraceable(f"{type(error).__name__}: {error}") from error

    def _run(self, branches: list[tuple[Term, bool]], backward: bool) -> Rule:
        layer = self.layer
        inputs = self._inputs()
        arrays = self._arrays()
        fixed = {"phase": self.phase, "lengths": None, "shapes": self.shapes, "operations": OFFERED}
        keywords = signatures.keywords(type(layer).apply)
        output, saved = self.rules.apply(*inputs, **keywords.pick({**fixed, **arrays}))
        outputs = output if isinstance(output, (tuple, list)) else (output,)
        if not all(isinstance(each, Recorded) for each in outputs):
            raise Untraceable("its result does not depend on its inputs and arrays")
        terms = tuple(each.term for each in outputs)
        found = tuple(branches)
        if sum(1 for _ in walk(terms)) > MOST_TERMS:
            raise Untraceable(f"it has more than {MOST_TERMS} operations")
        gradients: tuple[Term, ...] = ()
        errors: tuple[Term, ...] = ()
        reason = ""
        if backward:
            try:
                gradients, errors = self._backward(outputs, saved, arrays)
            except Untraceable as error:
                reason = str(error)
            except Exception as error:  # a rule of a plugin may raise anything
                reason = f"{type(error).__name__}: {error}"
        names = {key: each.term for key, each in arrays.items() if isinstance(each, Recorded)}
        return Rule(
            tuple(None if x is None else x.term for x in inputs), names, terms, found, gradients, errors, reason
        )

    def _inputs(self) -> list[Recorded | None]:
        names = input_names(self.layer, len(self.shapes))
        found: list[Recorded | None] = []
        for i, (each, shape) in enumerate(zip(names, self.shapes, strict=True)):
            sizes = () if shape is None else tuple(n or 1 for n in shape.sizes)
            whole = i in self.layer.integer_inputs
            value = np.zeros(sizes, np.int64) if whole else self.rng.uniform(0.1, 0.9, sizes)
            found.append(None if shape is None else Recorded(value, name(each, sizes, INPUT)))
        return found

    def _arrays(self) -> dict[str, Any]:
        layer, shapes = self.layer, self.shapes
        known = [shape for shape in shapes if shape is not None]
        found: dict[str, Any] = {}
        for key, weight in layer.parameters(*known).items():
            found[key] = Recorded(self.rng.normal(size=weight.shape), name(key, tuple(weight.shape), WEIGHT))
        for key, buffer in layer.buffers(*known).items():
            value = self.rng.uniform(1, 2, buffer.shape) if buffer.shape else 1.0
            found[key] = Recorded(value, name(key, tuple(buffer.shape), WEIGHT))
        for key, array in layer.constants().items():
            found[key] = Recorded(array, name(key, np.shape(array), WEIGHT, value=np.asarray(array)))
        training = self.phase is Phase.train and bool(layer.draws)
        drawn = layer.draw(np.random.default_rng(0), *known) if training else {}
        for key in layer.draws:
            found[key] = Recorded(drawn[key], name(key, np.shape(drawn[key]), DRAW)) if training else None
        return found

    def _backward(
        self, outputs: Sequence[Any], saved: Any, arrays: Mapping[str, Any]
    ) -> tuple[tuple[Term, ...], tuple[Term, ...]]:
        """What ``grad`` and ``pull`` return."""
        layer = self.layer
        errors = [Recorded(self.rng.normal(size=x.shape), name("error", x.shape)) for x in outputs]
        error: Any = tuple(errors) if len(errors) > 1 else errors[0]
        weights = {key: each for key, each in arrays.items() if key not in layer.draws} | {"operations": OFFERED}
        gradients: list[Any] = []
        if layer.parameters(*[shape for shape in self.shapes if shape is not None]):
            own = signatures.keywords(type(layer).grad).pick(weights)
            gradients = list(self.rules.grad(saved, error, **own).values())
        pulled = self.rules.pull(saved, error, **signatures.keywords(type(layer).pull).pick(weights))
        return _terms(gradients), _terms(pulled if isinstance(pulled, tuple) else (pulled,))


def _terms(values: Sequence[Any]) -> tuple[Term, ...]:
    return tuple(each.term for each in values if isinstance(each, Recorded))


def _offered(kind: Operation) -> Callable[..., Any]:
    return lambda *arguments: OPERATIONS[kind](*arguments)


OFFERED: Mapping[str, Callable[..., Any]] = {str(kind): _offered(kind) for kind in OPERATIONS}


def sizes_of(shape: Shape, batch: int, steps: int) -> Shape:
    """A shape with numbers in the place of sizes that are not known: of time ``steps``, of other axes ``batch``."""
    sizes = [
        (steps if each == "time" else batch) if n is None else n
        for each, n in zip(shape.names, shape.sizes, strict=True)
    ]
    return Shape(shape.names, tuple(sizes), shape.declared)
