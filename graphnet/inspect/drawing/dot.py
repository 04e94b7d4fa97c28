"""A drawing in the language of Graphviz."""

from __future__ import annotations

from collections.abc import Iterator

from graphnet.inspect.drawing.boxes import Box, Drawing
from graphnet.inspect.drawing.places import label, subtitle, title


def to_dot(drawing: Drawing, depth: int | None = None) -> str:
    """Return a drawing as a file for ``dot``, with composites open down to ``depth`` (None: all), as clusters.

    The language is described at https://graphviz.org/doc/info/lang.html.
    """
    lines = [
        f"digraph {_quoted(drawing.name)} {{",
        "  compound=true; node [shape=box, style=rounded, fontname=sans]; edge [fontname=sans, fontsize=10];",
        *(f"  {line}" for line in _body(drawing, "", depth)),
        "}",
    ]
    return "\n".join(lines) + "\n"


def _body(drawing: Drawing, prefix: str, depth: int | None) -> Iterator[str]:
    """Boxes are numbered, ``n0_3`` is box 3 inside box 0; a line to an open box ends at its border."""
    opened = depth is None or depth > 0
    for number, box in enumerate(drawing.boxes):
        here = f"{prefix}{number}"
        if box.inner is None or not opened:
            words = [title(box), subtitle(box)]
            text = _quoted("\n".join(word for word in words if word))
            yield f"n{here} [label={text}{', shape=oval' if box.role != 'node' else ''}];"
            continue
        yield f"subgraph cluster_{here} {{"
        yield f"  label={_quoted(f'{title(box)}: {subtitle(box)}')};"
        yield from (f"  {line}" for line in _body(box.inner, f"{here}_", None if depth is None else depth - 1))
        yield "}"
    for number, line in enumerate(drawing.lines):
        source, tail = _end(drawing.boxes[line.source], f"{prefix}{line.source}", opened, last=True)
        target, head = _end(drawing.boxes[line.target], f"{prefix}{line.target}", opened, last=False)
        options = [f"label={_quoted(label(drawing, number))}"] if not line.repeated else []
        options += [f"ltail={tail}"] * bool(tail) + [f"lhead={head}"] * bool(head)
        attributes = f" [{', '.join(options)}]" if options else ""
        yield f"n{source} -> n{target}{attributes};"


def _end(box: Box, here: str, opened: bool, *, last: bool) -> tuple[str, str]:
    """The number of a closed box at the end of a line, and the cluster at whose border it ends."""
    if box.inner is None or not opened or not box.inner.boxes:
        return here, ""
    return f"{here}_{len(box.inner.boxes) - 1 if last else 0}", f"cluster_{here}"


def _quoted(text: str) -> str:
    """A string of the language: only quotation marks and backslashes have a meaning in it."""
    shown = "".join(c if c.isprintable() or c == "\n" else " " for c in text)
    return '"' + shown.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
