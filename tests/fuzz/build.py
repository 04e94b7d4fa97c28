"""Build the graph of a recipe."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fuzz import layers, rules
from fuzz.recipe import Body, CellRecipe, Op, Trial
from graphnet import (
    Add,
    Affine,
    BatchNormalization,
    Builder,
    Cell,
    Concatenate,
    Dropout,
    FullyConnected,
    Last,
    LayerNormalization,
    MeanOverTime,
    Multiply,
    Reshape,
    Scan,
    Split,
)
from graphnet.authoring import Subgraph
from graphnet.core.describe.graph import Graph
from graphnet.core.describe.scan import CellGraph
from graphnet_recurrent import GRU, LSTM, Bidirectional, Sigmoid, TanH
from graphnet_recurrent.cells import gru_cell


def graph_of(trial: Trial) -> Graph:
    """The graph of a trial."""
    builder = Builder("trial")
    axes = {"sequence": "time, batch, feature", "rows": "batch, feature"}
    values = {
        name: builder.input(name, f"{axes[kind]}={width}")
        for (name, width), kind in zip(trial.graph.inputs, trial.axes, strict=True)
    }
    return builder.build(**_run(trial.graph, builder, values))


def cell_of(recipe: CellRecipe) -> CellGraph:
    """The cell graph of a recipe."""
    sequences, states, contexts = recipe.names
    widths = dict(recipe.body.inputs)
    cell = Cell(
        "cell",
        sequences={n: widths[n] for n in sequences},
        states={n: widths[n] for n in states},
        contexts={n: widths[n] for n in contexts},
    )
    return cell.build(**_run(recipe.body, cell, dict(cell.values)))


def _run(body: Body, builder: Builder, values: dict[str, Any]) -> dict[str, Any]:
    shared: dict[Any, Any] = {}
    for op in body.ops:
        results = _apply(op, body, builder, values, shared)
        values |= {name: value for (name, _), value in zip(op.outs, results, strict=True)}
    return {name: values[value] for name, value in body.outputs}


def _apply(op: Op, body: Body, builder: Builder, values: dict[str, Any], shared: dict[Any, Any]) -> list[Any]:
    """The values of an operation."""
    arguments = [None if a is None else values[a] for a in op.args]
    if op.kind == "scan":
        return _scan(op, builder, arguments)
    if op.kind == "heads":
        heads, width = op.params
        return [Reshape((heads * width,))(layers.Softmax()(TanH()(Reshape((heads, width))(arguments[0]))))]
    if op.kind == "nested":
        inner = Builder("inner")
        inputs = {name: inner.input(name) for name, _ in op.params[0].inputs}
        layer = Subgraph(inner.build(**_run(op.params[0], inner, inputs)))
    elif op.kind == "shared":
        layer = shared.setdefault(op.params, FullyConnected(op.params[0], op.params[1]))
    else:
        layer = MAKERS[op.kind](op)
    result = layer(*arguments)
    return list(result) if len(op.outs) > 1 else [result]


def _scan(op: Op, builder: Builder, arguments: list[Any]) -> list[Any]:
    recipe, reverse, bptt_length = op.params
    scan = Scan(cell_of(recipe), reverse=reverse, bptt_length=bptt_length)
    node = scan(*arguments)
    return [node[port] for port in scan.output_ports()]


MAKERS: dict[str, Callable[[Op], Any]] = {
    **{kind: lambda op, cls=cls: cls() for kind, cls in layers.BY_KIND.items()},
    "tanh": lambda op: TanH(),
    "sigmoid": lambda op: Sigmoid(),
    "rule": lambda op: rules.Random(*op.params),
    "total": lambda op: layers.Total(),
    "summit": lambda op: layers.Summit(),
    "gated": lambda op: layers.Gated(),
    "mirrored": lambda op: layers.Mirrored(),
    "layer norm": lambda op: LayerNormalization(),
    "batch norm": lambda op: BatchNormalization(),
    "mean": lambda op: MeanOverTime(),
    "lstm": lambda op: LSTM(*op.params),
    "gru": lambda op: GRU(*op.params),
    "both ways": lambda op: Bidirectional(gru_cell(op.params[0])),
    "halves": lambda op: layers.Halves(),
    "mixture": lambda op: layers.Mixture(),
    "opaque": lambda op: layers.Opaque(),
    "linear": lambda op: layers.Linear(*op.params),
    "diagonal": lambda op: layers.Diagonal(op.outs[0][1]),
    "dense": lambda op: FullyConnected(*op.params),
    "affine": lambda op: Affine(*op.params),
    "dropout": lambda op: Dropout(op.params[0]),
    "add": lambda op: Add(),
    "multiply": lambda op: Multiply(),
    "concatenate": lambda op: Concatenate(),
    "split": lambda op: Split(op.params),
    "last": lambda op: Last(),
}
