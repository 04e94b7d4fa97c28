"""Equations are what layers compute: their text is run as code of numpy and compared with the layers."""

from xml.etree import ElementTree

import numpy as np
import pytest
from helpers.equation_oracle import run, run_steps

import graphnet
from graphnet import Builder, Phase, Runner, Scan, Shape
from graphnet.inspect.equations.marks import ELEMENTS
from graphnet.inspect.equations.recording import input_names
from graphnet.testing.builtin_cases import CASES
from graphnet_recurrent import LSTM
from graphnet_recurrent.cells import cell_named, lstm_cell
from graphnet_recurrent.cells.by_name import BY_NAME

#: Layers whose rules read tables, or numbers of arrays.
NOT_RECORDED = ("GELU", "Erf")


def layer_case(case):
    """A runner of one node with random weights, and random inputs in the order of the ports."""
    rng = np.random.default_rng(5)
    g = Builder("one")
    specs = list(case.input_specs.values())
    layer = case.layer(**case.config)
    inputs = {}
    values = []
    for i, spec in enumerate(specs):
        shape = spec if isinstance(spec, Shape) else Shape.of(spec.shape)
        shape = Shape(shape.names, tuple(n or 2 for n in shape.sizes), shape.declared)
        values.append(g.input(f"x{i}", shape, integer=i in layer.integer_inputs))
        low, high = case.domain or (-2.0, 2.0)
        inputs[f"x{i}"] = rng.uniform(low, high, shape.sizes) if isinstance(spec, Shape) else spec
    node = layer(*values, name="node")
    runner = Runner(g.build(**{port: node[port] for port in layer.output_ports()}))
    runner.materialize()
    for parameter in runner.parameters.values():
        parameter.value = rng.normal(size=parameter.value.shape) + 0.3
    return layer, runner, inputs


def arrays_of(layer):
    return {name: p.value for name, p in layer.params.items()} | dict(layer.buffer_values) | dict(layer.constants())


def primitive(case):
    return case.layer(**case.config).subgraph is None


@pytest.mark.parametrize("case", [c for c in CASES if primitive(c)], ids=lambda case: case.label)
def test_equation_of_every_layer_is_what_it_computes(case):
    layer, runner, inputs = layer_case(case)
    if "batches" in layer.buffer_values:
        runner.forward(inputs, phase=Phase.train)
    expected = runner.forward(inputs, phase=Phase.test)
    shapes = [runner.graph.inputs[name].shape for name in inputs]
    found = graphnet.equations(layer, shapes)
    if type(layer).__name__ in NOT_RECORDED and found.reason:
        assert "=" in found.documented and "from the documentation" in str(found)
        return
    assert not found.reason
    known = dict(zip(input_names(layer, len(inputs)), inputs.values(), strict=True)) | arrays_of(layer)
    given = {name: known[what] for name, what in found.symbols.items() if what in known}
    values = run([line.code for line in found.sections[0].lines], given)
    for port, array in expected.items():
        own = "y" if len(expected) == 1 else port
        np.testing.assert_allclose(np.broadcast_to(values[own], array.shape), array, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", BY_NAME)
def test_equations_of_every_cell_are_what_a_scan_computes(name):
    rng = np.random.default_rng(7)
    cell, steps, batch = cell_named(name, 4), 3, 2
    g = Builder("cell")
    reads = {each: g.input(each, "time, batch, feature=4") for each in cell.sequences}
    node = Scan(cell)(*reads.values(), name="scan")
    runner = Runner(g.build(**{port: node[port] for port in Scan(cell).output_ports()}))
    runner.materialize()
    for parameter in runner.parameters.values():
        parameter.value = rng.normal(size=parameter.value.shape) * 0.7
    inputs = {each: rng.normal(size=(steps, batch, 4)) for each in reads}
    expected = runner.forward(inputs, phase=Phase.test)
    found = graphnet.equations(cell, dict.fromkeys(reads, "time, batch, feature=4"))
    assert not found.reason
    layers = dict(runner.graph.nodes["scan"].layer.cell.layers())
    arrays = {f"{name} of {path}": array for path, layer in layers.items() for name, array in arrays_of(layer).items()}
    given = {name: arrays[what] for name, what in found.symbols.items() if what in arrays}
    given |= {name: inputs[what] for name, what in found.symbols.items() if what in inputs}
    identifier = {what: name for name, what in found.symbols.items()}
    states = {identifier[each]: np.zeros(expected[each].shape) for each in cell.states if each in identifier}
    values = run_steps([line.code for line in found.sections[0].lines], given, steps, states)
    for port in cell.emitted:
        got = [np.broadcast_to(values[port][t], expected[port][t].shape) for t in range(steps)]
        np.testing.assert_allclose(got, expected[port], rtol=1e-8, atol=1e-10)


MATHML = "{http://www.w3.org/1998/Math/MathML}"


def elements(mark):
    yield mark[0]
    for each in mark[1:]:
        if not isinstance(each, str):
            yield from elements(each)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.label)
