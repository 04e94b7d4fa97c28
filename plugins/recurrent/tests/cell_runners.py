"""Every cell with random weights in a Runner, and inputs for it."""

import cells_oracle as oracle
import numpy as np
import pytest

from graphnet import Builder, Runner, Scan
from graphnet_recurrent import cells

T, B, D, H = 6, 3, 3, 4


#: The cell, its oracle, the width of its output, and of its states.
CASES = {
    "elman": (lambda **k: cells.elman_cell(H, **k), oracle.elman, H, {"h": H}),
    "lstm": (lambda **k: cells.lstm_cell(H, **k), oracle.lstm, H, {"h": H, "c": H}),
    "gru": (lambda **k: cells.gru_cell(H, **k), oracle.gru, H, {"h": H}),
    "gru_after": (lambda **k: cells.gru_cell(H, reset_after=True, **k), oracle.gru_after, H, {"h": H}),
    "peephole": (lambda **k: cells.peephole_lstm_cell(H, **k), oracle.peephole, H, {"h": H, "c": H}),
    "coupled": (lambda **k: cells.coupled_lstm_cell(H, **k), oracle.coupled, H, {"h": H, "c": H}),
    "layer_norm": (lambda **k: cells.layer_norm_lstm_cell(H, **k), oracle.layer_norm, H, {"h": H, "c": H}),
    "projected": (lambda **k: cells.projected_lstm_cell(H, 2, **k), oracle.projected, 2, {"h": 2, "c": H}),
    "minimal_gated": (lambda **k: cells.minimal_gated_cell(H, **k), oracle.minimal_gated, H, {"h": H}),
    "clockwork": (lambda **k: cells.clockwork_cell(8, oracle.PERIODS, **k), oracle.clockwork, 8, {"h": 8, "phase": 4}),
    "attention": (lambda **k: cells.attention_cell(H, 3, **k), oracle.attention, H, {"past": 3 * H, "filled": 3}),
    "attention_1": (lambda **k: cells.attention_cell(H, 1, **k), oracle.attention, H, {"past": H, "filled": 1}),
}


EVERY = pytest.mark.parametrize("name", CASES)


START = 7  # the step from which a clockwork with initial phases continues


def graph(name, dtype="float64", **options):
    cell = CASES[name][0](dtype=dtype)
    g = Builder(name)
    states = [g.input(s, f"batch, feature={n}", optional=True) for s, n in CASES[name][3].items()]
    y = Scan(cell, **options)(g.input("x", f"time, batch, feature={D}"), *states, name="scan")
    return g.build(y=y, **{s: y[s] for s in cell.states})


def runner_of(name, rng, backend=None, **options):
    runner = Runner(graph(name, **options), backend=backend)
    runner.materialize()
    for path in sorted(runner.parameters):
        p = runner.parameters[path]
        p.value = (rng.normal(size=p.value.shape) * 0.6 + 0.1).astype(p.value.dtype)
    return runner


def inputs(name, rng, batch=B, steps=T):
    """A sequence and initial states; flags and phases as after some steps."""
    arrays = {"x": rng.normal(size=(steps, batch, D))}
    for state, width in CASES[name][3].items():
        arrays[state] = rng.normal(size=(batch, width))
        if state == "filled":
            arrays[state] = np.array([[float(k < b) for k in range(width)] for b in range(batch)])
        if state == "phase":
            arrays[state] = np.array([[START % p for p in oracle.PERIODS]] * batch, float)
    return arrays


def weights(runner):
    """The values by node, or by node and name if a node has several."""
    by_node = {}
    for path, parameter in runner.parameters.items():
        node, array = path.removeprefix("scan/").rsplit("/", 1)
        by_node[f"{node}/{array}" if node.endswith("norm") else node] = parameter.value
    return by_node


def gradients(runner):
    return {path: np.array(p.gradient) for path, p in runner.parameters.items()}
