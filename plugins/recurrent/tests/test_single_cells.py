"""Properties of single cells: biases, periods of a clockwork, slots of attention."""

import numpy as np
import pytest
from cell_runners import B, D, H, inputs, runner_of
from recurrent_oracle import close

from graphnet import Builder, ConfigError, Runner, Scan
from graphnet_recurrent import cells

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("every_backend")]


@pytest.fixture
def rng():
    return np.random.default_rng(23)


def test_forget_bias_has_initial_value():
    for cell in (cells.peephole_lstm_cell(H, forget_bias=1.5), cells.projected_lstm_cell(H, 2, forget_bias=1.5)):
        g = Builder("m")
        runner = Runner(g.build(Scan(cell)(g.input("x", f"time, batch, feature={D}"), name="scan")))
        runner.materialize()
        np.testing.assert_array_equal(runner.parameters["scan/forget_gate/weights"].value[-1], [1.5] * H)


def test_slow_modules_ignore_fast_ones(rng):
    runner, arrays = runner_of("clockwork", rng), inputs("clockwork", rng, steps=9)
    y = runner.forward({"x": arrays["x"]})["y"]
    unchanged = (np.diff(y, axis=0) == 0).all(axis=1)
    np.testing.assert_array_equal(unchanged[:, 4:6].all(axis=1), [t % 4 != 0 for t in range(1, 9)])
    assert not unchanged[:, 2:4].any()
    runner.parameters["scan/module_1/weights"].value = rng.normal(size=(D + 8 + 1, 2))
    changed = runner.forward({"x": arrays["x"]})["y"] != y
    assert changed[:, :, 2:4].all()
    assert not changed[:, :, [0, 1, 4, 5, 6, 7]].any()


def test_clockwork_continues_from_its_state(rng):
    runner, x = runner_of("clockwork", rng), rng.normal(size=(11, B, D))
    whole = {n: a.copy() for n, a in runner.forward({"x": x}).items()}
    first = {n: a.copy() for n, a in runner.forward({"x": x[:5]}).items()}
    rest = runner.forward({"x": x[5:], "h": first["h"], "phase": first["phase"]})
    np.testing.assert_array_equal(np.concatenate([first["y"], rest["y"]]), whole["y"])
    np.testing.assert_array_equal(rest["phase"], whole["phase"])


@pytest.mark.parametrize(
    ("units", "periods", "message"),
    [(4, (), "at least 1"), (4, (1, 0), "at least 1"), (4, (1, 1.5), "at least 1"), (5, (1, 2), "a multiple of 2")],
)
def test_invalid_periods_are_refused(units, periods, message):
    with pytest.raises(ConfigError, match=message):
        cells.clockwork_cell(units, periods)


@pytest.mark.parametrize("memory", [0, 1.5, True])
def test_invalid_memory_is_refused(memory):
    with pytest.raises(ConfigError, match="attention_cell: memory"):
        cells.attention_cell(H, memory)


def test_attention_alone_connects_steps(rng):
    """Without the weights of the attended mean, each step is independent."""
    runner, arrays = runner_of("attention", rng), inputs("attention", rng)
    runner.forward({"x": arrays["x"]})
    without_mean = runner.parameters["scan/hidden/weights"].value.copy()
    without_mean[D:-1] = 0.0
    runner.parameters["scan/hidden/weights"].value = without_mean
    alone = runner.forward({"x": arrays["x"]})["y"]
    close(alone, np.tanh(arrays["x"] @ without_mean[:D] + without_mean[-1]), 1e-12)


def test_empty_slots_have_no_effect(rng):
    runner, arrays = runner_of("attention", rng), inputs("attention", rng)
    y = runner.forward(arrays)["y"].copy()
    other = arrays["past"].copy()
    other[0] = 1e6
    other[1, H:] = -1e6
    np.testing.assert_allclose(runner.forward({**arrays, "past": other})["y"], y, rtol=1e-13)
