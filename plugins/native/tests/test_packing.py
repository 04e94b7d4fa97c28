"""Packs that native code fills hold what numpy's hold, for parameters in any memory layout."""

from __future__ import annotations

import numpy as np
import pytest
from test_backend import scan

from graphnet import Runner
from graphnet.core.run.numpy_backend.pack_plan import pack_shape
from graphnet.core.run.numpy_backend.packing import PackedWeights
from graphnet_native import executable


def packs_of(made):
    """The packs of an executable in the form of numpy's."""
    program, compiled = made.program, made.compiled
    for i, pack in enumerate(program.packs):
        array = made.arrays[made.places.pack + i]
        if pack.form != "product":
            yield i, array[:, 0]
        elif compiled.layout.single:
            yield i, array.T
        else:
            lines = array.reshape(-1, len(array), compiled.tiles.rows).transpose(0, 2, 1).reshape(-1, len(array))
            if compiled.partition is not None:
                outputs = pack_shape(program, i)[0]
                pieces = np.split(lines, compiled.partition.pieces(outputs))
                lines = np.concatenate([piece[: compiled.partition.of(outputs)] for piece in pieces])
            yield i, lines


@pytest.mark.parametrize(
    ("units", "batch", "dtype"),
    [
        (5, 1, "float32"),
        (30, 1, "float64"),
        (1, 3, "float32"),
        (13, 20, "float32"),
        (16, 3, "float64"),
        (30, 20, "float32"),
    ],
)
def test_packs_equal_those_of_numpy(units, batch, dtype, monkeypatch):
    made = []

    class Watched(executable.NativeExecutable):
        def refer(self, arrays):
            made.append((self, arrays))
            return super().refer(arrays)

    monkeypatch.setattr("graphnet_native.backend.NativeExecutable", Watched)
    rng = np.random.default_rng(units)
    runner = Runner(scan(units, 3, dtype), backend="native")
    for order in "CF":
        for parameter in runner.parameters.values():
            parameter.value = np.asarray(rng.normal(size=parameter.value.shape).astype(dtype), order=order)
        runner.forward({"x": rng.normal(size=(4, batch, 3)).astype(dtype)})
        native, arrays = made[-1]
        expected = PackedWeights(native.program, 1, dtype)
        expected.fill(arrays)
        for i, pack in packs_of(native):
            rows = len(expected.arrays[i])
            np.testing.assert_array_equal(pack[:rows], expected.arrays[i].reshape(pack[:rows].shape))
            np.testing.assert_array_equal(pack[rows:], 0)
