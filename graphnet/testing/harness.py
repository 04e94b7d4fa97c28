"""The test harness of one case: layers and graphs made from it, passes through them, and assertions."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np

from graphnet.core import random
from graphnet.core.compile import infer, lower
from graphnet.core.describe.builder import Builder
from graphnet.core.describe.graph import Graph
from graphnet.core.describe.layer import Layer
from graphnet.core.describe.shapes import Shape
from graphnet.core.describe.value import Value
from graphnet.core.phase import Phase
from graphnet.core.run.runner import Runner
from graphnet.testing import buffers, passes
from graphnet.testing.array_diff import compare
from graphnet.testing.buffers import Arrays
from graphnet.testing.case import Case
from graphnet.testing.case_inputs import SEED, CaseInputs, free_axes
from graphnet.testing.detection import detect_capabilities
from graphnet.testing.failures import Skipped, fault
from graphnet.testing.passes import PassResult, forward

#: Where inputs are drawn from if the outputs are not finite for any number and the case gives no domain.
DOMAINS = ((0.5, 2.0), (0.1, 0.9))


class Harness(CaseInputs):
    """One case with everything that the checks need: inputs (see :class:`CaseInputs`), runners, passes, assertions.

    Attributes
    ----------
    case : Case
    comparisons : int
        The number of assertions evaluated so far; a check that evaluates none fails.
    untried : list of str
        What the checks could not try with this layer, for the summary.
    """

    def __init__(self, case: Case) -> None:
        self.case = case
        self.comparisons = 0
        self.untried: list[str] = []
        super().__init__(case, self.make())
        self._positive_weights = False
        self._warmed_buffers: list[Arrays] | None = None
        self._choose_domain()

    def _choose_domain(self) -> None:
        """Find the widest domain of inputs and weights for which the outputs are finite."""
        domains = (None, *DOMAINS) if self.case.domain is None else (self.case.domain,)
        for self._positive_weights in (False, True):
            for self.domain in domains:
                try:
                    finite = self.is_finite(self.values())
                except Exception:  # the check `runs` reports it
                    self.domain, self._positive_weights = self.case.domain, False
                    return
                if finite:
                    self._note_domain()
                    return
        self.domain, self._positive_weights = self.case.domain, False

    def _note_domain(self) -> None:
        if self.domain != self.case.domain:
            low, high = self.domain or (0, 0)
            self.note_untried(f"inputs outside ({low:g}, {high:g}), where outputs may not be finite")
        if self._positive_weights:
            self.note_untried("negative weights, with which outputs are not finite")

    def is_finite(self, values: Arrays) -> bool:
        """Return whether the outputs for some inputs are finite."""
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            return all(np.isfinite(y).all() for y in self.run(values, errors=False).outputs.values())

    # ------------------------------------------------------------------ layers
    def make(self, seed: int = SEED, **changes: Any) -> Layer:
        """Return a new layer of the case's configuration, in float64, which finite differences need."""
        dtype = {"dtype": "float64"} if self.case.config.get("dtype") is not None else {}
        return self.make_unchanged(seed, **{**dtype, **changes})

    def make_unchanged(self, seed: int = SEED, **changes: Any) -> Layer:
        """Return a new layer of exactly the case's configuration."""
        with random.using(np.random.default_rng(seed)):
            return self.case.layer(**{n: _copied(v) for n, v in {**self.case.config, **changes}.items()})

    def make_initialized(self, seed: int = SEED) -> Layer:
        """Return a new layer whose weights are all freshly initialized."""
        layer = self.make(seed)
        with random.using(np.random.default_rng(6)):
            runner = Runner(self.graph(layer), backend="reference")
            if not runner.drawn:
                runner.forward(self.values())
        return layer

    def primitives(self) -> dict[str, Layer]:
        """Return the primitive layers inside, by path."""
        return self.graph().layers()

    # ------------------------------------------------------------------ graphs and runners
    def add_node(self, builder: Builder, layer: Layer, values: Mapping[str, Any], name: str) -> Value:
        """Add a node of the layer to a graph; ``values`` are its inputs by name, optional ones may be missing."""
        inputs = [values.get(n) for n in (self.names if self.ports.variadic else self.ports.names)]
        while inputs and inputs[-1] is None:
            inputs.pop()
        return builder.add(layer, *inputs, name=name)

    def graph(
        self,
        layer: Layer | None = None,
        provided: Iterable[str] | None = None,
        *,
        free: bool = True,
        sized: Mapping[str, Shape] | None = None,
    ) -> Graph:
        """Return a graph with one node of the layer; ``free`` leaves the sizes of batch and time open."""
        layer = self.make() if layer is None else layer
        names = self.names if provided is None else [name for name in self.names if name in set(provided)]
        builder = Builder("checked")
        values = {}
        for name in names:
            shape = (sized or self.shapes)[name]
            values[name] = builder.input(name, free_axes(shape) if free else shape, integer=name in self.integer)
        node = self.add_node(builder, layer, values, "layer" if "layer" not in names else "node")
        outputs = {port if port not in names else f"{port}_out": node[port] for port in layer.output_ports()}
        return builder.build(**outputs)

    def runner(
        self, layer: Layer | None = None, *, provided: Iterable[str] | None = None, backend: str = "reference"
    ) -> Runner:
        """Return a runner of :meth:`graph`, with weights and buffers set."""
        return self.prepare(Runner(self.graph(layer, provided), backend=backend))

    def untruncated_runner(self, values: Arrays) -> Runner:
        """Return a runner whose gradients are the full derivatives: backpropagation is not truncated."""
        changes = {"bptt_length": 10**6} if "truncation" in self.capabilities else {}
        return self.runner(self.make(**changes), provided=values)

    def prepare(self, runner: Runner) -> Runner:
        """Set the weights and buffers of a runner; undeclared sizes are taken from the case's inputs."""
        if not runner.drawn:
            graph = runner.graph
            inputs = {n: replace(i, shape=self.shapes.get(n, i.shape)) for n, i in graph.inputs.items()}
            Runner(replace(graph, inputs=inputs)).materialize()
        self.set_weights(runner)
        layers = [layer for layer in runner.layers.values() if buffers.has_buffers(layer)]
        for layer, arrays in zip(layers, self._warmed() if layers else [], strict=False):
            buffers.replace(layer, arrays)
        return runner

    def set_weights(self, runner: Runner, seed: int = SEED) -> Runner:
        """Draw the weights of a runner around 0, or around 1 for those that are initialized to 1; return the runner."""
        rng = np.random.default_rng(seed + 1)
        for parameter in runner.parameters.values():
            value = parameter.spec.value
            centre = (0.0 if value is None else value) if parameter.spec.kind == "constant" else 0.1
            drawn = centre + 0.6 * rng.standard_normal(parameter.value.shape)
            if self._positive_weights:
                drawn = rng.uniform(0.3, 1.2, parameter.value.shape)
            parameter.value = drawn.astype(parameter.value.dtype)
        return runner

    def _warmed(self) -> list[Arrays]:
        """Return the buffers after two training batches; some layers cannot run in the test phase before that."""
        if self._warmed_buffers is None:
            runner = self.set_weights(Runner(self.graph(), backend="reference"))
            for seed in (101, 102):
                forward(runner, self.values(seed), Phase.train)
            layers = [layer for layer in runner.layers.values() if buffers.has_buffers(layer)]
            self._warmed_buffers = [
                {name: array.copy() for name, array in buffers.current(layer).items()} for layer in layers
            ]
        return self._warmed_buffers

    # ------------------------------------------------------------------ passes
    def run(
        self,
        values: Arrays | None = None,
        runner: Runner | None = None,
        *,
        phase: Phase = Phase.train,
        lengths: Any = None,
        errors: Arrays | bool = True,
        seed: int = 3,
    ) -> PassResult:
        """Run one forward and backward pass, with the same random draws each time; ``errors=False``: forward only."""
        values = self.values() if values is None else values
        runner = self.runner(provided=values) if runner is None else runner
        outputs = forward(runner, values, phase, lengths, seed)
        if isinstance(errors, bool):
            return passes.backward(runner, outputs, self.errors(outputs)) if errors else PassResult(outputs, {}, {}, {})
        return passes.backward(runner, outputs, errors)

    @staticmethod
    def errors(outputs: Mapping[str, np.ndarray], seed: int = 11) -> Arrays:
        """Return random errors for some outputs, of the outputs' dtypes."""
        return passes.random_errors(outputs, seed)

    @cached_property
    def outputs(self) -> dict[str, Shape | None]:
        """The inferred shape of each output of :meth:`graph`."""
        graph = self.graph()
        plan = lower(graph)
        inferred = infer(plan, graph.layers(), [self.shapes[name] for name in graph.inputs])
        return {name: inferred.slots[slot] for name, slot in plan.outputs}

    def sized_runner(self, shapes: Mapping[str, Shape]) -> Runner:
        """Return a runner of :meth:`graph` for other shapes of the inputs, with full derivatives and weights set.

        Raises
        ------
        GraphnetError
            If infer refuses the shapes.
        """
        changes = {"bptt_length": 10**6} if "truncation" in self.capabilities else {}
        graph = self.graph(self.make(**changes), shapes, free=False, sized=shapes)
        runner = Runner(graph, backend="reference")
        runner.materialize()
        return self.set_weights(runner)

    def note_untried(self, what: str) -> None:
        """Record what could not be tried, once."""
        if what not in self.untried:
            self.untried.append(what)

    # ------------------------------------------------------------------ capabilities
    @cached_property
    def detected(self) -> set[str]:
        """The capabilities detected from the class and from a few passes."""
        return detect_capabilities(self)

    @cached_property
    def capabilities(self) -> frozenset[str]:
        """The detected capabilities, with the case's claims and without its disclaims."""
        return frozenset((self.detected | set(self.case.claims)) - set(self.case.disclaims))

    @property
    def deterministic_phase(self) -> Phase:
        """The phase in which two passes of the same values give the same results."""
        stateful = {"phases", "buffers", "random"} & (self.capabilities | self.detected)
        return Phase.test if stateful else Phase.train

    def require(self, condition: object, reason: str) -> None:
        """Skip the check unless ``condition`` holds."""
        if not condition:
            raise Skipped(reason)

    # ------------------------------------------------------------------ assertions
    def expect(self, condition: object, problem: str, **details: object) -> None:
        """Raise a Fault unless ``condition`` holds."""
        self.comparisons += 1
        if not condition:
            raise fault(problem, **details)

    def assert_close(self, actual: Any, desired: Any, what: str, tolerance: float = 1e-9) -> None:
        """Raise a Fault that describes the difference unless two arrays agree."""
        self.comparisons += 1
        difference = compare(actual, desired, tolerance)
        if difference is not None:
            raise fault(f"{what}: {difference}")

    def assert_same_results(self, actual: PassResult, desired: PassResult, what: str, tolerance: float = 1e-9) -> None:
        """Compare all results of two passes."""
        reference = dict(desired.results())
        for name, array in actual.results():
            self.expect(name in reference, f"{what}: {name} is missing from one of the two passes")
            self.assert_close(array, reference[name], f"{what}: {name}", tolerance)


def _copied(value: Any) -> Any:
    """Return a configuration value; graphs are copied without weights, since a layer shares those of its graph."""
    if isinstance(value, (list, tuple)) and any(isinstance(part, Graph) for part in value):
        return [_copied(part) for part in value]
    if not isinstance(value, Graph):
        return value
    graph = copy.deepcopy(value)
    for layer in graph.layers().values():
        layer.store.replace_params({})
    return graph
