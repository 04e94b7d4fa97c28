"""RNN, GRU and LSTM: a Scan of graphnet for each direction, run by its Runner."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphnet import Builder, Phase, Runner, Scan, Value, using
from graphnet_onnx.operators.context import Context
from graphnet_onnx.operators.recurrent_cells import GATES, cell_of, weights_of
from graphnet_onnx.operators.recurrent_settings import Settings, settings_of
from graphnet_onnx.operators.table import operator


@operator("RNN", "GRU", layer="Scan")
def without_cell_state(
    context: Context, x: Any, w: Any, r: Any, b: Any = None, lengths: Any = None, initial: Any = None
) -> tuple[Any, ...]:
    """Y and Y_h."""
    return _evaluated(context, x, w, r, b, lengths, {"h": initial}, None)


@operator("LSTM", layer="Scan")
def lstm(
    context: Context,
    x: Any,
    w: Any,
    r: Any,
    b: Any = None,
    lengths: Any = None,
    initial_h: Any = None,
    initial_c: Any = None,
    peepholes: Any = None,
) -> tuple[Any, ...]:
    """Y, Y_h and Y_c."""
    return _evaluated(context, x, w, r, b, lengths, {"h": initial_h, "c": initial_c}, peepholes)


def _evaluated(
    context: Context, x: Any, w: Any, r: Any, b: Any, lengths: Any, states: dict[str, Any], p: Any
) -> tuple[Any, ...]:
    settings = settings_of(context, r.shape[-1])
    _check_shapes(context, settings, x, w, r, b, p)
    dtype = x.dtype
    wide = [None if a is None else a.astype(np.float32) for a in (x, w, r, b, p)]
    x, w, r, b, p = (x, w, r, b, p) if dtype.char in "fd" else wide
    b = np.zeros((len(w), 2 * GATES[context.operator] * settings.units), w.dtype) if b is None else b
    runner = _runner(context, settings, w, r, b, p)
    swapped = (lambda a: np.swapaxes(a, 0, 1)) if settings.batch_first else np.asarray
    inputs = {"x": swapped(x)}
    for name, initial in states.items():
        if initial is not None:
            inputs |= {f"{name}_{d}": a.astype(x.dtype) for d, a in enumerate(swapped(initial))}
    counts = None if lengths is None else lengths.astype(np.int64)
    values = runner.forward(inputs, lengths=counts, phase=Phase.test, keep=False)
    count = len(settings.reversed)
    y = np.stack([values[f"y_{d}"] for d in range(count)], axis=1)
    results = [y.transpose(2, 0, 1, 3) if settings.batch_first else y]
    results += [swapped(np.stack([values[f"{s}_{d}"] for d in range(count)])) for s in states]
    return tuple(a.astype(dtype, copy=False) for a in results)


def _check_shapes(context: Context, settings: Settings, x: Any, w: Any, r: Any, b: Any, p: Any) -> None:
    directions, gates, units = len(settings.reversed), GATES[context.operator], settings.units
    context.require(x.ndim == 3, "X must have three axes", received=x.shape)
    for name, array, expected in (
        ("W", w, (directions, gates * units, x.shape[-1])),
        ("R", r, (directions, gates * units, units)),
        ("B", b, (directions, 2 * gates * units)),
        ("P", p, (directions, 3 * units)),
    ):
        fits = array is None or array.shape == expected
        context.require(fits, f"{name} has the wrong shape", expected=expected, received=np.shape(array))


def _runner(context: Context, settings: Settings, w: Any, r: Any, b: Any, p: Any) -> Runner:
    """A graph with one Scan for each direction, and the weights of the node in it."""
    key = settings, w.shape, w.dtype.name, p is not None
    runner = context.cache.get(key)
    if runner is None:
        with using(np.random.default_rng(0)):
            runner = context.cache[key] = _built(context, settings, w, p is not None)
    for d in range(len(w)):
        peepholes = None if p is None else p[d]
        for name, array in weights_of(context.operator, settings, w[d], r[d], b[d], peepholes).items():
            runner.parameters[f"direction_{d}/{name}/weights"].value = np.ascontiguousarray(array)
    known: Runner = runner
    return known


def _built(context: Context, settings: Settings, w: Any, peepholes: bool) -> Runner:
    builder, outputs = Builder(context.operator), dict[str, Value]()
    x = builder.input("x", f"time, batch, feature={w.shape[-1]}")
    for d, reverse in enumerate(settings.reversed):
        cell = cell_of(context.operator, settings, d, peepholes, w.dtype.name)
        states = [builder.input(f"{s}_{d}", f"batch, feature={settings.units}", optional=True) for s in cell.states]
        y = Scan(cell, reverse=reverse)(x, *states, name=f"direction_{d}")
        outputs |= {f"y_{d}": y, **{f"{s}_{d}": y[s] for s in cell.states}}
    runner = Runner(builder.build(**outputs))
    runner.materialize()
    return runner
