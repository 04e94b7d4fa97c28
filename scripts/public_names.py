"""List the public names, one per line: the contract of docs/stability.md.

    python scripts/public_names.py            write tests/public_names.txt
    python scripts/public_names.py --check    exit with 1 if the file is out of date

A name is public if ``__all__`` of a public module holds it. The file is kept under version control so that a review
shows every name that is added or removed.
"""

from __future__ import annotations

import difflib
import importlib
import sys
from collections.abc import Iterator

from distributions import ROOT

LIST = ROOT / "tests" / "public_names.txt"
#: The public modules. Everything else may change in any release.
MODULES = (
    "graphnet",
    "graphnet.authoring",
    "graphnet.callbacks",
    "graphnet.datasets",
    "graphnet.exercise",
    "graphnet.initializers",
    "graphnet.io",
    "graphnet.layers",
    "graphnet.losses",
    "graphnet.metrics",
    "graphnet.optimizers",
    "graphnet.plugins",
    "graphnet.regularizers",
    "graphnet.schedules",
    "graphnet.sweeps",
    "graphnet.testing",
    "graphnet.testing.communicators",
    "graphnet.training",
    "graphnet_activations",
    "graphnet_conv",
    "graphnet_onnx",
    "graphnet_recurrent",
)


def public_names() -> Iterator[str]:
    """Yield every public name with its module, then the hooks of plugins, in the order of the file."""
    import graphnet
    from graphnet.plugins import hookspecs

    for path in MODULES:
        parent, _, child = path.rpartition(".")
        module = getattr(graphnet, child) if parent == "graphnet" else importlib.import_module(path)
        yield from (f"{path}.{name}" for name in sorted(module.__all__))
    yield from (f"hook {name}(register)" for name in sorted(kind.hook for kind in hookspecs.KINDS.values()))


def main(arguments: list[str]) -> int:
    """Write or compare the list; return the exit code."""
    text = "\n".join([*public_names(), ""])
    if "--check" not in arguments:
        LIST.write_text(text, encoding="utf-8")
        print(f"wrote {LIST.relative_to(ROOT)}")
        return 0
    listed = LIST.read_text(encoding="utf-8")
    changes = difflib.unified_diff(listed.splitlines(), text.splitlines(), "listed", "defined", n=0, lineterm="")
    for line in changes:
        print(line)
    if listed != text:
        print("If the change is intended, run: python scripts/public_names.py. See docs/stability.md for removals.")
    return 0 if listed == text else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
