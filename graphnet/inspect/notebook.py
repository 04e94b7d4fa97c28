"""What a notebook shows for a graph, a layer, a summary, a history and an explanation."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

from graphnet.core.describe.graph import Graph, subgraph
from graphnet.core.describe.layer import Layer
from graphnet.core.errors import GraphnetError
from graphnet.inspect.explanation import Explanation, Part
from graphnet.inspect.exporters.pictures import svg
from graphnet.inspect.summary_table import HEADS, Summary
from graphnet.training.history import HELD_OUT, History, ending

#: A graph of more nodes is shown as text: its picture is for a file.
MOST_NODES = 300
#: Colours of curves: training, held-out examples.
CURVES = ("#1b6ca8", "#b3471d")


def mimebundle(thing: Any) -> dict[str, str]:
    """The forms of an object by MIME type, for Jupyter's ``_repr_mimebundle_``; plain text is always one of them.

    A Graph, a Model and a layer made of layers are pictures, closed, if graphlay is installed; other layers are tables
    of their configuration and weights. Everything from the object is escaped.
    """
    bundle = {"text/plain": str(thing) if isinstance(thing, Explanation) else repr(thing)}
    if isinstance(thing, Summary):
        return bundle | {"text/html": _summary(thing)}
    if isinstance(thing, History):
        return bundle | {"text/html": _history(thing)}
    if isinstance(thing, Explanation):
        return bundle | {"text/html": _explanation(thing)}
    graph = subgraph(thing) if isinstance(thing, Layer) else getattr(thing, "graph", thing)
    if isinstance(graph, Graph):
        return bundle | _picture(graph)
    return bundle | ({"text/html": _layer(thing)} if isinstance(thing, Layer) else {})


def _picture(graph: Graph) -> dict[str, str]:
    if len(graph.nodes) > MOST_NODES:
        return {}
    try:
        return {"image/svg+xml": svg(graph, depth=0)}
    except GraphnetError:  # no graphlay, or shapes that do not fit: a notebook shows the text
        return {}


def table(heads: Sequence[str], rows: Iterable[Sequence[str]], left: int = 1) -> str:
    """A table of HTML with the first ``left`` columns to the left and all others, numbers, to the right.

    Examples
    --------
    >>> table(("a", "b"), [("<i>", "1")])[-90:]
    '<td style="text-align:left">&lt;i&gt;</td><td style="text-align:right">1</td></tr></table>'
    """
    aligned = ["left" if i < left else "right" for i in range(len(heads))]

    def line(cells: Sequence[str], tag: str) -> str:
        pairs = zip(cells, aligned, strict=True)
        return "".join(f'<{tag} style="text-align:{side}">{escape(cell)}</{tag}>' for cell, side in pairs)

    body = "".join(f"<tr>{line(row, 'td')}</tr>" for row in rows)
    return f"<table><tr>{line(heads, 'th')}</tr>{body}</table>"


def _summary(summary: Summary) -> str:
    rows = []
    for row in summary.rows:
        name, *cells = row.cells()
        rows.append(("\u2003" * row.depth + name.strip(), *cells))
    last = repr(summary).splitlines()[-2:]
    return table(HEADS, rows, left=4) + "".join(f"<div>{escape(line)}</div>" for line in last)


def _history(history: History) -> str:
    figures = history.to_dict()
    names = [name for name in figures if name not in ("best", "examples")]
    count = len(history)
    shown = [i for i in range(count) if i < 5 or i >= count - 15 or i == history.best_epoch - 1]
    rows = [[_number(figures[name][i]) for name in names] for i in shown]
    omitted = f"<div>{count - len(shown)} epochs are not shown</div>" if len(shown) < count else ""
    curve = curves([(name, figures[name]) for name in ("loss", f"{HELD_OUT}loss") if name in figures])
    words = escape(ending(history)) if history.epochs else escape(repr(history))
    return f"{curve}{table([n.replace('_', ' ') for n in names], rows)}{omitted}<div>{words}</div>"


def curves(series: Sequence[tuple[str, Sequence[float | None]]], wide: float = 360.0, high: float = 120.0) -> str:
    """Curves over the epochs as an SVG with a text for screen readers; nothing without two finite values."""
    values = [v for _, figures in series for v in figures if v is not None and math.isfinite(v)]
    if len(values) < 2:
        return ""
    low, top = min(values), max(values)
    scale = (high - 20) / (top - low or 1.0)
    paths, names = [], []
    for (name, figures), colour in zip(series, CURVES, strict=False):
        step = (wide - 20) / max(len(figures) - 1, 1)
        points = [
            f"{10 + i * step:.1f},{high - 10 - (v - low) * scale:.1f}"
            for i, v in enumerate(figures)
            if v is not None and math.isfinite(v)
        ]
        paths.append(f'<polyline points="{" ".join(points)}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
        names.append(f'<span style="color:{colour}">{escape(name.replace("_", " "))}</span>')
    label = f"{' and '.join(name.replace('_', ' ') for name, _ in series)}: from {low:.4g} to {top:.4g}"
    return (
        f'<div><svg width="{wide:g}" height="{high:g}" role="img" aria-label="{escape(label)}">{"".join(paths)}</svg>'
        f"<div>{', '.join(names)}; {low:.4g} to {top:.4g}</div></div>"
    )


def _explanation(explanation: Explanation) -> str:
    parts = [_part(part) for part in explanation.parts]
    advice = [f"<div>{escape(explanation.advice)}</div>"] if explanation.advice else []
    head = f"<div><b>{escape(explanation.graph)}</b>: {escape(explanation.setting)}</div>"
    return "".join([head, *parts, *advice])


def _part(part: Part) -> str:
    head, *lines = part.lines()
    runs = f"runs node by node: {part.reason}" if part.reason is not None else f"compiled, runs on {part.backend}"
    text = escape("\n".join(lines))
    return f"<details><summary>{escape(head)}: {escape(runs)}</summary><pre>{text}</pre></details>"


def _layer(layer: Layer) -> str:
    rows = [(name, repr(value)[:200]) for name, value in layer.config().items()]
    weights = [(name, f"{p.value.shape}, {p.value.dtype}") for name, p in layer.params.items()]
    first_line = (type(layer).__doc__ or "").strip().partition("\n")[0]
    head = f"<div><b>{escape(type(layer).__name__)}</b>: {escape(first_line)}</div>"
    return (
        head + table(("setting", "value"), rows, left=2) + (table(("weight", "shape"), weights, 2) if weights else "")
    )


def _number(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
