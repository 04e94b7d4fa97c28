"""Checking the components of one student, one after the other, in this process."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from graphnet.exercise.checks import dense, elementwise, images, losses, memory, network, normalization, optimization
from graphnet.exercise.finding import NOTE, Finding
from graphnet.exercise.loading import importing, student_class
from graphnet.exercise.probe import CALL_SECONDS, Probe, Stop
from graphnet.exercise.sources import Sources

CHECKS: dict[str, Callable[[Probe, Any], None]] = {
    "TanH": elementwise.tanh,
    "Sigmoid": elementwise.sigmoid_layer,
    "ReLU": elementwise.relu,
    "SoftMax": losses.softmax,
    "CrossEntropyLoss": losses.cross_entropy,
    "Flatten": elementwise.flatten,
    "Dropout": elementwise.dropout,
    "Constant": normalization.initializer,
    "UniformRandom": normalization.initializer,
    "Xavier": normalization.initializer,
    "He": normalization.initializer,
    "L1_Regularizer": optimization.regularizer,
    "L2_Regularizer": optimization.regularizer,
    "Sgd": optimization.optimizer,
    "SgdWithMomentum": optimization.optimizer,
    "Adam": optimization.optimizer,
    "FullyConnected": dense.fully_connected,
    "Pooling": images.pooling,
    "Conv": images.conv,
    "BatchNormalization": normalization.batch_normalization,
    "RNN": partial(memory.check, "RNN"),
    "LSTM": partial(memory.check, "LSTM"),
    "NeuralNetwork": network.network,
}


def examine(
    sources: Sources, components: tuple[str, ...], seconds: float = CALL_SECONDS
) -> Iterator[tuple[str, list[Finding], list[str]]]:
    """Yield each component with what was found, and the stand-ins that were used so far."""
    with importing(sources) as finder:
        for component in components:
            probe = Probe(component, sources.edition, sources.root, sources.files[component])
            probe.seconds = seconds
            np.random.seed(7)  # noqa: NPY002  # students draw from the global generator
            try:
                CHECKS[component](probe, student_class(probe, sources, component))
            except Stop:
                pass
            except Exception as error:  # a student's result that the check did not expect
                probe.fault(
                    "unexpected", f"returned something that could not be compared ({type(error).__name__}: {error})"
                )
            used = sorted(finder.used)
            yield component, _with_stand_ins(probe.findings, used), used


def _with_stand_ins(findings: list[Finding], used: list[str]) -> list[Finding]:
    """With a stand-in for a missing file, an exception does not count as a fault: the student's own may have other attributes."""
    if not used:
        return findings
    words = f" (with a right {', '.join(used)} in the place of a missing file, whose attributes may have other names)"
    return [
        dataclasses.replace(finding, severity=NOTE, message=finding.message + words)
        if finding.code == "exception" and any(word in finding.message for word in ("AttributeError", "ValueError"))
        else finding
        for finding in findings
    ]
