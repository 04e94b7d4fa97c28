"""The page that steps through a cell: its numbers are those of a hand-written LSTM, and of derivatives by differences."""

import json
import re

import numpy as np
import pytest
from click.testing import CliRunner

import graphnet
from graphnet import (
    Builder,
    Cell,
    ConfigError,
    DataError,
    FileError,
    FullyConnected,
    Layer,
    Model,
    Scan,
    Sequential,
    ShapeError,
    Subgraph,
    UnknownNameError,
    dense,
)
from graphnet.cli import main
from graphnet.core.describe.graph import subgraph
from graphnet.core.describe.node import Ref
from graphnet.models.pages.trace import _around
from graphnet.models.pages.trace_data import trace_data
from graphnet.models.pages.tracing import traced
from graphnet.models.pages.wiring import Wiring
from graphnet_recurrent import LSTM, Recurrent, Stack, cell_named, lstm_cell, mamba_cell, min_gru_cell
from graphnet_recurrent.functional import sigmoid, tanh

pytest.importorskip("graphlay")


def block(page):
    (found,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    return json.loads(found)


def by_name(data, table, t):
    """The numbers of the boxes of a page at one step."""
    return {box["p"].rpartition("/")[2]: data[table][t].get(str(box["v"])) for box in data["boxes"]}


def logistic(a):
    return 1 / (1 + np.exp(-a))


def hand_written(x, weights, scale):
    """An LSTM, forward and backward for L = Σ scale · h; a dict of values and one of errors for each step."""
    units = len(scale)
    values, errors = [], []
    h = c = np.zeros(units)
    for row in x:
        z = np.concatenate([row, h])
        a = {gate: z @ w[:-1] + w[-1] for gate, w in weights.items()}
        i, f, o = (logistic(a[gate]) for gate in ("input_gate", "forget_gate", "output_gate"))
        g, before = np.tanh(a["candidate"]), c
        c = f * c + i * g
        values.append({"<x": row, "<h": h, "<c": before, **a, "input_gate_sigmoid": i, "forget_gate_sigmoid": f,
                       "candidate_tanh": g, "output_gate_sigmoid": o, ">c": c, ">h": o * np.tanh(c)})  # fmt: skip
        h = values[-1][">h"]
    dh = dc = np.zeros(units)
    for step in reversed(values):
        i, f, g, o = (step[n] for n in ("input_gate_sigmoid", "forget_gate_sigmoid", "candidate_tanh",
                                        "output_gate_sigmoid"))  # fmt: skip
        dh = dh + scale
        tc = np.tanh(step[">c"])
        dc = dc + dh * o * (1 - tc**2)
        da = {"input_gate": dc * g * i * (1 - i), "forget_gate": dc * step["<c"] * f * (1 - f),
              "candidate": dc * i * (1 - g**2), "output_gate": dh * tc * o * (1 - o)}  # fmt: skip
        dz = sum(da[gate] @ weights[gate][:-1].T for gate in da)
        found = {**da, "input_gate_sigmoid": dc * g, "forget_gate_sigmoid": dc * step["<c"], "candidate_tanh": dc * i,
                 "output_gate_sigmoid": dh * tc, ">c": dc, ">h": dh}  # fmt: skip
        dh, dc = dz[len(step["<x"]) :], dc * f
        errors.insert(0, {**found, "<x": dz[: len(step["<x"])], "<h": dh, "<c": dc})
    return values, errors


def test_the_numbers_are_those_of_a_hand_written_lstm():
    layer = LSTM(3, 4, 4)
    graph = Sequential(layer, shape="time, batch, feature=3")
    x = np.random.default_rng(3).normal(size=(5, 2, 3))
    with graphnet.using(np.random.default_rng(8)):
        graphnet.Runner(graph).forward({next(iter(graph.inputs)): x})
    data = block(graphnet.trace(graph, example=x))
    layers = dict(graph.walk())
    inner = {name: layers[f"lstm/scan/{name}"].params["weights"].value for name in
             ("input_gate", "forget_gate", "candidate", "output_gate")}  # fmt: skip
    output = layers["lstm/output_layer"].params["weights"].value[:-1].sum(axis=1)
    values, errors = hand_written(x[:, 0], inner, output)  # L sums the units of a dense layer after the cell
    for t in range(5):
        for table, expected in (("values", values[t]), ("errors", errors[t])):
            shown = by_name(data, table, t)
            for name, numbers in expected.items():
                assert shown[name] == pytest.approx(numbers, rel=1e-3, abs=1e-12), (table, t, name)
    assert data["reverse"] is False and [boxed(data, each["box"]) for each in data["order"]][:2] == [
        "concatenate", "input_gate"]  # fmt: skip


def boxed(data, number):
    return data["boxes"][number]["name"]


def test_errors_of_inputs_are_derivatives():
    cell = cell_named("mamba", 3)
    graph = Sequential(Scan(cell), shape="time, batch, feature=3")
    x = np.random.default_rng(5).normal(size=(4, 1, 3))
    graphnet.Runner(graph).forward({"x": x})
    record = traced(graph, "scan", {"x": x})
    runner = graphnet.Runner(graph, backend="reference")

    def total(array):
        return sum(out.sum() for out in runner.forward({"x": array}).values())

    for t, i in ((0, 0), (1, 2), (3, 1)):
        step = np.zeros_like(x)
        step[t, 0, i] = 1e-6
        slope = (total(x + step) - total(x - step)) / 2e-6
        assert record.steps[t].errors[0][0, i] == pytest.approx(slope, rel=1e-6, abs=1e-8)


def evaluate(graph, inputs, path, nudge):
    """The outputs of a graph layer by layer; ``nudge`` adds a direction to what one node reads from one source."""
    values = {Ref(name): value for name, value in inputs.items()}
    for name in graph.order:
        node = graph.nodes[name]
        reads = [None if ref is None else values[ref] for ref in node.inputs]
        if nudge is not None and nudge[0] == f"{path}{name}":
            reads = [
                value + nudge[2] if ref == nudge[1] else value for ref, value in zip(node.inputs, reads, strict=True)
            ]
        inner = subgraph(node.layer)
        if inner is None:
            found = node.layer.forward(*reads)
            found = dict(zip(node.layer.output_ports(), found if isinstance(found, tuple) else (found,), strict=True))
        else:
            found = evaluate(inner, dict(zip(inner.inputs, reads, strict=False)), f"{path}{name}/", nudge)
        values |= {Ref(name, port): value for port, value in found.items()}
        values[Ref(name)] = next(iter(found.values()))
    return {name: values[ref] for name, ref in graph.outputs.items()}


def total(cell, x, states, nudge, at):
    """The sum of all emitted outputs of a cell."""
    sums = 0.0
    for t, row in enumerate(x):
        found = evaluate(cell, {cell.sequences[0]: row, **states}, "scan/", nudge if t == at else None)
        sums += sum(found[name].sum() for name in cell.emitted)
        states = {name: found[name] for name in cell.states}
    return sums


@pytest.mark.parametrize("name", ["nested", "mlstm", "min_gru"])
def test_the_part_on_each_line_is_the_derivative_by_what_this_reader_reads(name):
    cell = nested_cell() if name == "nested" else cell_named(name, 2)
    rng = np.random.default_rng(6)
    x = rng.normal(size=(2, 1, 3))
    graph = _around(Scan(cell))
    graphnet.Runner(graph).forward({"x": x})
    cell = dict(graph.walk())["scan"].cell
    record = traced(graph, "scan", {"x": x})
    wiring, checked = Wiring(cell, "scan", record.plan), 0
    states = {name: np.zeros_like(record.steps[0].values[wiring.slots[f"scan/<{name}"]]) for name in cell.states}
    for path, inner in wiring.graphs.items():
        for node in inner.order:
            for ref in {each for each in inner.nodes[node].inputs if each is not None}:
                for t in range(2):
                    slot = wiring.slot(path, ref.source, ref.port or "")
                    direction = rng.normal(size=np.shape(record.steps[t].values[slot]))
                    high, low = (
                        total(cell, x, states, (f"{path}{node}", ref, h * direction), t) for h in (1e-5, -1e-5)
                    )
                    part = wiring.error(record.steps[t], path, ref, node)
                    shown = 0.0 if part is None else float(np.sum(part * direction))
                    assert shown == pytest.approx((high - low) / 2e-5, rel=1e-5, abs=1e-7), (path, node, ref, t)
                    checked += shown != 0.0
    assert checked > len(record.plan.steps)


def nested_cell():
    cell = Cell("nested", sequences="x", states={"h": 3})
    z = dense(cell.x, 3, name="z")
    inner = Builder("pair")
    a, b = inner.input("a"), inner.input("b")
    pair = Subgraph(inner.build(product=a * a + tanh(b), gate=sigmoid(a)))
    product, gate = pair(z, cell.h, name="pair")
    return cell.build(output=product * gate + z, h=gate)


@pytest.mark.parametrize("cell", [nested_cell(), cell_named("mlstm", 2), cell_named("gru", 3)], ids=lambda c: c.name)
def test_the_parts_on_the_lines_add_up_to_the_errors_of_the_values(cell):
    data = block(graphnet.trace(Recurrent(cell, reverse=True), steps=3))
    assert data["reverse"] is True
    for t in range(3):
        parts = {}
        for line, part in zip(data["lines"], data["parts"][t], strict=True):
            if part is not None:  # a node that reads a value twice has two lines with one sum
                parts.setdefault((line["a"], line["v"]), {})[line["b"]] = part
        for (source, slot), found in parts.items():
            if data["boxes"][source]["r"] == "input" and not data["boxes"][source].get("outer"):
                continue  # the value is also read outside this composite
            error = data["errors"][t][str(slot)]
            assert sum(map(np.array, found.values())) == pytest.approx(error, rel=5e-3, abs=2e-3), data["boxes"][source]
        assert len(parts) > len(data["order"]) / 2
    assert any(box.get("open") for box in data["boxes"]) == (cell.name == "nested")


def test_examples_steps_nodes_and_seeds(tmp_path):
    cell = lstm_cell(2)
    assert graphnet.trace(cell, seed=3) == graphnet.trace(cell, seed=3) != graphnet.trace(cell, seed=4)
    x = np.random.default_rng(0).normal(size=(9, 4, 5))
    data = block(graphnet.trace(cell, example=x, steps=7))
    assert len(data["values"]) == 7
    assert by_name(data, "values", 2)["<x"] == pytest.approx(x[2, 0], rel=1e-3)
    assert graphnet.trace(cell, example=x[:, 0], seed=3) == graphnet.trace(cell, example=x, seed=3)
    several = Stack([min_gru_cell(3), mamba_cell(3)])  # its other inputs, the initial states, are optional
    assert len(block(graphnet.trace(several, example=x[:4, :, :3]))["values"]) == 4
    with pytest.raises(DataError, match="no row"):
        graphnet.trace(cell, example=x[:, :0])
    for ragged in ([x[:3, 0], x[:2, 0]], {"x": x[:5], "x_lengths": [3, 5, 0, 1]}, {"x": x[:8, 0], "x_lengths": [3, 5]}):
        assert graphnet.trace(cell, example=ragged) == graphnet.trace(cell, example=x[:3, 0])
    for wrong in ([[[1.0], [2.0, 3.0]]], [None], {"x": x[:5], "x_lengths": [6]}, {"x": x[:5], "x_lengths": [1.5]}):
        with pytest.raises(ShapeError, match="not an array|length of the first sequence"):
            graphnet.trace(cell, example=wrong)
    graph = Sequential(LSTM(3, 4, 4), LSTM(4, 5, 2), shape="time, batch, feature=3")
    names = [path for path, layer in graph.walk() if isinstance(layer, Scan)]
    assert block(graphnet.trace(graph, node=names[1].partition("/")[0]))["path"] == names[1]
    for wrong, kind in (({"node": "nowhere"}, UnknownNameError), ({"steps": 201}, ConfigError), ({"steps": 0}, ConfigError),
                        ({"example": {"y": x}}, UnknownNameError), ({"example": x}, ShapeError),
                        ({"seed": -1}, ConfigError)):  # fmt: skip
        with pytest.raises(kind):
            graphnet.trace(graph, **wrong)
    with pytest.raises(ConfigError, match="no Scan"):
        graphnet.trace(Sequential(FullyConnected(3, 2)))
    with pytest.raises(ConfigError, match="no graph"):
        graphnet.trace(FullyConnected(3, 2))
    (tmp_path / "there.html").write_text("precious")
    with pytest.raises(FileError, match="exists"):
        graphnet.trace(cell, tmp_path / "there.html")


def test_matrices_have_rows_and_columns():
    data = block(graphnet.trace(cell_named("delta_net", 12), steps=2))
    boxes = {box["p"]: box for box in data["boxes"]}
    slot = str(boxes["scan/<S"]["v"])
    assert data["shapes"][slot] == [1, 1, 12, 12] and data["grids"][slot] == [8, 8]
    record = traced(graph := _around(Scan(cell_named("delta_net", 12))), "scan", {"x": np.ones((2, 1, 3))})
    shown, matrix = trace_data(graph, "scan", record), record.steps[1].values[int(slot)][0, 0]
    parts = [np.array_split(rows, 8, 1) for rows in np.array_split(matrix, 8, 0)]
    means = [part.mean() for rows in parts for part in rows]
    assert shown["values"][1][int(slot)] == pytest.approx(means, rel=1e-3, abs=1e-6) and np.ptp(means) > 0
    small = block(graphnet.trace(cell_named("mlstm", 2), steps=2))
    assert [2, 2] in small["grids"].values() and all(np.prod(small["shapes"][s]) == 4 for s in small["grids"])


def test_a_scan_in_a_cell_is_closed_or_traced_by_itself():
    inner = Cell("inner", sequences="u", states={"s": 2})
    step = tanh(inner.u + inner.s)
    scan = Scan(inner.build(s=step))
    outer = Cell("outer", sequences="x", states={"h": 2}, contexts={"k": "time, batch, feature=2"})
    h = tanh(scan(outer.k, None, name="in") + outer.h + outer.x)
    x = np.random.default_rng(2).normal(size=(4, 1, 2))
    cell, example = outer.build(y=h, h=h), {"x": x, "k": x[:3]}
    closed = block(graphnet.trace(cell, example=example))
    assert len(closed["values"]) == 4 and not any(box["p"].startswith("scan/in/") for box in closed["boxes"])
    data = block(graphnet.trace(cell, example=example, node="scan/in"))
    state = np.zeros(2)
    for t in range(3):
        state = np.tanh(x[t, 0] + state)
        assert by_name(data, "values", t)[">s"] == pytest.approx(state, rel=1e-3)
        assert by_name(closed, "values", t)["in"] == pytest.approx(
            np.tanh(x[2, 0] + np.tanh(x[1, 0] + np.tanh(x[0, 0]))), rel=1e-3
        )


def test_large_values_are_shown_smaller():
    page = graphnet.trace(lstm_cell(70), steps=100)
    data = block(page)
    assert len(page) < 2e6 and data["shapes"]["1"] == [1, 70]
    assert {len(values) for values in data["values"][3].values()} <= {3, *range(8, 65)}


def test_the_command_writes_the_page(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    graph = Sequential(LSTM(3, 4, 2), shape="time, batch, feature=3")
    Model(graph).save(tmp_path / "run")
    x = np.random.default_rng(1).normal(size=(3, 2, 3))
    np.savez(tmp_path / "x.npz", **{next(iter(graph.inputs)): x})
    result = CliRunner().invoke(main, ["trace", "run", "--example", "x.npz"])
    assert result.exit_code == 0, result.output
    data = block((tmp_path / "run-trace.html").read_text(encoding="utf-8"))
    assert len(data["values"]) == 3 and by_name(data, "values", 1)["<x"] == pytest.approx(x[1, 0], rel=1e-3)
    assert CliRunner().invoke(main, ["trace", "run"]).exit_code == 2
    printed = CliRunner().invoke(main, ["trace", "run", "--steps", "2", "-o", "-"])
    assert len(block(printed.output)["values"]) == 2
    assert CliRunner().invoke(main, ["trace", "run", "--steps", "0", "-o", "-"]).exit_code == 2


class Hostile(Layer):
    """</script><script>document.documentElement.dataset.hacked=1</script>"""

    text: str

    def infer(self, x):
        return x

    def apply(self, x):
        return x, None

    def pull(self, error, saved):
        return error


def hostile_page():
    cell = Cell("</script><img src=x onerror=alert(1)>", sequences="x", states={"toString": 2})
    value = Hostile("<svg/onload=document.documentElement.dataset.hacked=1>")(cell.x, name="constructor")
    cell_state = cell.toString
    return graphnet.trace(cell.build(valueOf=value, toString=value + cell_state), example=np.ones((2, 1, 2)))


def test_a_page_loads_nothing_and_hostile_texts_stay_text():
    page = hostile_page()
    assert page.count("<script") == 2 and page.count("</script") == 2 and "<img" not in page
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    assert policy.startswith("default-src 'none'; ") and "unsafe" not in policy
    script = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)[0]
    for way in (
        "innerHTML",
        "outerHTML",
        "insertAdjacent",
        "document.write",
        "eval(",
        "Function(",
        "fetch(",
        "import(",
    ):
        assert way not in script
    assert set(re.findall(r"https?://[^\s\"'\\]+", script)) == {"http://www.w3.org/2000/svg"}
