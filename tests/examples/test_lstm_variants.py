"""The LSTM variants in examples/lstm_variants: their cells against the paper's equations, and the comparison itself."""

import importlib.util
import sys
from pathlib import Path

import autograd.numpy as anp
import numpy as np
import pytest
from autograd import grad

import graphnet
from graphnet import Builder, Phase, Runner, Scan

pytestmark = pytest.mark.slow

pytest.importorskip("graphnet_recurrent")

FOLDER = Path(__file__).parents[2] / "examples" / "lstm_variants"
VARIANTS = ("vanilla", "nig", "nfg", "nog", "niaf", "noaf", "cifg", "np", "fgr")
EVERY = pytest.mark.parametrize("variant", VARIANTS)
T, B, F, U = 6, 4, 12, 32
LENGTHS = np.array([6, 2, 0, 5])


def scan_of(variant):
    """A runner over the Scan of a file alone, in float64."""
    cell = graphnet.load(FOLDER / f"{variant}.yaml").graph.nodes["lstm"].layer.cell
    g = Builder("alone")
    runner = Runner(g.build(Scan(cell)(g.input("x", f"time, batch, feature={F}"), name="lstm")))
    runner.materialize()
    rng = np.random.default_rng(len(variant))
    for parameter in runner.parameters.values():
        parameter.value = 0.2 * rng.standard_normal(parameter.value.shape)
    return runner


def network(variant, weights, x, lengths):
    """The paper's equations, changed as the variant's name says: a loop over steps."""

    def product(name, *values):
        return anp.dot(anp.concatenate([*values, np.ones((B, 1))], axis=1), weights[f"lstm/{name}_product/weights"])

    def logistic(a):
        return 1 / (1 + anp.exp(-a))

    def gate(name, c, *values):
        total = product(name, *values)
        if variant != "np":
            total = total + weights[f"lstm/{name}_peephole/weights"] * c
        return logistic(total)

    y, c, i, f, o = (np.zeros((B, U)) for _ in range(5))
    outputs = []
    for t in range(T):
        there = (t < lengths)[:, None]
        seen = (x[t], y, i, f, o) if variant == "fgr" else (x[t], y)
        z = product("block", x[t], y)
        z = z if variant == "niaf" else anp.tanh(z)
        new_i = 1.0 if variant == "nig" else gate("input_gate", c, *seen)
        new_f = 1.0 if variant == "nfg" else 1.0 - new_i if variant == "cifg" else gate("forget_gate", c, *seen)
        new_c = z * new_i + c * new_f
        new_o = 1.0 if variant == "nog" else gate("output_gate", new_c, *seen)
        new_y = (new_c if variant == "noaf" else anp.tanh(new_c)) * new_o
        outputs.append(anp.where(there, new_y, 0.0))
        y, c = anp.where(there, new_y, y), anp.where(there, new_c, c)
        if variant == "fgr":
            i, f, o = (anp.where(there, new, old) for new, old in ((new_i, i), (new_f, f), (new_o, o)))
    return anp.stack(outputs)


@EVERY
def test_cell_matches_paper(variant):
    runner = scan_of(variant)
    x = np.random.default_rng(1).standard_normal((T, B, F))
    weights = {name: p.value for name, p in runner.parameters.items()}
    output = runner.forward({"x": x}, lengths=LENGTHS)["output"]
    np.testing.assert_allclose(output, network(variant, weights, x, LENGTHS), rtol=1e-10, atol=1e-12)

    error = np.random.default_rng(2).standard_normal(output.shape)
    pulled = runner.backward({"output": error})["x"]
    wanted = grad(lambda w, x: anp.sum(network(variant, w, x, LENGTHS) * error), (0, 1))(weights, x)
    np.testing.assert_allclose(pulled, wanted[1], rtol=1e-9, atol=1e-11)
    for name, parameter in runner.parameters.items():
        np.testing.assert_allclose(parameter.gradient, wanted[0][name], rtol=1e-9, atol=1e-11, err_msg=name)


@EVERY
def test_the_cell_is_compiled_whole(variant):
    model = graphnet.load(FOLDER / f"{variant}.yaml")
    (scan,) = (part for part in model.graph.explain(batch=B, steps=T).parts if part.kind == "Scan")
    assert scan.reason is None
    assert scan.calls_forward > 0 and scan.calls_backward > 0


def test_the_files_differ_in_their_cells_alone():
    texts = {}
    for variant in VARIANTS:
        lines = (FOLDER / f"{variant}.yaml").read_text(encoding="utf-8").splitlines()
        start, end = lines.index("    scan:"), lines.index("    inputs: noisy")
        texts[variant] = [line for line in [*lines[:start], *lines[end:]] if not line.startswith(("#", "name:"))]
    assert all(text == texts["vanilla"] for text in texts.values())


def test_variant_names_match_files():
    assert sorted(path.stem for path in FOLDER.glob("*.yaml")) == sorted(VARIANTS)


@pytest.fixture(scope="module")
def compare():
    spec = importlib.util.spec_from_file_location("compare_variants", FOLDER / "compare.py")
    module = importlib.util.module_from_spec(spec)
    before = list(sys.path)
    spec.loader.exec_module(module)
    sys.path[:] = before
    return module


def test_the_comparison_runs_and_pairs_folds(compare, capsys):
    result = compare.main(["--seeds", "1", "--epochs", "1", "--only", "np", "fgr"])
    assert list(result) == ["vanilla", "np", "fgr"]
    assert all(len(accuracies) == 3 for accuracies in result.values())
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[1:4]] == ["vanilla", "np", "fgr"]
    assert all(line.split()[2] == "yes" for line in lines[1:4])
    assert result == compare.main(["--seeds", "1", "--epochs", "1", "--only", "np", "fgr"])


def test_the_difference_is_that_of_pairs(compare):
    shift, error = compare.difference([0.9, 0.8, 1.0, 0.7], [0.8, 0.8, 0.9, 0.9])
    pairs = np.array([0.1, 0.0, 0.1, -0.2])
    assert np.isclose(shift, pairs.mean()) and np.isclose(error, pairs.std(ddof=1) / 2)


def test_corrected_error_matches_formula(compare):
    rng = np.random.default_rng(3)
    pairs = rng.standard_normal(12)
    _, error = compare.difference(list(pairs), [0.0] * 12)
    # A third is tested by what two thirds have trained.
    assert np.isclose(compare.corrected(error, 12) ** 2, pairs.var(ddof=1) * (1 / 12 + 1 / 2))


@pytest.mark.parametrize("option", ["--seeds", "--epochs"])
def test_fewer_than_one_is_refused(compare, option, capsys):
    with pytest.raises(SystemExit):
        compare.main([option, "0"])
    assert f"argument {option}: expected at least 1, received 0" in capsys.readouterr().err


def test_a_file_trains_and_predicts(tmp_path):
    model = graphnet.load(FOLDER / "fgr.yaml")
    data = graphnet.data.datasets.load("japanese_vowels")
    model.fit(data.train.inputs, data.train.targets, epochs=1)
    scores = model.predict([np.ones((5, 12), np.float32), np.ones((9, 12), np.float32)])
    assert scores.shape == (2, 9)
    assert model.runner.forward({"frames": np.ones((4, 2, 12))}, phase=Phase.test)["scores"].shape == (2, 9)
