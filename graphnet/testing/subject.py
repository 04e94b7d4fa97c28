"""A case in use: layers made from it, graphs around them, values to feed them, and passes through them."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from graphnet.core import random
from graphnet.core.compile import infer, lower
from graphnet.core.describe.builder import Builder
from graphnet.core.describe.graph import Graph, subgraph
from graphnet.core.describe.layer import Layer
from graphnet.core.describe.shapes import BATCH, TIME, Shape
from graphnet.core.phase import Phase
from graphnet.core.run.runner import Runner
from graphnet.testing import observed
from graphnet.testing.case import Case
from graphnet.testing.check import Skipped, fault
from graphnet.testing.words import compare

Arrays = dict[str, np.ndarray]


@dataclass
class Passed:
    """One pass through a graph: everything that came out of it."""

    outputs: Arrays
    errors: Arrays
    pulled: dict[str, Any]
    gradients: Arrays

    def results(self) -> Iterable[tuple[str, np.ndarray]]:
        """All of it by names that a reader understands; inputs without an error are left out."""
        yield from ((f"output {name!r}", array) for name, array in self.outputs.items())
        yield from ((f"error for {name!r}", a) for name, a in self.pulled.items() if a is not None)
        yield from ((f"gradient of {name!r}", array) for name, array in self.gradients.items())


def _own(value: Any) -> Any:
    """A value of a configuration; graphs are copied, without weights, since a layer shares those of the graph it is
    given."""
    if isinstance(value, (list, tuple)) and any(isinstance(part, Graph) for part in value):
        return [_own(part) for part in value]
    if not isinstance(value, Graph):
        return value
    made = copy.deepcopy(value)
    for layer in made.layers().values():
        layer.store.replace_params({})
    return made


class Subject:
    """One case, with what the checks need of it.

    Attributes
    ----------
    case : Case
    names : tuple of str
        The inputs that it is fed.
    integer : set of str
        Those of them that are whole numbers.
    """

    SEED = 20_260

    def __init__(self, case: Case) -> None:
        self.case = case
        self.ports = self.make().input_ports()
        self.shapes, self.fixed = self._inputs()
        self.names = tuple(self.shapes)
        whole = self.make().integer_inputs
        self.integer = {name for i, name in enumerate(self.names) if i in whole}
        self.optional = [name for name in self.names if name in self.ports.optional]
        #: Comparisons made so far; a check that makes none has looked at nothing.
        self.looked = 0
        #: Where values are drawn between, None for the normal distribution; and whether weights are drawn above 0.
        self.domain: tuple[float, float] | None = case.domain
        self.positive = False
        self._kept: list[Arrays] | None = None
        self._choose_domain()

    # ------------------------------------------------------------------ layers
    def make(self, seed: int = SEED, **changes: Any) -> Layer:
        """A new layer of the case's configuration, with weights in float64: numeric derivatives need that."""
        own = {"dtype": "float64"} if self.case.config.get("dtype") is not None else {}
        return self.as_given(seed, **{**own, **changes})

    def as_given(self, seed: int = SEED, **changes: Any) -> Layer:
        """A new layer of exactly the case's configuration."""
        with random.using(np.random.default_rng(seed)):
            given = {name: _own(value) for name, value in {**self.case.config, **changes}.items()}
            return self.case.layer(**given)

    def with_weights(self, runner: Runner, seed: int = SEED) -> Runner:
        """The same runner, with weights drawn around 0 (around 1 for those that start there)."""
        rng = np.random.default_rng(seed + 1)
        for parameter in runner.parameters.values():
            centre = parameter.spec.value or 0.0 if parameter.spec.kind == "constant" else 0.1
            drawn = centre + 0.6 * rng.standard_normal(parameter.value.shape)
            if self.positive:
                drawn = rng.uniform(0.3, 1.2, parameter.value.shape)
            parameter.value = drawn.astype(parameter.value.dtype)
        return runner

    # ------------------------------------------------------------------ inputs
    def _inputs(self) -> tuple[dict[str, Shape], Arrays]:
        """The shape of each input by its name, and the values of those that the case gives."""
        names = list(self.ports.names)
        if self.ports.variadic:
            count = max((key for key in self.case.given if isinstance(key, int)), default=0) + 1
            names += [f"{names[-1]}_{i}" for i in range(2, count - len(names) + 2)]
        shapes, fixed = {}, {}
        for key, value in self.case.given.items():
            name = self._name(key, names)
            if isinstance(value, Shape):
                shapes[name] = value
            else:
                shapes[name], fixed[name] = Shape.of(value.shape), np.array(value)
        missing = [name for name in names if name not in shapes and name not in self.ports.optional]
        if missing and not self.ports.variadic:
            raise fault(
                "the case gives too few inputs", where=self.case, expected=", ".join(names), received=missing[0]
            )
        shapes |= {n: s for n, s in self._states(shapes).items() if n not in shapes}
        order = [name for name in names if name in shapes]
        return {name: shapes[name] for name in order}, fixed

    def _name(self, key: int | str, names: list[str]) -> str:
        if isinstance(key, int) and key < len(names):
            return names[key]
        if key in names:
            return str(key)
        raise fault(
            "the case gives an input that there is not", where=self.case, expected=", ".join(names), received=key
        )

    def _states(self, shapes: Mapping[str, Shape]) -> dict[str, Shape]:
        """The shapes of optional inputs that the layer's own graph tells, such as initial states."""
        inner = subgraph(self.make())
        batch = next((s.size(BATCH) for s in shapes.values() if s.has(BATCH)), None)
        found = {}
        for name in self.ports.optional if inner is not None else ():
            given = inner.inputs[name].shape if inner is not None and name in inner.inputs else None
            if given is not None and given.has(BATCH) and batch is not None:
                sized = given.resized(BATCH, batch)
                if sized.known:
                    found[name] = sized
        return found

    @property
    def batch(self) -> int | None:
        """Rows of the case's inputs; None where no axis is the batch."""
        return next((s.size(BATCH) for s in self.shapes.values() if s.has(BATCH)), None)

    @property
    def steps(self) -> int | None:
        """Steps of the case's sequences; None where there is none."""
        return next((s.size(TIME) for s in self.shapes.values() if s.has(TIME)), None)

    def sized(self, rows: int | None = None, steps: int | None = None) -> dict[str, Shape]:
        """The inputs' shapes with other numbers of rows and steps."""
        found = {}
        for name, shape in self.shapes.items():
            for axis, size, base in ((BATCH, rows, self.batch), (TIME, steps, self.steps)):
                if size is not None and shape.has(axis) and shape.size(axis) == base:
                    shape = shape.resized(axis, size)
            found[name] = shape
        return found

    def values(
        self,
        seed: int = 0,
        *,
        rows: int | None = None,
        steps: int | None = None,
        scale: float = 1.0,
        dtype: str = "float64",
        without: Iterable[str] = (),
    ) -> Arrays:
        """Values for the inputs; the same for the same arguments."""
        rng = np.random.default_rng([seed, self.SEED])
        found = {}
        for name, shape in self.sized(rows, steps).items():
            array = self._values(name, shape, rng, scale)
            if name not in without:
                found[name] = array if name in self.integer else array.astype(dtype)
        return found

    def _values(self, name: str, shape: Shape, rng: np.random.Generator, scale: float) -> np.ndarray:
        sizes = tuple(size or 1 for size in shape.sizes)
        if name in self.fixed:
            return np.resize(self.fixed[name], sizes) if self.fixed[name].shape != sizes else self.fixed[name].copy()
        if name in self.integer:
            return rng.integers(0, 2, sizes)
        if self.domain is None:
            return scale * rng.standard_normal(sizes)
        low, high = self.domain
        return rng.uniform(low, high, sizes)

    def _choose_domain(self) -> None:
        """Where the output is finite: tried from the widest domain to the narrowest, for inputs and weights."""
        given = self.case.domain
        for self.positive in (False, True):
            for self.domain in (given,) if given is not None else (None, (0.5, 2.0), (0.1, 0.9)):
                try:
                    with warnings.catch_warnings(), np.errstate(all="ignore"):
                        warnings.simplefilter("ignore")
                        outputs = self.run(errors=False).outputs
                except Exception:  # the check `runs` tells it
                    self.domain, self.positive = given, False
                    return
                if all(np.isfinite(array).all() for array in outputs.values()):
                    return
        self.domain, self.positive = given, False

    # ------------------------------------------------------------------ graphs and passes
    def graph(
        self,
        layer: Layer | None = None,
        provided: Iterable[str] | None = None,
        *,
        free: bool = True,
        sized: Mapping[str, Shape] | None = None,
    ) -> Graph:
        """The graph of one node around a layer, its inputs' batch and time left free."""
        layer = self.make() if layer is None else layer
        names = self.names if provided is None else [name for name in self.names if name in set(provided)]
        builder = Builder("checked")
        values = {}
        for name in names:
            shape = (sized or self.shapes)[name]
            for axis in (BATCH, TIME) if free else ():
                shape = shape.resized(axis, None) if shape.has(axis) and shape.size(axis) != 1 else shape
            values[name] = builder.input(name, shape, integer=name in self.integer)
        given = [values.get(name) for name in (self.names if self.ports.variadic else self.ports.names)]
        while given and given[-1] is None:
            given.pop()
        node = builder.add(layer, *given, name="layer" if "layer" not in names else "node")
        return builder.build(**{_output(port, names): node[port] for port in layer.output_ports()})

    def runner(
        self, layer: Layer | None = None, *, provided: Iterable[str] | None = None, backend: str = "reference"
    ) -> Runner:
        """A runner over that graph, with weights."""
        runner = Runner(self.graph(layer, provided), backend=backend)
        return self.filled(runner)

    def exact_runner(self, values: Arrays) -> Runner:
        """A runner whose gradients are the whole derivatives: nothing is truncated."""
        whole = {"bptt_length": 10**6} if "truncation" in self.capabilities else {}
        return self.runner(self.make(**whole), provided=values)

    def runner_of(self, layer: Layer) -> Layer:
        """The same layer, with all its weights as they come fresh."""
        with random.using(np.random.default_rng(6)):
            runner = Runner(self.graph(layer), backend="reference")
            if not runner.drawn:
                runner.forward(self.values())
        return layer

    def filled(self, runner: Runner) -> Runner:
        """A runner with the case's weights; sizes that nothing declares come from the case's inputs."""
        if not runner.drawn:
            sized = replace(
                runner.graph,
                inputs={
                    n: replace(given, shape=self.shapes.get(n, given.shape)) for n, given in runner.graph.inputs.items()
                },
            )
            Runner(sized).materialize()
        self.with_weights(runner)
        keeping = [layer for layer in runner.layers.values() if type(layer).buffers is not Layer.buffers]
        for layer, kept in zip(keeping, self._warmed() if keeping else [], strict=False):
            layer.store.replace_buffers({name: array.copy() for name, array in kept.items()})
        return runner

    def _warmed(self) -> list[Arrays]:
        """The buffers of the layers inside after two training batches: some layers refuse to be tested before that."""
        if self._kept is None:
            runner = self.with_weights(Runner(self.graph(), backend="reference"))
            for seed in (101, 102):
                forward(runner, self.values(seed), Phase.train)
            layers = [layer for layer in runner.layers.values() if type(layer).buffers is not Layer.buffers]
            self._kept = [{n: np.array(a) for n, a in layer.buffer_values.items()} for layer in layers]
        return self._kept

    def run(
        self,
        values: Arrays | None = None,
        runner: Runner | None = None,
        *,
        phase: Phase = Phase.train,
        lengths: Any = None,
        errors: Arrays | bool = True,
        seed: int = 3,
    ) -> Passed:
        """One pass forward and back, with the same random draws each time."""
        values = self.values() if values is None else values
        runner = self.runner(provided=values) if runner is None else runner
        outputs = forward(runner, values, phase, lengths, seed)
        if errors is False:
            return Passed(outputs, {}, {}, {})
        given = self.errors(outputs) if errors is True else errors
        assert isinstance(given, dict)
        pulled = runner.backward(given)
        return Passed(
            {name: np.array(array) for name, array in outputs.items()},
            given,
            {name: None if array is None else np.array(array) for name, array in pulled.items()},
            {name: np.array(p.gradient) for name, p in runner.parameters.items()},
        )

    @staticmethod
    def errors(outputs: Mapping[str, np.ndarray], seed: int = 11) -> Arrays:
        """Errors for some outputs, of their dtypes."""
        rng = np.random.default_rng(seed)
        return {n: rng.standard_normal(np.shape(y)).astype(y.dtype) for n, y in outputs.items()}

    @cached_property
    def outputs(self) -> dict[str, Shape | None]:
        """The shape of each output of ``graph``, as infer names its axes."""
        graph = self.graph()
        plan = lower(graph)
        found = infer(plan, graph.layers(), [self.shapes[name] for name in graph.inputs])
        return {name: found.slots[slot] for name, slot in plan.outputs}

    # ------------------------------------------------------------------ what it can do
    @cached_property
    def seen(self) -> set[str]:
        """What it is seen to have, whatever the case claims and disclaims."""
        return observed.capabilities(self)

    @property
    def steady(self) -> Phase:
        """The phase in which two passes of the same values are the same."""
        return Phase.test if {"phases", "buffers", "random"} & (self.capabilities | self.seen) else Phase.train

    @cached_property
    def capabilities(self) -> frozenset[str]:
        """What it is seen to have, with the case's claims and without what it disclaims."""
        found = self.seen
        return frozenset((found | set(self.case.claims)) - set(self.case.disclaims))

    def primitives(self) -> dict[str, Layer]:
        """The primitive layers inside, by path."""
        return self.graph().layers()

    def require(self, condition: object, reason: str) -> None:
        """Skip the check unless ``condition`` holds."""
        if not condition:
            raise Skipped(reason)

    # ------------------------------------------------------------------ comparing
    def expect(self, condition: object, problem: str, **told: object) -> None:
        """One comparison; a Fault unless ``condition`` holds."""
        self.looked += 1
        if not condition:
            raise fault(problem, **told)

    def agree(self, found: Any, expected: Any, what: str, tolerance: float = 1e-9) -> None:
        """One comparison of two arrays; a Fault that names their difference."""
        self.looked += 1
        problem = compare(found, expected, tolerance)
        if problem is not None:
            raise fault(f"{what}: {problem}")

    def all_agree(self, found: Passed, expected: Passed, what: str, tolerance: float = 1e-9) -> None:
        """Compare everything that came out of two passes."""
        known = dict(expected.results())
        for name, array in found.results():
            self.expect(name in known, f"{what}: {name} came out once, and once it did not")
            self.agree(array, known[name], f"{what}: {name}", tolerance)


def forward(runner: Runner, values: Arrays, phase: Phase, lengths: Any = None, seed: int = 3) -> Arrays:
    """The outputs, with draws from a generator of their own."""
    named = None
    if lengths is not None:
        named = {
            n: lengths
            for n, given in runner.graph.inputs.items()
            if given.shape and given.shape.names[:2] == (TIME, BATCH)
        }
    with random.using(np.random.default_rng(seed)):
        return runner.forward(values, phase=phase, lengths=named)


def _output(port: str, names: Iterable[str]) -> str:
    return port if port not in names else f"{port}_out"
