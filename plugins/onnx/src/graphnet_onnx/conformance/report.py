"""Runs the tests and counts what passed, failed and is not supported, by operator."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
import onnx

from graphnet import GraphnetError, UnknownNameError
from graphnet_onnx import backend
from graphnet_onnx.conformance.cases import Case
from graphnet_onnx.conformance.kinds import TYPES
from graphnet_onnx.operators import OPERATORS
from graphnet_onnx.operators.functions import has_definition

#: Operators that are not claimed although they run: ONNX's tests expect the numbers of one random generator.
RANDOM = ("Bernoulli", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Multinomial")


@dataclass(frozen=True)
class Outcome:
    """What happened to one test: ``passed``, ``failed`` or ``unsupported``, and why.

    ``route`` says how much of the model were graphs of graphnet: ``whole``, ``part`` or ``none``; an empty string if it
    is not known.
    """

    case: str
    operator: str
    result: str
    reason: str = ""
    route: str = ""


def run_case(case: Case) -> Outcome:
    """Return what happens to a test; every exception that is not a missing operator is a failure."""
    try:
        prepared = backend.prepare(case.model)
        for inputs, expected in case.data:
            compare(prepared.run(inputs), expected, case.relative, case.absolute)
    except UnknownNameError as error:
        return Outcome(case.name, case.operator, "unsupported", str(error))
    except Exception as error:  # a test that ends in any exception has failed, and the others go on
        return Outcome(case.name, case.operator, "failed", " ".join(f"{type(error).__name__}: {error}".split())[:300])
    return Outcome(case.name, case.operator, "passed", route=_route(prepared))


def _route(prepared: backend.GraphnetRep) -> str:
    """How much of a model were graphs of graphnet in its runs."""
    parts = sum(len(program.parts) for program in prepared.programs)
    graphs = sum(len(program.graphs) for program in prepared.programs)
    return "none" if not graphs else "whole" if graphs == parts == len(prepared.programs) else "part"


def run_imported(case: Case) -> Outcome:
    """Return what happens to a test if its model is imported as a model of graphnet, which then predicts.

    What the importer refuses is unsupported. Types are not compared, because predictions are real numbers.
    """
    from graphnet_onnx.reading.loading import load_bytes

    try:
        model = load_bytes(case.model.SerializeToString())
    except GraphnetError as error:
        return Outcome(case.name, case.operator, "unsupported", str(error))
    given = {tensor.name for tensor in case.model.graph.initializer}
    names = [value.name for value in case.model.graph.input if value.name not in given]
    try:
        for inputs, expected in case.data:
            named = dict(zip(names, inputs, strict=True))
            result = model.predict(named if len(named) > 1 else inputs[0])
            actual = list(result.values()) if isinstance(result, dict) else [result]
            compare(_real(actual), _real(expected), case.relative, max(case.absolute, 1e-6))
    except Exception as error:  # as in run_case
        return Outcome(case.name, case.operator, "failed", " ".join(f"{type(error).__name__}: {error}".split())[:300])
    return Outcome(case.name, case.operator, "passed")


def _real(arrays: Sequence[Any]) -> list[Any]:
    return [np.asarray(array, np.float64) for array in arrays]


def compare(actual: Sequence[Any], expected: Sequence[Any], relative: float, absolute: float) -> None:
    """Raise AssertionError unless number, types, shapes and values of the outputs agree, as ONNX's runner compares."""
    if len(actual) != len(expected):
        raise AssertionError(f"{len(actual)} outputs instead of {len(expected)}")
    for a, e in zip(actual, expected, strict=True):
        if isinstance(e, (list, tuple)):
            if not isinstance(a, (list, tuple)):
                raise AssertionError(f"{type(a).__name__} instead of a sequence")
            compare(a, e, relative, absolute)
            continue
        if a.shape != e.shape or a.dtype != e.dtype:
            raise AssertionError(f"{a.dtype} {a.shape} instead of {e.dtype} {e.shape}")
        if e.dtype.kind in "OU":
            np.testing.assert_array_equal(a, e)
            continue
        wide = e.dtype.kind in "fiub" and e.dtype.itemsize >= 1 and e.dtype.isbuiltin == 1
        a, e = (a, e) if wide else (a.astype(np.float32), e.astype(np.float32))
        np.testing.assert_allclose(a, e, rtol=relative, atol=absolute)


@dataclass
class Report:
    """The outcomes of all tests.

    Attributes
    ----------
    outcomes : list of Outcome
    left_out : Counter
        The number of tests by the types for which they were left out.
    """

    outcomes: list[Outcome] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)

    def counts(self) -> dict[str, Counter[str]]:
        """The numbers of results by operator."""
        counts: dict[str, Counter[str]] = {}
        for outcome in sorted(self.outcomes, key=lambda o: o.operator):
            counts.setdefault(outcome.operator, Counter())[outcome.result] += 1
        return counts

    @property
    def failures(self) -> list[Outcome]:
        """The failed tests of claimed operators."""
        return [o for o in self.outcomes if o.result == "failed" and claimed(o.operator)]

    @property
    def share(self) -> float:
        """The share of the tests of claimed operators that passed."""
        tests = [o for o in self.outcomes if claimed(o.operator)]
        return sum(o.result == "passed" for o in tests) / len(tests) if tests else 1.0


def claimed(operator: str) -> bool:
    """Whether graphnet claims to compute an operator as ONNX specifies it."""
    return bool(computed_by(operator)) and operator not in RANDOM


@cache
def computed_by(operator: str) -> str:
    """What computes an operator: layers, numpy, or ONNX's definition of it; an empty string if nothing does."""
    if operator == "several":
        return "their operators"
    domain, _, name = operator.rpartition(".")
    entry = OPERATORS.get((domain, name))
    if entry is not None:
        return f"layer: {entry.layer}" if entry.layer else "numpy"
    schemas = [s for s in onnx.defs.get_all_schemas_with_history() if (s.domain, s.name) == (domain, name)]
    newest = max((schema.since_version for schema in schemas), default=0)
    return "ONNX's definition" if newest and has_definition(name, newest, domain) else ""


def run_cases(cases: Iterable[Case], types: Iterable[str] = TYPES, run: Callable[[Case], Outcome] = run_case) -> Report:
    """Run the tests whose tensors have these types; the others are counted by the types that they have besides."""
    report, wanted = Report(), frozenset(types)
    for case in cases:
        others = case.types - wanted
        if wanted and others:
            report.left_out[", ".join(sorted(others))] += 1
        else:
            report.outcomes.append(run(case))
    return report
