"""The memory that the weights of a graph need, computed before any of it is allocated."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import numpy as np

from graphnet.core.compile import Shapes, infer
from graphnet.core.compile.plan import Call, Plan
from graphnet.core.concurrency import locks
from graphnet.core.describe import weights
from graphnet.core.describe.layer import Layer
from graphnet.core.describe.parameter import Buffer, Weight
from graphnet.core.describe.shapes import Shape
from graphnet.core.errors import FileError, GraphnetError, ShapeError
from graphnet.core.run.runner import Runner

#: Bytes of weights that a model file alone may make a program allocate.
MAX_BYTES = 2**27


class Specs(NamedTuple):
    """The weights and buffers of one layer, described."""

    weights: Mapping[str, Weight]
    buffers: Mapping[str, Buffer]


def specs(runner: Runner, inputs: Sequence[Shape | None] | None = None) -> dict[str, Specs]:
    """The weights and buffers of each layer whose sizes are known, by node path; nothing is allocated.

    Parameters
    ----------
    runner : Runner
    inputs : sequence of Shape or None, optional
        The shapes of the inputs; default: the declared ones.
    """
    plan, layers = runner.plan, runner.layers
    found: dict[str, Specs] = {}
    with suppress(ShapeError):
        shapes = infer(plan, layers, plan.declared if inputs is None else inputs)
        for path, layer, arguments in _calls(plan, layers, shapes):
            with suppress(ShapeError):
                found.setdefault(path, Specs(layer.parameters(*arguments), layer.buffers(*arguments)))
    for path, layer in layers.items():
        if path not in found:
            with suppress(ShapeError, TypeError):  # TypeError: a rule that needs the shapes of the inputs
                found[path] = Specs(layer.parameters(), {})
    return found


def _calls(plan: Plan, layers: Mapping[str, Layer], shapes: Shapes) -> Iterator[tuple[str, Layer, list[Any]]]:
    """Every use of a layer, with the shapes of its inputs."""
    for step in plan.steps:
        if isinstance(step, Call):
            arguments = [None if slot is None else shapes.slots[slot] for slot in step.inputs]
            yield step.layer, layers[step.layer], arguments
        else:
            yield from _calls(step.cell, layers, shapes.cells[step.path])


def check(runner: Runner, max_bytes: int | None, where: str, inputs: Sequence[Shape | None] | None = None) -> None:
    """Raise a FileError if the weights of a graph from a file need more memory than ``max_bytes``.

    Parameters
    ----------
    runner : Runner
    max_bytes : int or None
        None: ``MAX_BYTES``, 128 MiB.
    where : str
        The file.
    inputs : sequence of Shape or None, optional
        As for :func:`specs`.
    """
    allowed = MAX_BYTES if max_bytes is None else max_bytes
    sizes: dict[str, tuple[tuple[int, ...], int]] = {}
    for path, described in specs(runner, inputs).items():
        shapes = {name: spec.shape for name, spec in described.weights.items()}
        shapes |= {name: spec.shape for name, spec in described.buffers.items()}
        width = itemsize(runner.layers[path])
        sizes |= {f"{path}/{name}": (shape, math.prod(shape) * width) for name, shape in shapes.items()}
    total = sum(size for _, size in sizes.values())
    if total > allowed:
        name, (shape, _) = max(sizes.items(), key=lambda item: item[1][1])
        raise FileError(
            "the weights need more memory than a model file may allocate",
            where=where,
            expected=f"at most {allowed:,} bytes",
            received=f"{total:,} bytes, most of them for {name} {shape}",
            remedy=f"If that is intended, pass max_bytes={total} (on the command line: --max-bytes {total}).",
        )


def itemsize(layer: Layer) -> int:
    """The bytes of one weight of a layer."""
    return np.dtype(getattr(layer, "dtype", "float64")).itemsize


def create_known(runner: Runner) -> None:
    """Create the weights whose sizes are known; the others follow with the first input."""
    try:
        runner.materialize()
    except ShapeError:
        with locks.building:
            for layer in runner.layers.values():
                with suppress(GraphnetError, TypeError):
                    weights.create(layer, layer.parameters())
