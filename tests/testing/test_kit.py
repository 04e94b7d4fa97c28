"""The conformance kit itself: cases, capabilities, reports, the decorator and the command."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from wrong import SEQUENCE
from wrong_rules import Cube, Sign
from wrong_sequences import GoodCell

from graphnet import Affine, ConfigError, FullyConnected, GraphnetDeprecationWarning, Layer
from graphnet.cli import main
from graphnet.core.run.padding import RowEnds
from graphnet.testing import CAPABILITIES, CHECKS, Case, conformance, run
from graphnet.testing.array_diff import compare, describe_difference
from graphnet.testing.case_run import CaseRun
from graphnet.testing.derivatives import check_slope
from graphnet.testing.harness import Harness
from graphnet.testing.outcome import summarize

ROWS = "batch=4, feature=3"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Case(int), "not a layer.*subclass of Layer"),
        (lambda: Case(Cube, {}, "batch, feature=3"), "every axis needs a size"),
        (lambda: Case(Cube, {}, "batch=2, feature=0"), "every axis needs a size"),
        (lambda: Case(Cube, {}, 3), "invalid input specification"),
        (lambda: Case(Cube, {}, []), "no inputs"),
        (lambda: Case(Cube, claims={"elementwse"}), "Did you mean 'elementwise'"),
        (lambda: Case(Cube, claims="elementwise"), "must be a collection"),
        (lambda: Case(Cube, claims={"rows"}, disclaims={"rows"}), "both claimed and disclaimed"),
        (lambda: conformance(), "not cases"),
        (lambda: conformance(Cube), "not cases"),
    ],
)
def test_invalid_case_is_refused(make, message):
    with pytest.raises(ConfigError, match=message):
        make()


def test_too_few_inputs_are_reported():
    class Two(Layer):
        """a + b."""

        def apply(self, a, b):
            return a + b, None

        def pull(self, saved, error):
            return error, error

    (first,) = [o for o in run([Case(Two, {}, ROWS)]) if o.check == "runs"]
    assert first.status == "failed"
    assert "too few inputs" in first.message


def test_capabilities_are_detected():
    assert Harness(Case(Affine, {}, ROWS)).capabilities >= {"derivative", "linear", "float32", "file", "cell"}
    dense = Harness(Case(FullyConnected, {"input_size": 3, "output_size": 2}, ROWS)).capabilities
    assert "weights" in dense
    assert not dense & {"random", "memory", "buffers", "phases"}
    assert "derivative" not in Harness(Case(Affine, {}, ROWS, disclaims={"derivative"})).capabilities
    assert dense <= set(CAPABILITIES)


def test_unchecked_claim_fails():
    (summary,) = [o for o in run([Case(Affine, {}, ROWS, claims={"memory"})]) if o.check == "summary"]
    assert summary.status == "failed"
    outcome = CaseRun(Case(Affine, {}, ROWS, claims={"random"})).run("seeded")
    assert outcome.status == "failed"


def test_summary_counts_and_gives_reasons():
    outcomes = list(run([Case(Affine, {}, ROWS)]))
    skipped = [o for o in outcomes if o.status == "skipped"]
    assert outcomes[-1].message == summarize(len(CHECKS), skipped)
    assert outcomes[-1].message.startswith(
        f"ran {len(CHECKS) - len(skipped)} of {len(CHECKS)}, skipped {len(skipped)}: "
    )


def test_check_without_comparison_fails(monkeypatch):
    from graphnet.testing import check

    monkeypatch.setitem(CHECKS, "idle", check.Check("idle", lambda subject: None, ()))
    assert CaseRun(Case(Affine, {}, ROWS)).run("idle").message == "the check compared nothing"


def test_slope_of_smooth_and_kinked_functions():
    assert check_slope(np.exp, 1.0, 1.0)[0]
    assert not check_slope(np.exp, 1.0 + 1e-5, 1.0)[0]
    assert all(check_slope(abs, value, 1.0)[0] for value in (-1.0, 0.0, 0.7, 1.0))
    assert not check_slope(abs, 1.2, 1.0)[0]
    assert not check_slope(lambda x: abs(x - 3e-5), 1.0, 1.0)[0]
    assert check_slope(lambda x: abs(x - 3e-5), -1.0, 1.0)[0]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda a: -a, "wrong sign"),
        (lambda a: 0.25 * a, "0.25 times"),
        (lambda a: a.T, "the transpose"),
        (lambda a: a * np.array([[1], [1], [3]]), "3 times the expected value at index 2 (the last) of axis 0"),
        (lambda a: a * np.array([1, 0, 0]), "zero at indices from 1 on of axis 1"),
        (lambda a: a * np.array([-1, 1, 1]), "the sign is wrong at index 0 of axis 1"),
        (lambda a: abs(a), "the absolute value"),
        (lambda a: a * np.array([[1.5], [2], [3]]), "scaled along axis 0, by 1.5, 2, 3"),
        (lambda a: a[::-1], "reversed along axis 0"),
        (lambda a: a[:, [1, 0, 2]], "indices 0 and 1 of axis 1 are exchanged"),
        (lambda a: np.roll(a, 1, 0), "shifted by 1 along axis 0"),
        (lambda a: a[[0, 0, 1]], "repeated: 0, 0, 1"),
        (lambda a: np.concatenate([a[:1] * 0, a[:-1]]), "shifted by 1 along axis 0"),
        (lambda a: a + 0.5, "too large by 0.5"),
        (lambda a: 0 * a + a.mean(0), "the mean of the expected ones over axis 0"),
        (lambda a: np.where(a < 0, 0.3 * a + 7, a), "whose expected value is below 0 are wrong"),
        (lambda a: 0 * a, "every element is zero"),
        (lambda a: a + np.nan, "NaN"),
        (lambda a: a + np.eye(3), "elements differ"),
    ],
)
def test_difference_is_described(change, words):
    array = np.random.default_rng(0).normal(size=(3, 3))
    assert words in describe_difference(change(array), array)
    assert words in compare(change(array), array, 1e-9)


def test_equal_arrays_have_no_difference():
    array = np.random.default_rng(0).normal(size=(3, 3))
    assert compare(array + 1e-12, array, 1e-9) is None
    assert "shape" in compare(array[:2], array, 1e-9)


@pytest.mark.slow
def test_conformance_makes_one_item_per_check(tmp_path):
    (tmp_path / "test_it.py").write_text(
        "import numpy as np\nfrom graphnet import Layer\nfrom graphnet.testing import Case, conformance\n\n\n"
        'class Cube(Layer):\n    """y = x³."""\n\n    def apply(self, x):\n        return x**3, x\n\n'
        "    def pull(self, x, error):\n        return FACTOR * error * x**2\n\n\nFACTOR = 3\n\n\n"
        '@conformance(Case(Cube, {}, (4, 3)))\ndef test_layers(check):\n    """Cubes."""\n    check()\n'
    )

    def pytest_run():
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-rs", str(tmp_path)]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    right = pytest_run()
    assert right.returncode == 0, right.stdout
    assert "graphnet conformance, 1 cases: ran" in right.stdout
    assert f"of {len(CHECKS)}, skipped" in right.stdout
    source = tmp_path / "test_it.py"
    source.write_text(source.read_text().replace("FACTOR = 3", "FACTOR = -3"))
    wrong = pytest_run()
    assert wrong.returncode == 1
    assert (
        "Cube(), input_errors: the error for input 'x' (pull) is not the derivative: every element is -1 times"
        in wrong.stdout
    )


@pytest.mark.slow
def test_check_command_writes_json():
    shell = CliRunner()
    done = shell.invoke(main, ["check", "graphnet-conv", "--json"])
    assert done.exit_code == 0, done.output
    found = json.loads(done.output)
    assert found["passed"]
    assert {o["check"] for o in found["outcomes"]} > {*CHECKS, "metadata", "import time", "names free", "summary"}
    assert shell.invoke(main, ["check", "graphnet-cnv"]).exit_code == 2


@pytest.mark.slow
def test_check_command_fails_for_wrong_layer():
    import types

    from graphnet.plugins import PluginManager, hookimpl, using

    host = PluginManager()
    host.load(allow=())
    module = types.ModuleType("faulty")

    @hookimpl
    def graphnet_register_layers(register):
        register(Sign)

    module.graphnet_register_layers = graphnet_register_layers
    host.register(module, name="faulty", distribution="graphnet-faulty")
    with using(host):
        from graphnet.testing.guess import guess_case

        assert guess_case(Sign).layer is Sign
        done = CliRunner().invoke(main, ["check", "graphnet-faulty"])
    assert done.exit_code == 1
    assert (
        "failed: Sign() as guessed, input_errors: the error for input 'x' (pull) is not the derivative" in done.output
    )


def test_case_is_guessed_from_types():
    from graphnet.testing.guess import guess_case

    dense = guess_case(FullyConnected)
    assert (dense.config, dense.inputs) == ({"input_size": 3, "output_size": 3}, ["batch=4, feature=3"])
    assert guess_case(Affine).config == {}

    class Odd(Layer):
        """Wants a name."""

        name: str

        def apply(self, x):
            return x, None

    assert guess_case(Odd) is None


def test_generated_pages_are_current():
    from graphnet.plugins import hookspecs

    sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))
    import reference

    docs = Path(__file__).parents[2] / "docs"
    assert (docs / "hooks.md").read_text(encoding="utf-8") == reference.hooks_page()
    assert (docs / "plugin_host.md").read_text(encoding="utf-8") == reference.host_page()
    text = (docs / "conformance.md").read_text(encoding="utf-8")
    for name, each in CHECKS.items():
        assert f"| `{name}` | {', '.join(each.needs) or '—'} | {each.description} |" in text
    assert all(
        f"`{kind.hook}(register)`" in (docs / "hooks.md").read_text(encoding="utf-8")
        for kind in hookspecs.KINDS.values()
    )


def test_padded_rows_detects_zero_padding(monkeypatch):
    """With zeros in place of copies of valid steps, NaN beyond the ends reaches every gradient."""
    case = Case(GoodCell, {}, SEQUENCE)
    assert CaseRun(case).run("padded_rows").status == "passed"
    monkeypatch.setattr(RowEnds, "repeated", RowEnds.zeroed)
    outcome = CaseRun(case).run("padded_rows")
    assert outcome.status == "failed"
    assert "NaN" in outcome.message


def test_former_names_warn_and_work():
    outcome = CaseRun(Case(Affine, {}, ROWS)).run("standalone")
    assert outcome.as_dict()["told"] == outcome.message == ""
    with pytest.warns(GraphnetDeprecationWarning, match="Outcome.message"):
        assert outcome.told == outcome.message
    with pytest.warns(GraphnetDeprecationWarning, match="'by_itself' is now called 'standalone'"):
        assert CHECKS["by_itself"] is CHECKS["standalone"]
    with pytest.raises(KeyError):
        CHECKS["unknown"]
    with pytest.warns(GraphnetDeprecationWarning, match="Check.description"):
        assert CHECKS["runs"].says == CHECKS["runs"].description


def test_every_check_is_in_the_table():
    import pkgutil
    from importlib import import_module

    from graphnet.testing import Check, checks

    modules = [import_module(f"graphnet.testing.checks.{m.name}") for m in pkgutil.iter_modules(checks.__path__)]
    defined = {check.name for module in modules for check in vars(module).values() if isinstance(check, Check)}
    assert defined == set(CHECKS)