def test_mathml_is_well_formed_and_of_known_elements(case):
    layer = case.layer(**case.config)
    specs = [s if isinstance(s, Shape) else Shape.of(s.shape) for s in case.input_specs.values()]
    found = graphnet.equations(layer, specs)
    root = ElementTree.fromstring(found.to_mathml())
    assert root.tag == f"{MATHML}math"
    lines = sum(len(section.lines) + bool(section.heading) for section in found.sections)
    assert len(root.findall(f"{MATHML}mtable/{MATHML}mtr")) == (lines or len(found.documented.splitlines()))
    for section in found.sections:
        for line in section.lines:
            assert line.mark[0] == "line"
            assert set(elements(line.mark[1])) | set(elements(line.mark[2])) <= ELEMENTS
    latex = found.to_latex()
    assert latex.count(r"\begin{") == latex.count(r"\end{") and latex.count("{") == latex.count("}")


def test_lstm_has_its_six_equations():
    found = graphnet.equations(lstm_cell(3))
    assert str(found) == (
        "input_gate_sigmoid[t] = sigmoid(concatenate([x[t], h[t-1]], axis=-1) @ input_gate_weights[:-1]"
        " + input_gate_weights[-1])\n"
        "forget_gate_sigmoid[t] = sigmoid(concatenate([x[t], h[t-1]], axis=-1) @ forget_gate_weights[:-1]"
        " + forget_gate_weights[-1])\n"
        "candidate_tanh[t] = tanh(concatenate([x[t], h[t-1]], axis=-1) @ candidate_weights[:-1]"
        " + candidate_weights[-1])\n"
        "output_gate_sigmoid[t] = sigmoid(concatenate([x[t], h[t-1]], axis=-1) @ output_gate_weights[:-1]"
        " + output_gate_weights[-1])\n"
        "c[t] = forget_gate_sigmoid[t] * c[t-1] + input_gate_sigmoid[t] * candidate_tanh[t]\n"
        "output[t] = h[t] = output_gate_sigmoid[t] * tanh(c[t])"
    )
    assert (
        r"\sigma ( [ x_{t} , h_{t - 1} ] \cdot W_{\text{forget\_gate}} + b_{\text{forget\_gate}} )" in found.to_latex()
    )
    assert [text for _, text in found.where][:2] == [
        "weights[:−1] of input_gate, 6 × 3",
        "weights[−1] of input_gate, 3",
    ]


def test_layer_in_a_graph_is_written_with_the_names_of_the_graph():
    g = Builder("two")
    x, y = g.input("x", "batch, feature=3"), g.input("y", "batch, feature=3")
    hidden = graphnet.FullyConnected(3, 2)(x * y, name="hidden")
    graph = g.build(scores=graphnet.FullyConnected(2, 2)(np.maximum(hidden, 0.0) + hidden, name="last"))
    assert str(graphnet.equations(graph)) == (
        "hidden = x * y @ hidden_weights[:-1] + hidden_weights[-1]\n"
        "scores = (maximum(hidden, 0.0) + hidden) @ last_weights[:-1] + last_weights[-1]"
    )


