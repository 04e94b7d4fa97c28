"""The classes of docs/plugins.md, which its readers write and register."""

import re
from pathlib import Path

from graphnet.plugins import manager

GUIDE = Path(__file__).parents[2] / "docs" / "plugins.md"


def test_no_class_of_the_guide_has_the_name_of_a_registered_layer():
    """Otherwise `graphnet check` of the guide's plugin fails: the short name would mean two layers."""
    defined = set(re.findall(r"^class (\w+)\(", GUIDE.read_text(encoding="utf-8"), re.MULTILINE))
    entries = manager().registry.entries("layers")
    taken = {entry.name: entry.id for entry in entries if entry.distribution.startswith("graphnet-")}
    assert len(defined) >= 3 and len(taken) > 30
    assert {name: taken[name] for name in defined & taken.keys()} == {}
