"""Write the pages of docs/ that follow from the code: docs/hooks.md and docs/conformance.md.

    python scripts/reference.py            write them
    python scripts/reference.py --check    exit with 1 if one is not what the code says

The table of wrong layers is measured: every check runs on every one of them (about a minute).
"""

from __future__ import annotations

import contextlib
import importlib
import inspect
import io
import os
import sys
from collections.abc import Iterator
from typing import Any

from distributions import ROOT

DOCS = ROOT / "docs"
#: What each trait of ``graphnet.Layer`` promises.
TRAITS = {
    "elementwise": "each number of the output depends on the number at its own place alone: any layout, any block",
    "rowwise": "rows do not mix: leading axes may be folded together, rows taken in any order",
    "integer_inputs": "positions of inputs that are whole numbers, stay so, and get no error",
    "draws": "names of the arrays that `draw` makes for the train phase",
}


def hooks_page() -> str:
    """docs/hooks.md."""
    from graphnet.plugins import PluginManager, hookspecs
    from graphnet.plugins.validation import EXPECTED

    host = PluginManager()
    host.load(allow=())
    rows = ["| hook | since | registers | must be | graphnet's own |", "|---|---|---|---|---|"]
    for hook, kind in hookspecs.KINDS.items():
        says = " ".join((inspect.getdoc(getattr(hookspecs, hook)) or "").replace("``", "`").split())
        own = host.registry.entries(kind)
        named = f"{len(own)}, such as `{own[0].name}`" if own else "none"
        rows.append(f"| `{hook}(register)` | {hookspecs.SINCE[kind]} | {says} | {EXPECTED[kind]} | {named} |")
    return "\n".join(
        [
            "# Hooks and traits",
            "",
            "Written by `python scripts/reference.py` from `graphnet/plugins/hookspecs.py`, `validation.py` beside it",
            "and `graphnet/core/describe/layer.py`. Guide: [plugins.md](plugins.md); examples: `examples/hooks/`.",
            "",
            f"## Hooks, version {hookspecs.API}",
            "",
            "A hook is called once, with `register(object, name=None)`. A plugin whose module says",
            f"`{hookspecs.NEEDED} = n` needs version n; hooks are only ever added: one that says nothing works.",
            "",
            *rows,
            "",
            "## Traits of a layer",
            "",
            "Class attributes of `graphnet.Layer`. The compiler reads rules by itself; the first two are promises for",
            "layers that it cannot read, and the conformance kit checks them.",
            "",
            "| trait | default | promises |",
            "|---|---|---|",
            *(f"| `{name}` | `{_default(name)}` | {says} |" for name, says in TRAITS.items()),
            "",
            "## Rules of a layer",
            "",
            "| method | says |",
            "|---|---|",
            *(f"| `{name}{signature}` | {says} |" for name, signature, says in _rules()),
            "",
        ]
    )


def _default(trait: str) -> Any:
    from graphnet import Layer

    return getattr(Layer, trait)


def _rules() -> Iterator[tuple[str, str, str]]:
    from graphnet import Layer

    for name in ("check", "parameters", "buffers", "infer", "draw", "apply", "pull", "grad", "update"):
        method = getattr(Layer, name)
        shown = ", ".join(
            f"{'*' * (1 if p.kind is p.VAR_POSITIONAL else 2 if p.kind is p.VAR_KEYWORD else 0)}{p.name}"
            for p in inspect.signature(method).parameters.values()
            if p.name != "self"
        )
        text = (inspect.getdoc(method) or "").split("\n\n")[0]
        yield name, f"({shown})", " ".join(text.replace("``", "`").replace("|", "\\|").split())


def conformance_page() -> str:
    """docs/conformance.md."""
    from graphnet.testing import CAPABILITIES, CHECKS

    table = [(wrong, caught(wrong.case)) for wrong in wrong_layers()]
    count = {name: sum(name in checks for _, checks in table) for name in CHECKS}
    return "\n".join(
        [
            "# The conformance kit",
            "",
            "Written by `python scripts/reference.py` from `graphnet/testing/` and `tests/testing/`. How to use it:",
            "[plugins.md](plugins.md).",
            "",
            "## Checks",
            "",
            "A check applies to a layer that has all the capabilities in its second column; the last column counts the",
            "wrong layers below that it catches.",
            "",
            "| check | needs | looks at | catches |",
            "|---|---|---|---|",
            *(f"| `{n}` | {', '.join(c.needs) or '—'} | {c.description} | {count[n]} |" for n, c in CHECKS.items()),
            "",
            "## Capabilities",
            "",
            "Those of a layer follow from its class and from a few passes; a case adds some by `claims` and takes some",
            "away by `disclaims`.",
            "",
            "| capability | says |",
            "|---|---|",
            *(f"| `{name}` | {says} |" for name, says in CAPABILITIES.items()),
            "",
            f"## Wrong layers: {len(table)}, each wrong in one way",
            "",
            "| layer | fault | caught by |",
            "|---|---|---|",
            *(f"| {wrong.name} | {wrong.fault} | {', '.join(checks) or 'NOTHING'} |" for wrong, checks in table),
            "",
        ]
    )


def wrong_layers() -> list[Any]:
    """Every wrong layer of tests/testing."""
    sys.path.insert(0, str(ROOT / "tests" / "testing"))
    lists = {"rules": "RULES", "weights": "WEIGHTS", "phases": "PHASES", "sequences": "SEQUENCES"}
    modules = {importlib.import_module(f"wrong_{module}"): name for module, name in lists.items()}
    return [wrong for module, name in modules.items() for wrong in getattr(module, name)]


def caught(case: Any) -> list[str]:
    """The checks that fail."""
    from graphnet.testing import run

    with contextlib.redirect_stdout(io.StringIO()):
        return [outcome.check for outcome in run([case]) if outcome.status == "failed" and outcome.check != "summary"]


def main(arguments: list[str]) -> int:
    """Write or compare the pages; the exit code."""
    os.environ["GRAPHNET_PLUGINS"] = "recurrent,conv,activations"
    stale = []
    for name, page in (("hooks.md", hooks_page), ("conformance.md", conformance_page)):
        text = page()
        if "--check" in arguments:
            stale += [] if (DOCS / name).read_text(encoding="utf-8") == text else [name]
        else:
            (DOCS / name).write_text(text, encoding="utf-8")
            print(f"wrote docs/{name}")
    for name in stale:
        print(f"docs/{name} is not what the code says: python scripts/reference.py")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
