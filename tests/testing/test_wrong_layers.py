"""Every wrong layer is detected by the documented checks; every right layer passes."""

import contextlib
import io
from pathlib import Path

import pytest
import wrong_phases
import wrong_rules
import wrong_sequences
import wrong_weights

from graphnet.testing import CHECKS, run
from graphnet.testing.case_run import CaseRun

pytestmark = pytest.mark.slow

MODULES = (wrong_rules, wrong_weights, wrong_phases, wrong_sequences)
WRONG = [*wrong_rules.RULES, *wrong_weights.WEIGHTS, *wrong_phases.PHASES, *wrong_sequences.SEQUENCES]
PAGE = Path(__file__).parents[2] / "docs" / "conformance.md"

#: The checks whose faults are in tests/testing/faults/faults_unusual.py.
UNUSUAL = {
    "other_ranks",
    "other_sizes_of_axes",
    "long_sequences",
    "infer_keeps_nothing",
    "domain_ends",
    "ids",
    "empty_rows",
    "unread_lengths",
}


def documented_checks():
    """The checks that detect each wrong layer, from docs/conformance.md."""
    rows = [
        line.strip("|").split("|") for line in PAGE.read_text(encoding="utf-8").split("## Wrong layers")[1].splitlines()
    ]
    return {cells[0].strip(): [n.strip() for n in cells[2].split(",")] for cells in rows if len(cells) == 3}


TABLE = documented_checks()


def test_wrong_layers_have_distinct_faults():
    assert len({wrong.case.layer for wrong in WRONG}) == len(WRONG) >= 40
    assert len({wrong.fault for wrong in WRONG}) == len(WRONG)
    assert {wrong.name for wrong in WRONG} == set(TABLE) - {"layer", "---"}


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: wrong.name)
def test_documented_check_detects_wrong_layer(wrong):
    name = TABLE[wrong.name][0]
    with contextlib.redirect_stdout(io.StringIO()):
        outcome = CaseRun(wrong.case).run(name)
    assert outcome.status == "failed", f"{wrong.name} ({wrong.fault}) passes {name}"
    assert len(outcome.message) > 20


def test_checks_detect_some_wrong_layer():
    named = {name for names in TABLE.values() for name in names}
    assert set(CHECKS) - named <= {"name_free", "exact_truncation", *UNUSUAL}


@pytest.mark.parametrize("case", [case for module in MODULES for case in module.RIGHT], ids=lambda case: case.label)
def test_right_layers(case):
    """The right layers from which the wrong ones are derived."""
    assert [outcome for outcome in run([case]) if outcome.status == "failed"] == []
