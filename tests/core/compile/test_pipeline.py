"""The names of passes, and what each pass returns."""

import importlib

import pytest
from helpers.inspected_model import model

from graphnet import Runner, UnknownNameError
from graphnet.core.compile.pipeline import EVERY, PASSES, RENAMED, select_passes
from graphnet.core.errors import GraphnetDeprecationWarning


@pytest.mark.parametrize("name", [name for name in PASSES if name != "recurrences"])  # a package, which takes plans
def test_pass_has_its_own_file(name):
    module = importlib.import_module(f"graphnet.core.compile.passes.{name}")
    assert callable(getattr(module, name))
    assert "cost" in module.__doc__.lower()


def test_selected_passes_are_a_set():
    assert select_passes(PASSES) == EVERY
    assert select_passes([]) == frozenset()


@pytest.mark.parametrize(("old", "new"), RENAMED.items())
def test_former_name_warns(old, new):
    with pytest.warns(GraphnetDeprecationWarning, match=f"{old!r} is now named {new!r}"):
        runner = Runner(model(), passes=[old])
    assert runner.passes == {new}


def test_unknown_pass_suggests_the_nearest():
    with pytest.raises(UnknownNameError, match="hoist"):
        Runner(model(), passes=["hoists"])


def test_notes_are_listed_in_order():
    (scan, _) = model().explain(batch=2, steps=3).parts
    names = [name for name, _ in scan.notes]
    assert names == [
        "recurrences",
        "trace",
        "split",
        "sum_factors",
        "reassociate",
        "factor",
        "merge",
        "augment",
        "insert_copies",
        "recompute",
        "legalize",
        "hoist",
        "batch_calls",
        "allocate",
    ]
