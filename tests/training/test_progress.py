"""What a fit shows: bars where a person watches, lines where they are asked for, nothing elsewhere."""

import contextlib
import io
import os
import re
import subprocess
import sys
import types

import numpy as np
import pytest

import graphnet
from graphnet import FullyConnected, Model, Sequential, Trainer, TrainingConfig
from graphnet.callbacks import Callback
from graphnet.training.progress import Bar

RNG = np.random.default_rng(7)
X = RNG.normal(size=(48, 3))
Y = (X @ RNG.normal(size=(3, 3))).argmax(axis=1)
LINE = re.compile(r"epoch (\d)/3  loss \d\.\d{4} / \d\.\d{4}  accuracy \d\.\d{3} / \d\.\d{3}  \d+ examples/s")


class Terminal(io.StringIO):
    def isatty(self):
        return True


def fit(verbose, **more):
    model = Model(Sequential(FullyConnected(3, 3), shape="batch, feature=3"))
    settings = {"epochs": 3, "batch_size": 8, "metrics": ["accuracy"], "validation": 0.25, **more}
    return model.fit(X, Y, verbose=verbose, **settings)


@pytest.fixture
def screen(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    return Terminal()


def on(screen, *arguments, **more):
    with contextlib.redirect_stdout(screen):
        result = fit(*arguments, **more)
        assert sys.stdout is screen
    return result


@pytest.mark.parametrize("verbose", [None, "auto", 0, False])
def test_nothing_is_shown_on_a_pipe(capsys, verbose):
    fit(verbose)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("verbose", [1, True, 2])
def test_a_line_for_each_epoch_on_a_pipe(capsys, verbose):
    fit(verbose)
    *lines, last = capsys.readouterr().out.splitlines()
    assert [int(LINE.fullmatch(line)[1]) for line in lines] == [1, 2, 3]
    assert re.fullmatch(r"best epoch \d of 3, chosen by the validation accuracy", last)


def test_a_real_pipe_gets_plain_lines(tmp_path):
    (tmp_path / "script.py").write_text(
        "import numpy as np, graphnet\n"
        "model = graphnet.Model(graphnet.Sequential(graphnet.FullyConnected(3, 2), shape='batch, feature=3'))\n"
        "for verbose in (None, 1):\n"
        "    model.fit(np.eye(3), np.array([0, 1, 0]), epochs=3, verbose=verbose)\n"
    )
    command = [sys.executable, str(tmp_path / "script.py")]
    done = subprocess.run(command, capture_output=True, timeout=120, check=True, env=os.environ | {"TERM": "xterm"})
    text = done.stdout.decode()
    assert text.isascii() and all(letter.isprintable() or letter == "\n" for letter in text.replace("\r\n", "\n"))
    assert [line.split("  ")[0] for line in text.splitlines()[:-1]] == ["epoch 1/3", "epoch 2/3", "epoch 3/3"]


def test_every_epoch_has_a_line_and_says_once_that_nothing_was_held_out(capsys):
    fit(1, validation=0.0, epochs=50)
    shown = capsys.readouterr().out
    assert shown.count("\n") == 51 and shown.count("no examples were held out") == 1


@pytest.mark.parametrize("verbose", [None, 1])
def test_a_bar_on_a_terminal(screen, verbose):
    history = on(screen, verbose)
    shown = screen.getvalue()
    assert "\x1b" in shown and "epoch 3/3" in shown and f"loss {history.epochs[-1].loss:.4f}" in shown
    assert shown.endswith("chosen by the validation accuracy\n") and shown.count("best epoch") == 1
    assert shown.count("\x1b[?25l") == shown.count("\x1b[?25h") and not Bar.open


def test_terminal_without_cursor_gets_lines(screen, monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    on(screen, None)
    assert len(LINE.findall(screen.getvalue())) == 3 and "\x1b" not in screen.getvalue()


def test_lines_on_a_terminal(screen):
    on(screen, 2)
    assert len(LINE.findall(screen.getvalue())) == 3 and "\x1b" not in screen.getvalue()


def test_what_a_callback_prints_stays_readable(screen):
    class Speaks(Callback):
        def on_epoch_end(self, trainer, record):
            print("spoken in", record.epoch)

    on(screen, None, callbacks=[Speaks()])
    assert re.findall(r"spoken in \d\n", screen.getvalue()) == ["spoken in 1\n", "spoken in 2\n", "spoken in 3\n"]


def test_a_fit_inside_a_fit_has_no_second_bar(screen):
    class Nested(Callback):
        def on_epoch_end(self, trainer, record):
            fit(None, epochs=9)
            fit(2, epochs=1)

    on(screen, None, callbacks=[Nested()], epochs=2)
    shown = screen.getvalue()
    assert "/9" not in shown and shown.count("\x1b[?25l") == 1 and len(re.findall("epoch 1/1", shown)) == 2


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, ValueError])
def test_the_bar_ends_with_the_run(screen, error):
    class Fails(Callback):
        def on_batch_end(self, trainer, epoch, batch, loss):
            if epoch == 2:
                raise error

    if error is KeyboardInterrupt:
        assert on(screen, None, callbacks=[Fails()]).stopped == "interrupted"
        assert "best epoch 1 of 1, stopped: interrupted" in screen.getvalue()
    else:
        with pytest.raises(SystemExit if error is SystemExit else graphnet.RuleError):
            on(screen, None, callbacks=[Fails()])
    assert screen.getvalue().count("\x1b[?25h") == 1 and not Bar.open


