"""ONNX's backend tests, run through the backend; the data are those of the installed onnx."""

import pytest
from click.testing import CliRunner

from graphnet_onnx.conformance.cases import collected
from graphnet_onnx.conformance.command import command
from graphnet_onnx.conformance.kinds import TYPES
from graphnet_onnx.conformance.report import RANDOM, claimed, run_case

#: Operators of the issue that must be claimed, with the least number of tests of onnx 1.17.
CLAIMED = {
    "RNN": 3,
    "GRU": 3,
    "LSTM": 3,
    "Scan": 1,
    "Conv": 4,
    "MaxPool": 8,
    "AveragePool": 10,
    "Softmax": 6,
    "Relu": 1,
}


@pytest.fixture(scope="module")
def node_cases():
    return [case for case in collected("node") if case.types <= set(TYPES)]


def test_all_node_tests_of_claimed_operators_pass(node_cases):
    outcomes = [run_case(case) for case in node_cases if claimed(case.operator)]
    assert len(outcomes) > 900
    assert [outcome for outcome in outcomes if outcome.result != "passed"] == []
    for operator, least in CLAIMED.items():
        assert sum(outcome.operator == operator for outcome in outcomes) >= least, operator


def test_only_random_operators_are_not_claimed(node_cases):
    assert {case.operator for case in node_cases if not claimed(case.operator)} <= set(RANDOM)


@pytest.mark.parametrize("kind", ["simple", "pytorch-converted", "pytorch-operator", "light"])
def test_whole_models_pass(kind):
    """Of the networks of the kind ``light`` only one, because the others take long.

    The weights of squeezenet make 1,000 equal numbers so large that a softmax shows the order of each sum.
    """
    cases = [case for case in collected(kind) if case.types <= set(TYPES)]
    if kind == "light":
        cases = [case for case in cases if "shufflenet" in case.name]
    outcomes = [run_case(case) for case in cases]
    failed = [outcome for outcome in outcomes if outcome.result != "passed" and "Gradient" not in outcome.reason]
    assert outcomes and failed == []


def test_the_command_prints_a_table_and_says_what_it_left_out():
    result = CliRunner().invoke(command, ["--operator", "LSTM", "--operator", "Abs", "--operator", "NonZero"])
    assert result.exit_code == 0, result.output
    lines = [line.split() for line in result.output.splitlines()]
    (lstm,) = [line for line in lines if line[0] == "LSTM"]
    assert int(lstm[1]) >= 3 and lstm[2:] == ["0", "0", "yes", "layer:", "Scan"]
    assert "100.0 % of" in result.output


def test_an_operator_without_tests_is_refused():
    result = CliRunner().invoke(command, ["--operator", "Abs", "--operator", "Fox"])
    assert result.exit_code == 2 and "there is no node test of Fox" in result.output


def test_a_failure_of_a_claimed_operator_is_the_exit_code(monkeypatch):
    monkeypatch.setattr("graphnet_onnx.operators.elementwise.UNARY", {"Floor": lambda x: x})
    result = CliRunner().invoke(command, ["--operator", "Floor", "--reasons"])
    assert result.exit_code == 1 and "failed: test_floor" in result.output


def test_models_that_are_imported_predict_what_the_tests_expect():
    result = CliRunner().invoke(command, ["--through", "import", "--kind", "pytorch-converted"])
    assert result.exit_code == 0, result.output
    (total,) = [line.split() for line in result.output.splitlines() if line.startswith("total")]
    assert int(total[1]) >= 77 and total[2] == "0"
