"""Bar charts of the ratios of recurrent.py: above 1 where graphnet is slower, below 1 where it is faster."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

from report import PEERS, Table

#: A palette for colour-blind readers (Okabe & Ito).
COLOURS = dict(zip(PEERS, ("#56B4E9", "#0072B2", "#E69F00", "#009E73", "#CC79A7"), strict=True))
WIDTH = 0.2


def available() -> None:
    """Raise SystemExit if matplotlib is missing; called before anything is measured."""
    if importlib.util.find_spec("matplotlib") is None:
        raise SystemExit("--plot needs matplotlib: pip install matplotlib")


def draw(table: Table, file: Path) -> list[Path]:
    """Write one picture for each dtype and number of threads; return the files, ``file`` itself if there is one."""
    groups: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for row in table.rows:
        groups.setdefault((row["dtype"], row["threads"]), []).append(row)
    written = []
    for (dtype, threads), rows in groups.items():
        target = file if len(groups) == 1 else file.with_stem(f"{file.stem}-{dtype}-{threads}")
        plural = "s" if threads > 1 else ""
        title = f"{dtype}, {threads} thread{plural}: time of graphnet relative to the others\n{table.machine}"
        _picture(rows, title, target)
        written.append(target)
    return written


def _picture(rows: list[dict[str, Any]], title: str, file: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    kinds, passes = (list(dict.fromkeys(row[key] for row in rows)) for key in ("kind", "pass"))
    size = (7 * len(passes), 2.6 * len(kinds) + 1)
    figure, panels = plt.subplots(
        len(kinds), len(passes), figsize=size, sharey=True, squeeze=False, layout="constrained"
    )
    for i, kind in enumerate(kinds):
        for j, name in enumerate(passes):
            here = [row for row in rows if row["kind"] == kind and row["pass"] == name]
            _panel(panels[i, j], here, f"{kind}, {name}")
    handles = [plt.Rectangle((0, 0), 1, 1, color=COLOURS[peer]) for peer in PEERS]
    figure.legend(handles, PEERS, loc="outside lower center", ncols=len(PEERS))
    figure.suptitle(title, fontsize=9)
    figure.savefig(file, dpi=120)
    plt.close(figure)


def _panel(axes: Any, rows: list[dict[str, Any]], title: str) -> None:
    """Bars in groups by shape; the axis is logarithmic, so that twice and half are as long."""
    axes.set_yscale("log")
    for i, row in enumerate(rows):
        there = [peer for peer in PEERS if peer in row["ratios"]]
        for k, peer in enumerate(there):
            at, ratio = i + WIDTH * (k - (len(there) - 1) / 2), row["ratios"][peer]
            axes.bar(at, ratio - 1, WIDTH * 0.9, bottom=1, color=COLOURS[peer])
            above = ratio >= 1
            axes.annotate(
                f"{ratio:.2g}",
                (at, ratio),
                (0, 2 if above else -2),
                textcoords="offset points",
                ha="center",
                va="bottom" if above else "top",
                fontsize=7,
            )
    axes.axhline(1, color="black", linewidth=0.8)
    axes.margins(y=0.2)
    axes.set_xticks(range(len(rows)), [", ".join(map(str, row["shape"])) for row in rows], fontsize=7)
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.yaxis.set_minor_formatter(lambda value, _: "")
    axes.set_ylabel("slower   ↑   1   ↓   faster", fontsize=7)
    axes.set_title(title, fontsize=9)