def test_a_stream_that_fails_does_not_end_the_run(screen, monkeypatch):
    def fails(text):
        raise OSError(5, "input/output error")

    monkeypatch.setattr(screen, "write", fails)
    assert len(on(screen, None)) == 3


def test_a_notebook_gets_one_output_that_is_replaced(monkeypatch, capsys):
    shown = []

    def display(data, raw, display_id):
        assert raw and display_id
        shown.append(data["text/plain"])
        return types.SimpleNamespace(update=lambda data, raw: shown.append(data["text/plain"]))

    module = types.ModuleType("IPython")
    module.get_ipython = lambda: types.SimpleNamespace(kernel=object())
    module.display = types.ModuleType("IPython.display")
    module.display.display = display
    monkeypatch.setitem(sys.modules, "IPython", module)
    monkeypatch.setitem(sys.modules, "IPython.display", module.display)
    fit(None)
    assert shown[0].startswith("epoch 1/3  [........................]  loss ...")
    last, ending = shown[-1].splitlines()
    assert last.startswith("epoch 3/3  [########################]  loss ") and last.endswith("0:00:00")
    assert ending.endswith("chosen by the validation accuracy") and not Bar.open
    assert capsys.readouterr().out == ""
    module.get_ipython = lambda: types.SimpleNamespace()  # IPython in a terminal or a script
    fit(None)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("verbose", [3, -1, "yes", 0.5, [1]])
def test_other_values_are_refused(verbose):
    with pytest.raises(graphnet.ConfigError, match="verbose must be None, 0, 1 or 2"):
        fit(verbose)


def test_trainer_shows_the_same(capsys):
    graph = Sequential(FullyConnected(3, 3), shape="batch, feature=3")
    Trainer(graph, TrainingConfig(epochs=2)).fit(X, Y, verbose=1)
    assert len(capsys.readouterr().out.splitlines()) == 3


def test_the_bar_is_no_part_of_the_run(screen, tmp_path):
    from graphnet.io.checkpoint_store import load
    from graphnet.io.run_folder import RunFolder

    on(screen, 1, callbacks=[RunFolder(tmp_path / "run")])
    assert load(tmp_path / "run").values["objects"]["callbacks"] == {}
    assert "best epoch" in screen.getvalue()
