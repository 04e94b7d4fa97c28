"""Write the pictures of docs/drawn_cells.md: cells opened down to each gate; and pages that step through them.

    python scripts/drawn_cells.py            write docs/pictures/*.svg, and pages of traces into runs/drawn_cells
    python scripts/drawn_cells.py --check    exit with 1 if a picture in docs/pictures is not what this would write

The site of the manual has the pages of traces in docs/traces. graphlay and graphnet-recurrent are needed.
"""

from __future__ import annotations

import argparse
import re
import tempfile
from pathlib import Path

from distributions import ROOT

import graphnet
from graphnet import CellGraph, Graph, Scan, Sequential

PAGE = ROOT / "docs" / "drawn_cells.md"
PICTURES = ROOT / "docs" / "pictures"
#: The cells by the name in ``graphnet_recurrent.cell_named``, with their units; and the one whose file is in the page.
CELLS = {"elman": 3, "lstm": 3, "gru": 3, "min_gru": 3, "mlstm": 2, "mamba": 3, "memory": 3}
OWN = "memory"


def graph(name: str) -> Graph:
    """Return the graph of a picture: a Scan over sequences of as many features as the cell has units."""
    if name == OWN:
        (text,) = re.findall(r"^```yaml\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "memory.yaml")
            path.write_text(text, encoding="utf-8")
            return graphnet.load(path).graph
    from graphnet_recurrent import cell_named

    cell: CellGraph = cell_named(name, CELLS[name])
    return Sequential(Scan(cell), shape=f"time, batch, feature={CELLS[name]}", name=name)


def picture(name: str) -> str:
    """Return the picture of a cell."""
    return graph(name).to_svg()


def write_traces(folder: Path) -> None:
    """Write a page for each cell that steps through it on 5 random steps, forward and backward."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in CELLS:
        graphnet.trace(graph(name), folder / f"{name}.html", steps=5, force=True)


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
    if not options.check:
        write_traces(options.output)
    print(f"changed: {', '.join(changed) or 'nothing'}")
    return 1 if options.check and changed else 0


if __name__ == "__main__":
    raise SystemExit(main())
