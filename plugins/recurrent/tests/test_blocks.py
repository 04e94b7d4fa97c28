"""Blocks around cells: against numpy and their parts, by name in files, ragged, step by step."""

import numpy as np
import pytest
from recurrent_oracle import close

from graphnet import Builder, ConfigError, Runner, ShapeError, UnknownNameError
from graphnet.io import model_text, parse_model
from graphnet_recurrent import GatedMLP, MultiHead, Recurrent, RecurrentBlock, cells, elman_cell, min_gru_cell

D = 6


@pytest.fixture
def rng():
    return np.random.default_rng(31)


def silu(x):
    return x / (1 + np.exp(-x))


def rms(x):
    return x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-6)


def test_gated_mlp_equals_its_equation(rng):
    layer, x = GatedMLP(3, 5), rng.normal(size=(7, 2, D))
    y = layer.forward(x)
    gate, up, down = (layer.get_weights()[f"{n}/weights"] for n in ("gate", "up", "down"))
    close(y, (silu(x @ gate) * (x @ up)) @ down, 1e-12)
    layer = GatedMLP(4)
    layer.forward(x)
    assert layer.get_weights()["up/weights"].shape == (D, 11)


@pytest.mark.parametrize("options", [{}, {"hidden": 0}, {"gated": True, "inner": 4, "window_size": 3}])
def test_block_is_made_of_its_parts(options, rng):
    block, x = RecurrentBlock("min_gru", D, **options), rng.normal(size=(7, 3, D))
    y = block.forward(x, lengths=[7, 0, 4])
    nodes, w = block.graph.nodes, block.get_weights()
    a = rms(x)
    if options.get("gated"):
        convolved = Recurrent(nodes["convolution"].layer.cell).forward(a @ w["input/weights"], lengths=[7, 0, 4])
        mixed = Recurrent(nodes["recurrent"].layer.cell).forward(silu(convolved), lengths=[7, 0, 4])
        mixed = (mixed * silu(a @ w["gate/weights"])) @ w["output/weights"]
    else:
        mixed = Recurrent(nodes["recurrent"].layer.cell).forward(a, lengths=[7, 0, 4])
    u = x + mixed
    if options.get("hidden") != 0:
        u = u + nodes["mlp"].layer.forward(rms(u))
    u[4:, 2] = u[:, 1] = 0
    close(y, u, 1e-12)


@pytest.mark.parametrize("name", cells.BY_NAME)
def test_every_cell_by_name_in_a_file_step_by_step(name, rng):
    has_heads = name in ("delta_net", "gated_delta_net", "gated_linear_attention", "hgrn2", "mlstm", "retention",
                         "rwkv6", "slstm")  # fmt: skip
    g = Builder("model", dtype="float64")
    x = g.input("x", f"time, batch, feature={D}")
    x = RecurrentBlock(name, D, 2 if has_heads else 1, 5, window_size=2)(x, name="block")
    graph = parse_model(model_text(g.build(x))).graph
    assert f"cell: {name}" in model_text(graph)
    runner = Runner(graph)
    x = rng.normal(size=(5, 2, D))
    expected = next(iter(runner.forward({"x": x}).values()))
    assert np.isfinite(expected).all()
    stepper = runner.stepper()
    for t in range(5):
        close(next(iter(stepper.step({"x": x[t]}).values())), expected[t], 1e-11)


def test_heads_are_independent(rng):
    first, second = min_gru_cell(3), elman_cell(2)
    layer, x = MultiHead([first, second], learn_initial=True), rng.normal(size=(5, 2, 4))
    y = layer.forward(x, lengths=[5, 2])
    alone = [Recurrent(cell).forward(part, lengths=[5, 2]) for cell, part in zip([first, second], [x[..., :2], x[..., 2:]],
                                                                                 strict=True)]  # fmt: skip
    close(y, np.concatenate(alone, -1), 1e-12)
    pulled = layer.backward(np.ones_like(y))
    assert pulled.shape == x.shape and not pulled[2:, 1].any()
    for returns, size in (("last", 5), ("state", 5)):
        assert MultiHead([min_gru_cell(3), elman_cell(2)], returns=returns).forward(x).shape == (2, size)


def test_memory_and_last_step_of_a_block(rng):
    block, x = RecurrentBlock("mamba", D, learn_initial=True, window_size=2), rng.normal(size=(6, 3, D))
    whole = block.forward(x)
    assert block.backward(np.ones_like(whole)).shape == x.shape
    block.reset_state()
    block.toggle_memory()
    close(np.concatenate([block.forward(x[:2]), block.forward(x[2:])]), whole, 1e-12)
    last = RecurrentBlock("retention", D, 2, returns="last")
    assert last.forward(x, lengths=[6, 1, 3]).shape == (3, D)


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: RecurrentBlock("mamba", D, 2), ConfigError, "no heads.*MultiHead"),
        (lambda: RecurrentBlock("mambo", D), UnknownNameError, "no cell is called 'mambo'.*mamba"),
        (lambda: RecurrentBlock(3, D), ConfigError, "name of a cell"),
        (lambda: RecurrentBlock("retention", D, 4), ConfigError, "not a multiple of heads"),
        (lambda: RecurrentBlock("lstm", D, hidden=-1), ConfigError, "hidden"),
        (lambda: MultiHead([elman_cell(2)] * 2), ConfigError, "different cells"),
        (lambda: MultiHead([elman_cell(2), elman_cell(2)]).forward(np.ones((2, 1, 5))), ShapeError, "parts"),
        (lambda: RecurrentBlock(elman_cell(4), D).forward(np.ones((2, 1, D))), ShapeError, "fit"),
    ],
)
def test_invalid_blocks_are_refused(make, error, words):
    with pytest.raises(error, match=words):
        make()
