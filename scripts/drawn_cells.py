"""Write the pictures of docs/drawn_cells.md: cells opened down to each gate.

    python scripts/drawn_cells.py            write docs/pictures/*.svg, and pages of traces into runs/drawn_cells
    python scripts/drawn_cells.py --check    exit with 1 if a picture in docs/pictures is not what this would write

graphlay and graphnet-recurrent are needed.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from distributions import ROOT

import graphnet
from graphnet import CellGraph, Scan, Sequential

PICTURES = ROOT / "docs" / "pictures"
#: The cells by the name in ``graphnet_recurrent.cell_named``, with their units.
CELLS = {"lstm": 3, "gru": 3, "mlstm": 2, "mamba": 3}


def cell(name: str) -> CellGraph:
    """Return the cell of a picture."""
    from graphnet_recurrent import cell_named

    found: CellGraph = cell_named(name, CELLS[name])
    return found


def picture(name: str) -> str:
    """Return the picture of a cell: a Scan over sequences of as many features as the cell has units."""
    graph = Sequential(Scan(cell(name)), shape=f"time, batch, feature={CELLS[name]}")
    return graph.to_svg()


def main() -> int:
    """Write or check the pictures, and write the traces."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="compare only")
    parser.add_argument("--output", type=Path, default=ROOT / "runs" / "drawn_cells", help="a folder for the pages")
    options = parser.parse_args()
    changed = []
    for name in CELLS:
        path, text = PICTURES / f"{name}.svg", picture(name)
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            changed.append(path.name)
        if not options.check:
            PICTURES.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8", newline="\n")
            options.output.mkdir(parents=True, exist_ok=True)
            graphnet.trace(cell(name), options.output / f"{name}.html", force=True)
    print(f"changed: {', '.join(changed) or 'nothing'}")
    return 1 if options.check and changed else 0


if __name__ == "__main__":
    raise SystemExit(main())
