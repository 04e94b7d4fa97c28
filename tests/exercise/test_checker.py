"""The checker of the exercise: right solutions are not blamed, wrong ones are named."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from graphnet.cli import main
from graphnet.core.errors import FileError
from graphnet.exercise import check
from graphnet.exercise.examine import examine
from graphnet.exercise.finding import FAULT
from graphnet.exercise.sources import find

from .wrong import STILL_RIGHT, WRONG

RIGHT = Path(__file__).parent / "right"
STYLES = sorted(path.name for path in RIGHT.iterdir())


def examined(path, *components, edition=None):
    """All findings of an examination in this process."""
    sources = find(Path(path), edition)
    names = components or sources.selected
    return [finding for _, findings, _ in examine(sources, names) for finding in findings]


def copied(base, folder):
    shutil.copytree(RIGHT / base, folder, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


@pytest.mark.parametrize("style", STYLES)
def test_right_solutions_are_not_blamed(style):
    findings = examined(RIGHT / style)
    assert [str(finding) for finding in findings if finding.severity == FAULT] == []


@pytest.mark.parametrize("change", STILL_RIGHT, ids=lambda change: f"{change[0]}-{change[1]}")
def test_other_styles_are_not_blamed(change, tmp_path):
    base, name, old, new = change
    folder = copied(base, tmp_path / "student")
    text = (folder / name).read_text(encoding="utf-8")
    assert old in text
    (folder / name).write_text(text.replace(old, new), encoding="utf-8")
    findings = examined(folder / name)
    assert [str(finding) for finding in findings if finding.severity == FAULT] == []


@pytest.mark.parametrize("wrong", WRONG, ids=lambda w: f"{w.component}-{w.codes.split()[0]}")
def test_wrong_solutions_are_named(wrong, tmp_path):
    folder = copied(wrong.base, tmp_path / "student")
    text = (folder / wrong.file).read_text(encoding="utf-8")
    assert wrong.old in text
    (folder / wrong.file).write_text(text.replace(wrong.old, wrong.new, 1), encoding="utf-8")
    faults = [finding for finding in examined(folder, wrong.component) if finding.severity == FAULT]
    named = [fault for fault in faults if fault.code in wrong.codes.split() and wrong.words in fault.message]
    assert named, "\n".join(map(str, faults)) or "no fault found"


# ---------------------------------------------------------------------- the child process
def student(tmp_path, **files):
    """A flat folder of files with these contents."""
    for name, text in files.items():
        (tmp_path / f"{name}.py").write_text(text, encoding="utf-8")
    return tmp_path


TANH = (RIGHT / "matrices_2018" / "TanH.py").read_text(encoding="utf-8")


def with_line(line):
    """TanH with a line at the start of its forward."""
    return TANH.replace("        p, m =", f"        {line}\n        p, m =")


def test_what_a_student_does_to_the_process_is_contained(tmp_path, capfd):
    (tmp_path / "Layers").mkdir()
    student(
        tmp_path / "Layers",
        TanH="import os\n" + with_line("os._exit(3)"),
        Sigmoid="print('hello' * 10)\nclass Sigmoid:\n    def forward(self, x):\n        while True:\n            pass\n",
        ReLU="import numpy as np\nclass ReLU:\n    def forward(self, x):\n        return np.zeros((10**6, 10**6))\n",
        Flatten=(RIGHT / "composed_2018" / "Layers" / "Flatten.py").read_text(encoding="utf-8"),
        SoftMax="import sys\nsys.exit('done')\n",
        Dropout="def broken(:\n",
    )
    report = check(tmp_path, seconds=6)
    found = {finding.component: finding for finding in reversed(report.faults)}
    assert report.checked == ["TanH", "Sigmoid", "ReLU", "SoftMax", "Flatten", "Dropout"]
    assert (found["TanH"].code, found["TanH"].message) == ("crash", "ended the process (exit status 3)")
    assert (found["Sigmoid"].code, found["Sigmoid"].line) == ("endless", found["Sigmoid"].line)
    assert (found["ReLU"].code, found["ReLU"].line) == ("memory", 4)
    assert found["SoftMax"].code == "exit"
    assert "SyntaxError" in found["Dropout"].message
    assert "Flatten" not in found
    assert capfd.readouterr() == ("", "")


def test_a_loop_that_catches_everything_is_ended(tmp_path):
    code = "class TanH:\n    def forward(self, x):\n        while True:\n            try:\n                pass\n            except BaseException:\n                pass\n            finally:\n                continue\n"
    report = check(
        student(tmp_path, TanH=code, Flatten=(RIGHT / "composed_2018/Layers/Flatten.py").read_text()), seconds=1
    )
    assert [finding.code for finding in report.faults] == ["endless"]
    assert report.checked == ["TanH", "Flatten"]


def test_input_ends_at_once_and_exceptions_name_the_line(tmp_path):
    report = check(student(tmp_path, TanH=with_line("input('how many?')")))
    assert report.faults[0].line == 6
    assert "EOFError" in report.faults[0].message and "input('how many?')" in report.faults[0].message


def test_copies_of_the_process_and_foreign_reports_do_not_confuse_it(tmp_path):
    (tmp_path / "Layers").mkdir()
    report = check(
        student(
            tmp_path / "Layers",
            TanH="import os\n" + with_line("os.fork()"),
            Sigmoid="import os\nfor k in range(3, 30):\n    try:\n        os.write(k, b'{}\\n[1\\n')\n    except OSError:\n        pass\n"
            "class Sigmoid:\n    def forward(self, x):\n        return None\n",
        )
    )
    assert report.checked == ["TanH", "Sigmoid"]
    assert {fault.component for fault in report.faults} == {"Sigmoid"}


def test_a_line_that_is_no_python_is_named_with_its_file(tmp_path):
    fault = check(
        student(tmp_path, TanH="class TanH:\n    def forward(self, x):\n        y = x\n            return y\n")
    ).faults[0]
    assert (fault.file, fault.line) == ("TanH.py", 4)


# ---------------------------------------------------------------------- files
def test_the_command(tmp_path):
    run = CliRunner().invoke(main, ["exercise", "check", str(RIGHT / "matrices_2018")])
    assert run.exit_code == 0 and "4 classes checked, 0 with faults" in run.output
    assert "not found, not checked: Layers/ReLU.py" in run.output
    wrong = student(tmp_path, TanH=TANH.replace("(1 - self.a)", "1 - self.a"))
    run = CliRunner().invoke(main, ["exercise", "check", str(wrong), "--json"])
    data = json.loads(run.output)
    assert run.exit_code == 1 and data["passed"] is False and data["findings"][0]["component"] == "TanH"
    run = CliRunner().invoke(main, ["exercise", "check", str(tmp_path / "nothing")])
    assert run.exit_code == 2 and "no such file" in run.output


def test_one_file_a_folder_around_and_an_empty_one(tmp_path):
    folder = copied("composed_later", tmp_path / "hand" / "in" / "src")
    assert find(tmp_path).root == folder
    assert find(folder / "Layers" / "RNN.py").selected == ("RNN",)
    assert find(folder).edition == "later" and find(RIGHT / "composed_2018").edition == "contract"
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileError, match="no file of the exercise"):
        find(tmp_path / "empty")


def test_missing_files_are_not_faults(tmp_path):
    folder = copied("composed_2018", tmp_path / "student")
    for name in ("Base", "FullyConnected"):
        (folder / "Layers" / f"{name}.py").unlink()
    report = check(folder / "Layers" / "RNN.py")
    assert report.faults == [] and report.stand_ins == ["Base", "FullyConnected"] and report.not_found == []
    assert "Layers/FullyConnected.py" in check(folder).not_found


def test_modules_are_forgotten_and_files_are_left_as_they_are(tmp_path):
    import sys

    folder = copied("composed_2018", tmp_path / "student")
    before, path = sorted(folder.rglob("*")), list(sys.path)
    examined(folder, "RNN")
    assert sorted(folder.rglob("*")) == before and sys.path == path
    assert not any(name.partition(".")[0] in ("Layers", "Optimization", "RNN", "TanH") for name in sys.modules)


def test_a_fault_of_a_part_is_pointed_out(tmp_path):
    folder = copied("composed_2018", tmp_path / "student")
    file = folder / "Layers" / "TanH.py"
    file.write_text(file.read_text().replace("** 2", ""), encoding="utf-8")
    report = check(folder)
    assert {finding.component for finding in report.faults} >= {"TanH", "RNN"}
    assert any(finding.code == "consequence" and "TanH" in finding.message for finding in report.findings)


# ---------------------------------------------------------------------- graphnet's own layers are a right solution
def test_the_layers_of_graphnet_pass(tmp_path):
    pytest.importorskip("graphnet_recurrent")
    pytest.importorskip("graphnet_activations")
    pytest.importorskip("graphnet_conv")
    student(
        tmp_path,
        TanH="from graphnet_recurrent import TanH",
        Sigmoid="from graphnet_recurrent import Sigmoid",
        RNN="from graphnet_recurrent import RNN",
        LSTM="from graphnet_recurrent import LSTM",
        ReLU="from graphnet_activations import ReLU",
        SoftMax="from graphnet_activations import SoftMax",
        Pooling="from graphnet_conv import Pooling",
        Conv="from graphnet_conv import Conv",
        FullyConnected="from graphnet import FullyConnected",
        BatchNormalization="from graphnet import BatchNormalization",
        Flatten="from graphnet import Flatten",
        Dropout="from graphnet import Dropout",
        NeuralNetwork="from graphnet import NeuralNetwork",
        Initializers="from graphnet.initializers import *",
        Optimizers="from graphnet.optimizers import *",
        Loss="from graphnet.losses import CrossEntropyLoss",
        Constraints="from graphnet.regularizers import *",
    )
    for edition in ("contract", "later"):
        faults = [str(f) for f in examined(tmp_path, edition=edition) if f.severity == FAULT]
        # The contract's L2 norm is a root; the two differences are documented.
        known = ("L2_Regularizer, norm", "SoftMax, forward: exp")
        assert [fault for fault in faults if not any(words in fault for words in known)] == []
