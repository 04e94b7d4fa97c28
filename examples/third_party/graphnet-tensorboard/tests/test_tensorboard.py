"""The log: every figure of every epoch once, also in a run that was killed and resumed."""

import struct

import graphnet
import numpy as np
import pytest
from graphnet import Builder, ConfigError, FileError, FullyConnected, Trainer, TrainingConfig
from graphnet.callbacks import Callback
from graphnet.io import model_text, parse_model
from graphnet.io.run_folder import RunFolder

pytest.importorskip("tensorboardX")

from tensorboardX.proto.event_pb2 import Event

from graphnet_tensorboard import TensorBoard

X = np.random.default_rng(0).normal(size=(30, 3))
Y = X.sum(1, keepdims=True)
SCALARS = {
    "loss/training",
    "loss/validation",
    "mean_absolute_error/training",
    "mean_absolute_error/validation",
    "learning_rate",
    "gradient_norm",
    "seconds",
}
HISTOGRAMS = {"weights/fully_connected/weights"}


def graph():
    g = Builder("line")
    return g.build(FullyConnected(3, 1)(g.input("x", "batch, feature=3")))


def config(**settings):
    given = {"loss": "mse", "metrics": "mean_absolute_error", "epochs": 6, "batch_size": 8, "validation": 0.2}
    return TrainingConfig(**{**given, "checkpoint_seconds": None, **settings})


def read(folder):
    """The values by step and tag, from the bytes of the files; each may be there once."""
    found = {}
    for path in sorted(folder.iterdir()):
        data, position = path.read_bytes(), 0
        while position < len(data):
            (size,) = struct.unpack_from("<Q", data, position)
            event = Event.FromString(data[position + 12 : position + 12 + size])
            position += 16 + size
            for value in event.summary.value:
                assert (event.step, value.tag) not in found
                found[event.step, value.tag] = value.simple_value if value.HasField("simple_value") else value.histo
        assert position == len(data)
    return found


def check(folder, history, every=0):
    found = read(folder)
    steps = range(1, len(history) + 1)
    assert found.keys() == {(step, tag) for step in steps for tag in SCALARS} | {
        (step, tag) for step in steps for tag in HISTOGRAMS if every and step % every == 0
    }
    for record in history.epochs:
        flat = record.flat()
        for tag in SCALARS:
            name, _, part = tag.partition("/")
            expected = flat[f"validation_{name}" if part == "validation" else name]
            assert found[record.epoch, tag] == np.float32(expected)


def test_log_has_every_figure_once(tmp_path):
    history = Trainer(graph(), config(), callbacks=[TensorBoard(tmp_path / "log", histograms=2)]).fit(X, Y)
    check(tmp_path / "log", history, every=2)


def test_histogram_is_that_of_the_weights(tmp_path):
    trainer = Trainer(graph(), config(), callbacks=[TensorBoard(tmp_path / "log", histograms=1)])
    best = trainer.fit(X, Y).best_epoch
    weights = trainer.runner.parameters["fully_connected/weights"].value
    found = read(tmp_path / "log")[best, "weights/fully_connected/weights"]
    assert (found.num, found.min, found.max) == (weights.size, weights.min(), weights.max())
    assert found.sum == pytest.approx(float(weights.sum()), rel=1e-6)


class Kill(Callback):
    """Ends the process in an update, as a signal does."""

    def __init__(self, epoch):
        self.epoch = epoch

    def on_batch_end(self, trainer, epoch, batch, loss):
        if (epoch, batch) == (self.epoch, 2):
            raise SystemExit

    def state(self):
        return {}

    def load_state(self, state):
        pass


@pytest.mark.parametrize("every", [1, 3])
@pytest.mark.parametrize("epoch", [1, 3, 6])
@pytest.mark.parametrize("torn", [False, True])
def test_resumed_run_repeats_no_step(tmp_path, epoch, every, torn):
    log = TensorBoard(histograms=1)
    run, settings = tmp_path / "run", config(checkpoint_epochs=every, callbacks=(log,))
    folder = RunFolder(run, background=False)
    with pytest.raises(SystemExit):
        Trainer(graph(), settings, callbacks=[folder, Kill(epoch)]).fit(X, Y)
    folder.release()
    log.close()
    if torn:
        (path,) = (run / "tensorboard").iterdir()
        path.write_bytes(path.read_bytes()[:-5])  # a record that was not written whole
    history = Trainer.resume(run).fit(X, Y)
    missing = torn and epoch > 1 and (epoch - 1) % every == 0
    found = read(run / "tensorboard")
    if missing:  # a histogram of an epoch that is not run again
        found[epoch - 1, "weights/fully_connected/weights"] = None
    assert found.keys() == {(step, tag) for step in range(1, 7) for tag in SCALARS | HISTOGRAMS}
    assert all(found[r.epoch, "loss/training"] == np.float32(r.loss) for r in history.epochs)
    before = {path.name: path.read_bytes() for path in (run / "tensorboard").iterdir()}
    with pytest.warns(graphnet.GraphnetWarning, match="the run is over"):
        Trainer.resume(run).fit(X, Y)
    assert {path.name: path.read_bytes() for path in (run / "tensorboard").iterdir()} == before


def test_model_files_name_the_callback():
    given = config(callbacks=(TensorBoard("log", histograms=3),))
    assert parse_model(model_text(graph(), given)).training.callbacks == given.callbacks
    assert config(callbacks=["tensor_board"]).callbacks == (TensorBoard(),)


def test_log_of_another_run_is_refused(tmp_path):
    Trainer(graph(), config(), callbacks=[TensorBoard(tmp_path)]).fit(X, Y)
    before = read(tmp_path)
    with pytest.raises(FileError, match="another run"):
        Trainer(graph(), config(), callbacks=[TensorBoard(tmp_path)]).fit(X, Y)
    assert read(tmp_path) == before


@pytest.mark.parametrize("histograms", [-1, 1.5, True])
def test_wrong_arguments_are_refused(histograms):
    with pytest.raises(ConfigError, match="histograms"):
        TensorBoard(histograms=histograms)
