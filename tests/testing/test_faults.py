"""Wrong and right layers that were written without knowledge of the kit's checks."""

import contextlib
import importlib
import io
import warnings
from pathlib import Path

import numpy as np
import pytest
from detected_by import DETECTED_BY
from right_layers import RIGHT

from graphnet.plugins.guard import guarded
from graphnet.testing import CHECKS
from graphnet.testing.case_run import CaseRun

pytestmark = pytest.mark.slow

FILES = sorted(Path(__file__).parent.joinpath("faults").glob("faults_*.py"))
MODULES = [importlib.import_module(file.stem) for file in FILES if file.stem != "faults_base"]
FAULTS = [fault for module in MODULES for fault in module.FAULTS]
#: The faults that the kit does not detect, and why.
PASSED = {
    "naive logistic": "correct results, with an overflow warning at 1e4, as in many correct layers",
    "infer silent": "graphnet adds the place to the error",
    "infer one input": "numpy raises an error, to which the node's path is added",
    "flatten free": "image sizes are always known in a graph",
    "fans swapped": "initial weights of another scale are allowed",
    "unhelpful docstring": "not decidable by a program",
    "weights late": "works, only later than necessary",
    "error for tokens": "graphnet ignores it",
    "ragged: last row": "errors for steps that do not exist are discarded",
}
#: The checks that detect most faults run first.
FIRST = (
    "runs",
    "input_errors",
    "weight_gradients",
    "arguments_unmodified",
    "repeatable",
    "bad_input",
    "optimizer_step",
)
ORDER = [*FIRST, *(name for name in CHECKS if name not in FIRST)]


@pytest.fixture(autouse=True)
def _guarded():
    """Restore the settings of the process, which some of these layers change."""
    with guarded([]), warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        yield


def caught(fault):
    """The check that detects a wrong layer."""
    prepared = CaseRun(fault.case)
    likely = [name for name, faults in DETECTED_BY.items() if fault.name in faults]
    order = [*likely, *(name for name in ORDER if name not in likely)]
    with contextlib.redirect_stdout(io.StringIO()):
        return next((name for name in order if prepared.run(name).status == "failed"), None)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_wrong_layer_is_detected(fault):
    assert (caught(fault) is None) == (fault.name in PASSED)


def test_detected_faults_exist():
    assert set().union(*DETECTED_BY.values()) <= {fault.name for fault in FAULTS}
    assert set(DETECTED_BY) <= set(CHECKS)


def test_at_most_one_in_twenty_passes():
    assert len(FAULTS) >= 300
    assert len(PASSED) <= 0.05 * len(FAULTS)
    assert set(PASSED) <= {fault.name for fault in FAULTS}


@pytest.mark.parametrize("case", RIGHT, ids=lambda case: case.label)
def test_right_layer_passes(case):
    prepared = CaseRun(case)
    failed = [outcome for outcome in map(prepared.run, CHECKS) if outcome.status == "failed"]
    assert not failed
    assert prepared.summary().status == "passed"


@pytest.mark.parametrize(
    ("name", "check"),
    [
        ("rank: softmax", "other_ranks"),
        ("size: wide", "other_sizes_of_axes"),
        ("long: halved", "long_sequences"),
        ("infer writes rows", "infer_keeps_nothing"),
        ("NaN at the ends", "domain_ends"),
        ("ids: clip", "ids"),
        ("empty row: NaN", "empty_rows"),
        ("padding: mean", "unread_lengths"),
        ("last batch only", "statistics"),
        ("NaN at a large mean", "float32"),
        ("tie of inputs: both", "ties"),
    ],
)
def test_unusual_input_is_tried(name, check):
    case = next(fault.case for fault in FAULTS if fault.name == name)
    assert CaseRun(case).run(check).status == "failed"


def test_refused_sizes_are_in_the_summary():
    case = next(case for case in RIGHT if case.label == "SixPositions(size=4)")
    message = CaseRun(case).summary().message
    assert "more than 5 steps, which infer refuses" in message
    assert len(message) < 600


@pytest.mark.parametrize(
    ("name", "check", "words"),
    [
        ("size: pairs", "other_sizes_of_axes", "the backward pass fails"),
        ("NaN below zero", "runs", "set the domain of the case"),
        ("NaN error at the ends", "domain_ends", "the error for 'x' has NaN at"),
        ("ids: one more", "ids", "counts as 0; expected a DataError that names the range; disclaim 'ids'"),
        ("region: outside", "input_errors", "only where its size is above 1"),
    ],
)
def test_message_names_the_border(name, check, words):
    case = next(fault.case for fault in FAULTS if fault.name == name)
    assert words in CaseRun(case).run(check).message