HOSTILE = (
    "</math><script>alert(1)</script>",
    "a b",
    "1st",
    "\\end{aligned}",
    "$x$",
    "lambda",
    "sum",
    "x\u2028y",
    "&amp;",
)


class Hostile(graphnet.Layer):
    """</math><script>alert(2)</script> = y"""

    def parameters(self, *inputs):
        return {name: graphnet.Weight((3,)) for name in HOSTILE}

    def apply(self, x, **weights):
        for each in weights.values():
            x = x * each
        return x, None


def test_hostile_names_are_text():
    found = graphnet.equations(Hostile(), "batch=2, feature=3")
    root = ElementTree.fromstring(found.to_mathml())
    assert not [each for each in root.iter() if "script" in each.tag]
    assert all(name in "".join(root.itertext()) for name in HOSTILE)
    for line in found.sections[0].lines:
        compile(line.code, "equation", "exec")
    identifiers = list(found.symbols)
    assert len(set(identifiers)) == len(identifiers) == len(HOSTILE) + 1
    assert all(name.isidentifier() for name in identifiers)
    assert r"\end{aligned}" not in found.to_latex()[: -len("\n\\end{aligned}")]


def test_layer_that_cannot_be_recorded_has_the_equation_of_its_documentation():
    class Table(graphnet.Layer):
        """y = x · 3, from a table.

        Parameters
        ----------
        none : x = y
        """

        def apply(self, x):
            return np.array([float(value) * 3 for value in np.ravel(x)]).reshape(x.shape), None

    found = graphnet.equations(Table(), "batch=2, feature=3")
    assert found.documented == "y = x · 3, from a table."
    assert "reads a number of an array" in str(found) and not found.sections


@pytest.mark.parametrize("phase", [0, 1])
def test_writes_in_place_are_followed(phase):
    class Padded(graphnet.Layer):
        """x between two zeros, shifted, with the middle doubled."""

        def apply(self, x):
            y = np.zeros((x.shape[0], x.shape[1] + 2))
            view = y[:, 1:-1]
            view[...] = x
            y[:, 2] += y[:, 1] * 3
            view *= 2
            np.exp(y, out=y)
            y -= view.sum(-1, keepdims=True) if phase else 1.0
            return y, None

        def infer(self, x):
            return x.resized(-1, x.size(-1) + 2)

    x = np.random.default_rng(1).normal(size=(2, 4))
    found = graphnet.equations(Padded(), "batch=2, feature=4")
    values = run([line.code for line in found.sections[0].lines], {"x": x})
    np.testing.assert_allclose(values["y"], Padded().apply(x)[0], rtol=1e-12)


def test_layout_views_of_arrays_that_change_are_refused():
    class Stale(graphnet.Layer):
        """Reads a reshaped view after a write."""

        def apply(self, x):
            y = x * 1.5
            flat = y.reshape(-1)
            y[0] = 0.0
            return y + flat.sum(), None

    found = graphnet.equations(Stale(), "batch=2, feature=4")
    assert "a view of an array that it has written to" in found.reason


def test_branches_on_values_are_told():
    class Branching(graphnet.Layer):
        """Doubles large inputs."""

        def apply(self, x):
            return (x * 2 if x.max() > 0.05 else x), None

    assert str(graphnet.equations(Branching(), "batch=2, feature=4")) == "y = 2 * x\n# recorded where max(x) > 0.05"


def test_scan_inside_a_composite_is_a_section_of_its_own():
    found = graphnet.equations(LSTM(3, 4, 5), "time, batch, feature=3")
    assert found.sections[0].heading.startswith("scan: for t = 1, …, T")
    assert [len(section.lines) for section in found.sections] == [6, 3]
    assert (
        found.sections[1].lines[0].code == "output = scan_output @ output_layer_weights[:-1] + output_layer_weights[-1]"
    )
