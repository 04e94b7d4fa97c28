"""Wrong and right layers that were written without knowing the kit's checks."""

import contextlib
import importlib
import io
import warnings
from pathlib import Path

import numpy as np
import pytest
from right_layers import RIGHT

from graphnet.plugins.guard import guarded
from graphnet.testing import CHECKS
from graphnet.testing.case_run import CaseRun

pytestmark = pytest.mark.slow

FILES = sorted(Path(__file__).parent.joinpath("faults").glob("faults_*.py"))
MODULES = [importlib.import_module(file.stem) for file in FILES if file.stem != "faults_base"]
FAULTS = [fault for module in MODULES for fault in module.FAULTS]
#: What the kit lets pass, and why.
PASSED = {
    "naive logistic": "right numbers, with an overflow warning at 1e4: many right layers do so",
    "infer free features": "features are known wherever such a layer stands",
    "infer silent": "graphnet itself adds where; the rest is the author's taste",
    "infer one input": "numpy refuses what does not fit, with the node's path",
    "flatten free": "image sizes are known wherever such a layer stands",
    "fans swapped": "initial weights of another scale are no contradiction",
    "unhelpful docstring": "nobody can tell by machine",
    "weights late": "works, if later than it might",
    "error for tokens": "graphnet ignores it",
    "ragged: ignored": "the layer does not claim to heed lengths",
    "ragged: empty rows": "a row alone has at least one step",
    "ragged: last row": "errors for steps that do not exist are discarded",
}
#: Quick ones first: most faults are caught by these.
FIRST = ("runs", "input_errors", "weight_gradients", "arguments_untouched", "repeatable", "bad_input", "optimizer_step")
ORDER = [*FIRST, *(name for name in CHECKS if name not in FIRST)]


@pytest.fixture(autouse=True)
def _guarded():
    """Some of these layers change the settings of the process."""
    with guarded([]), warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        yield


def caught(case):
    prepared = CaseRun(case)
    with contextlib.redirect_stdout(io.StringIO()):
        return next((name for name in ORDER if prepared.run(name).status == "failed"), None)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_wrong_layer_is_caught_unless_it_is_known_to_pass(fault):
    assert (caught(fault.case) is None) == (fault.name in PASSED)


def test_nineteen_of_twenty_are_caught():
    assert len(FAULTS) >= 300
    assert len(PASSED) <= 0.05 * len(FAULTS)
    assert set(PASSED) <= {fault.name for fault in FAULTS}


@pytest.mark.parametrize("case", RIGHT, ids=lambda case: case.label)
def test_a_right_layer_is_not_blamed(case):
    prepared = CaseRun(case)
    failed = [outcome for outcome in map(prepared.run, CHECKS) if outcome.status == "failed"]
    assert not failed
    assert prepared.summary().status == "passed"
