"""Random recipes, each drawn from one seed."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count

from fuzz.layers import BINARY, UNARY, WEIGHTED
from fuzz.recipe import Body, CellRecipe, Op, Trial
from fuzz.rules import settings
from graphnet.core.compile.pipeline import PASSES

#: Few sizes, so that time, batch and widths are often equal or broadcast.
SIZES = (1, 1, 2, 2, 3, 4, 5)
#: Sizes of wide trials: around the lanes and tiles of compiled code, and between.
WIDE_SIZES = (1, 2, 3, 5, 7, 8, 9, 12, 15, 16, 17, 24, 31, 32, 33, 48, 63, 64, 65, 70)
#: Layers used outside Scans only.
AROUND = ("lstm", "gru", "both ways", "batch norm", "mean", "last")
#: Kinds of operations and their relative frequencies.
KINDS = {
    "dense": 6,
    "linear": 2,
    "shared": 1,
    "tanh": 3,
    "sigmoid": 3,
    "unary": 4,
    "weighted": 2,
    "diagonal": 1,
    "binary": 2,
    "mixture": 2,
    "rule": 4,
    "constant": 1,
    "affine": 2,
    "add": 3,
    "ten terms": 1,
    "multiply": 5,
    "stretch": 1,
    "concatenate": 3,
    "split": 3,
    "halves": 1,
    "total": 0.6,
    "summit": 0.6,
    "gated": 1,
    "mirrored": 0.7,
    "heads": 0.2,
    "layer norm": 0.5,
    "nested": 1,
    "dropout": 0.5,
    "opaque": 0.15,
}


@dataclass
class Drawing:
    """The operations drawn so far, and the widths of their values."""

    rng: random.Random
    widths: dict[str, int]
    ops: list[Op] = field(default_factory=list)
    numbers: Iterator[int] = field(default_factory=count)
    sizes: tuple[int, ...] = SIZES

    @property
    def most(self) -> int:
        """The largest width of concatenated values."""
        return 12 if self.sizes is SIZES else 140

    def value(self, width: int | None = None) -> str:
        """A random value of some width; a new one if there is none."""
        names = [n for n, w in self.widths.items() if width is None or w == width]
        if names and (width is None or self.rng.random() < 0.8):
            return self.rng.choice(names[-8:] if self.rng.random() < 0.5 else names)
        return self.dense(width or self.rng.choice(self.sizes))

    def add(self, kind: str, args: list[str | None], widths: list[int], params: tuple = ()) -> str:
        """Add an operation; return the first of its values."""
        outs = tuple((f"v{next(self.numbers)}", w) for w in widths)
        self.widths |= dict(outs)
        self.ops.append(Op(kind, tuple(args), outs, params))
        return outs[0][0]

    def dense(self, width: int) -> str:
        source = self.rng.choice(list(self.widths))
        return self.add("dense", [source], [width], (self.widths[source], width))

    def body(self, inputs: tuple[tuple[str, int], ...], outputs: list[tuple[str, str]]) -> Body:
        return Body(inputs, tuple(self.ops), tuple(outputs))


def draw(drawing: Drawing, depth: int) -> None:
    """Add an operation of a random kind."""
    rng = drawing.rng
    kind = rng.choices(list(KINDS), list(KINDS.values()))[0]
    a = drawing.value()
    width = drawing.widths[a]
    if kind in ("dense", "linear"):
        out = rng.choice(drawing.sizes)
        drawing.add(kind, [a], [out], (width, out))
    elif kind == "shared":
        drawing.add("shared", [a], [width], (width, width))
    elif kind in ("unary", "weighted"):
        drawing.add(rng.choice(list(UNARY if kind == "unary" else WEIGHTED)), [a], [width])
    elif kind == "binary":
        drawing.add(rng.choice(list(BINARY)), [a, drawing.value(width)], [width])
    elif kind == "rule":
        args = [a, *(drawing.value(width) for _ in range(rng.choice((0, 1, 1, 2))))]
        drawing.add("rule", args, [width], settings(rng, width, len(args)))
    elif kind == "mixture":
        drawing.add("mixture", [drawing.value(width), a, drawing.value(width)], [width])
    elif kind == "constant":
        drawing.add("affine", [a], [width], (0.0, round(rng.uniform(-1, 1), 2)))
    elif kind == "affine":
        drawing.add("affine", [a], [width], (rng.choice((-1.0, 0.5, 1.0, 1.7)), rng.choice((0.0, 1.0, -0.3))))
    elif kind in ("add", "ten terms"):
        terms = 10 if kind == "ten terms" else rng.choice((2, 2, 3))
        drawing.add("add", [a, *(drawing.value(width) for _ in range(terms - 1))], [width])
    elif kind == "multiply":
        drawing.add("multiply", [a, *(drawing.value(width) for _ in range(rng.choice((1, 1, 2))))], [width])
    elif kind == "stretch":
        drawing.add(rng.choice(("add", "multiply")), rng.sample([a, drawing.value(1)], 2), [width])
    elif kind == "concatenate":
        parts = [a, *(drawing.value() for _ in range(rng.choice((1, 1, 2))))]
        if sum(drawing.widths[p] for p in parts) <= drawing.most:
            drawing.add("concatenate", parts, [sum(drawing.widths[p] for p in parts)])
    elif kind == "split":
        _split(drawing, a, width)
    elif kind == "halves":
        drawing.add("halves", [a], [width, width])
    elif kind in ("total", "summit"):
        drawing.add(kind, [a], [1])
    elif kind == "gated" and width % 2 == 0:
        drawing.add("gated", [a], [width // 2])
    elif kind == "mirrored" and 2 * width <= drawing.most:
        drawing.add("mirrored", [a], [2 * width])
    elif kind == "heads" and width % 2 == 0:
        drawing.add("heads", [a], [width], rng.choice(((2, width // 2), (width // 2, 2))))
    elif kind == "dropout":
        drawing.add("dropout", [a], [width], (0.7,))
    elif kind == "nested" and depth:
        _nested(drawing, depth - 1)
    elif kind in ("tanh", "sigmoid", "diagonal", "layer norm", "opaque"):
        drawing.add(kind, [a], [width])


def around(drawing: Drawing, rows: Drawing) -> None:
    """Add a layer that reads whole sequences."""
    rng = drawing.rng
    kind, a, out = rng.choice(AROUND), drawing.value(), rng.choice(drawing.sizes)
    width = drawing.widths[a]
    if kind in ("lstm", "gru"):
        drawing.add(kind, [a], [out], (width, out, None, rng.choice((1, 2, 9))))
    elif kind == "both ways":
        drawing.add(kind, [a], [2 * out], (out,))
    elif kind == "batch norm":
        drawing.add(kind, [a], [width])
    else:
        name = drawing.add(kind, [a], [width])
        rows.widths[name] = drawing.widths.pop(name)


def _split(drawing: Drawing, a: str, width: int) -> None:
    if width < 2:
        return
    cut = drawing.rng.randint(1, width - 1)
    drawing.add("split", [a], [cut, width - cut], (cut, width - cut))


def _nested(drawing: Drawing, depth: int) -> None:
    """Add a nested graph of up to three inputs, some of which may be unused."""
    rng = drawing.rng
    args = [drawing.value() for _ in range(rng.randint(1, 3))]
    inputs = tuple((f"i{k}", drawing.widths[a]) for k, a in enumerate(args))
    inner = Drawing(rng, dict(inputs), sizes=drawing.sizes)
    for _ in range(rng.randint(1, 3)):
        draw(inner, depth)
    if not inner.ops:
        inner.dense(2)
    names = [name for op in inner.ops for name, _ in op.outs]
    outputs = [(f"o{k}", v) for k, v in enumerate(rng.sample(names, min(len(names), rng.randint(1, 2))))]
    drawing.add("nested", args, [inner.widths[v] for _, v in outputs], (inner.body(inputs, outputs),))


def cell(rng: random.Random, most: int = 9, sizes: tuple[int, ...] = SIZES) -> CellRecipe:
    """A random cell."""
    sequences = [(f"x{k}", rng.choice(sizes)) for k in range(rng.choice((1, 1, 2)))]
    states = [(f"s{k}", rng.choice(sizes)) for k in range(rng.choice((1, 1, 2, 2, 3)))]
    contexts = [(f"c{k}", rng.choice(sizes)) for k in range(rng.choice((0, 0, 0, 1, 2)))]
    inputs = (*sequences, *states, *contexts)
    drawing = Drawing(rng, dict(inputs), sizes=sizes)
    for name, _ in inputs:  # some inputs are unused
        if rng.random() < 0.15 and len(drawing.widths) > 1:
            del drawing.widths[name]
    hidden = {name: width for name, width in inputs if name not in drawing.widths}
    for _ in range(rng.randint(1, most)):
        draw(drawing, 1)
    following = [(name, drawing.value(width)) for name, width in states]
    if rng.random() < 0.2:
        following = _passed_on(rng, states, following, hidden)
    outputs = [(f"y{k}", drawing.value()) for k in range(rng.choice((0, 1, 1, 1, 2)))]
    drawing.widths |= hidden
    return CellRecipe(drawing.body(inputs, [*outputs, *following]), len(sequences), len(states))


def _passed_on(
    rng: random.Random, states: list[tuple[str, int]], following: list[tuple[str, str]], hidden: dict[str, int]
) -> list[tuple[str, str]]:
    """Next states that are states, unchanged."""
    result = []
    for (name, width), (_, value) in zip(states, following, strict=True):
        others = [other for other, w in states if w == width and other not in hidden]
        result.append((name, rng.choice(others) if others and rng.random() < 0.6 else value))
    return result


def scan(drawing: Drawing, rows: Drawing, most: int) -> None:
    """Add a Scan over values of a graph; its initial states and contexts are rows."""
    rng = drawing.rng
    recipe = cell(rng, most, drawing.sizes)
    widths = dict(recipe.body.inputs)
    sequences, states, contexts = recipe.names
    args: list[str | None] = [drawing.value(widths[n]) for n in sequences]
    args += [rows.value(widths[n]) if rng.random() < 0.5 else None for n in states]
    args += [rows.value(widths[n]) for n in contexts]
    drawing.ops += rows.ops
    rows.ops.clear()
    every = recipe.body.widths()
    emitted = [every[v] for n, v in recipe.body.outputs if n not in states]
    outs = [(f"v{next(drawing.numbers)}", w) for w in [*emitted, *(widths[n] for n in states)]]
    params = (recipe, rng.random() < 0.3, rng.choice((None, None, None, 1, 2, 3)))
    drawing.ops.append(Op("scan", tuple(args), tuple(outs), params))
    drawing.widths |= dict(outs[: len(emitted)])
    rows.widths |= dict(outs[len(emitted) :])


def trial(seed: int, whole_graph: bool, wide: bool = False) -> Trial:
    """A random cell in a Scan, or a random graph with several; ``wide``: up to 70 units and 20 rows instead of 5 each."""
    rng = random.Random(f"{'wide ' * wide}{'graph' if whole_graph else 'cell'} {seed}")
    sizes = WIDE_SIZES if wide else SIZES
    inputs = [(f"x{k}", rng.choice(sizes), "sequence") for k in range(rng.choice((1, 1, 2)))]
    inputs += [(f"r{k}", rng.choice(sizes), "rows") for k in range(rng.choice((1, 2)))]
    drawing = Drawing(rng, {n: w for n, w, kind in inputs if kind == "sequence"}, sizes=sizes)
    rows = Drawing(rng, {n: w for n, w, kind in inputs if kind == "rows"}, numbers=drawing.numbers, sizes=sizes)
    for _ in range(rng.choice((1, 2, 2, 3)) if whole_graph else 1):
        if whole_graph:
            for _ in range(rng.randint(0, 5)):
                draw(drawing, 1)
            if rng.random() < 0.3:
                around(drawing, rows)
            for _ in range(rng.choice((0, 0, 1, 2))):
                draw(rows, 0)
                drawing.ops += rows.ops
                rows.ops.clear()
        scan(drawing, rows, 5 if whole_graph else 10)
    for _ in range(rng.randint(0, 4) if whole_graph else 0):
        draw(drawing, 1)
    return _run(drawing, inputs, whole_graph, seed)


def _run(drawing: Drawing, inputs: list[tuple[str, int, str]], graph: bool, seed: int) -> Trial:
    """Draw how the graph is run, and its outputs."""
    rng = drawing.rng
    names = [name for op in drawing.ops for name, _ in op.outs]
    last = [name for name, _ in drawing.ops[-1].outs]
    chosen = rng.sample(names, min(len(names), rng.randint(1, 3))) if graph else last
    outputs = tuple((f"out{k}", v) for k, v in enumerate(dict.fromkeys([*chosen, *last])))
    steps, batch = rng.randint(1, 5), rng.randint(1, 5 if drawing.sizes is SIZES else 20)
    lengths = tuple(rng.randint(0, steps) for _ in range(batch)) if rng.random() < 0.35 else None
    errors = tuple(name for name, _ in outputs if rng.random() < 0.75) or (outputs[0][0],)
    passes = None if rng.random() < 0.6 else tuple(p for p in PASSES if rng.random() < 0.6)
    body = Body(tuple((n, w) for n, w, _ in inputs), tuple(drawing.ops), outputs)
    axes = tuple(kind for *_, kind in inputs)
    statistics = any(op.kind == "batch norm" for op in drawing.ops)  # they exist only after a training batch
    train, input_errors = statistics or rng.random() < 0.8, rng.random() < 0.85
    single = rng.random() < 0.15
    return Trial(body, axes, steps, batch, lengths, errors, passes, train, input_errors, seed, single)
