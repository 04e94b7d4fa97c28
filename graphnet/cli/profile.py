"""``graphnet profile``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from graphnet.inspect.profile import Profile


@click.command("profile")
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--batch", type=click.IntRange(1), default=32, show_default=True, help="Rows, if the model does not say.")
@click.option("--steps", type=click.IntRange(1), default=50, show_default=True, help="Steps, if it does not say.")
@click.option("--dtype", type=click.Choice(["float32", "float64"]), default="float32", show_default=True)
@click.option("--repeat", type=click.IntRange(1), default=5, show_default=True, help="Passes; medians are shown.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def command(model: Path, batch: int, steps: int, dtype: str, repeat: int, as_json: bool) -> None:
    """Show the time and bytes of every node of a model, forward and backward, on random numbers."""
    from graphnet.inspect.profile import profile
    from graphnet.models.loading import load

    result = profile(load(model).graph, batch=batch, steps=steps, dtype=dtype, repeat=repeat)
    click.echo(json.dumps(result.to_dict(), indent=2) if as_json else table(result))


def table(result: Profile) -> str:
    """The costs as text."""
    heads = ("node", "layer", "calls", "forward ms", "backward ms", "share", "made KB", "kept KB")
    total = result.total or 1.0
    lines = [
        (
            c.path,
            c.layer,
            f"{c.calls}",
            f"{c.forward * 1e3:.3f}",
            f"{c.backward * 1e3:.3f}",
            f"{(c.forward + c.backward) / total:.1%}",
            f"{c.made / 1e3:.1f}",
            f"{c.kept / 1e3:.1f}",
        )
        for c in result.costs
    ]
    ahead, back = (sum(getattr(c, way) for c in result.costs) * 1e3 for way in ("forward", "backward"))
    calls, made, kept = (sum(getattr(c, what) for c in result.costs) for what in ("calls", "made", "kept"))
    lines.append(("all", "", f"{calls}", f"{ahead:.3f}", f"{back:.3f}", "", f"{made / 1e3:.1f}", f"{kept / 1e3:.1f}"))
    widths = [max(len(line[i]) for line in (heads, *lines)) for i in range(len(heads))]
    text = [
        "  ".join(
            cell.ljust(w) if i < 2 else cell.rjust(w) for i, (cell, w) in enumerate(zip(line, widths, strict=True))
        )
        for line in (heads, tuple("-" * w for w in widths), *lines)
    ]
    compiled = f"{result.compiled_forward * 1e3:.3f} ms forward, {result.compiled_backward * 1e3:.3f} ms backward"
    note = "node by node, each rule by itself; what is kept is what backward reads, shared arrays counted each time"
    return "\n".join([result.setting, note, "", *text, "", f"compiled: {compiled}"])
