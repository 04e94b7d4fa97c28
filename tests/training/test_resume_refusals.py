"""What a checkpoint cannot keep is refused before training; what differs is refused, by name, when a run is resumed."""

import json

import numpy as np
import pytest
from helpers.resumed import Recorder, Stored, assert_same, comparable, figures, resumed_run, through_json, whole_run

from graphnet import Builder, Dropout, FullyConnected, Layer
from graphnet.callbacks import Callback, TimeLimit
from graphnet.core.errors import ConfigError, GraphnetWarning, RuleError, StateError
from graphnet.data.batches import Examples
from graphnet.datasets import Stream
from graphnet.losses import MeanSquaredError
from graphnet.metrics import MeanAbsoluteError
from graphnet.optimizers import Adam, Sgd
from graphnet.training import Trainer, TrainingConfig

RNG = np.random.default_rng(4)
X, Y = RNG.normal(size=(12, 3)), RNG.normal(size=(12, 2))


def line(*layers, sizes=(4,)):
    builder = Builder("line")
    value = builder.input("x", "batch, feature=3")
    for layer in (*map(lambda n: FullyConnected(None, n), sizes), *layers, FullyConnected(None, 2)):  # noqa: C417
        value = layer(value)
    return builder.build(y=value)


def making(callbacks=lambda: (), graph=line, data=(X, Y), **settings):
    settings = {"loss": MeanSquaredError(), "epochs": 2, "batch_size": 5, "seed": 3, **settings}
    arguments = dict(zip(("inputs", "targets", "validation_data"), data, strict=False))
    return lambda: (graph(), TrainingConfig(**settings), callbacks(), arguments)


# ---------------------------------------------------------------------- what differs
@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("model", {"graph": lambda: line(sizes=(5,))}),
        ("model", {"graph": lambda: line(Dropout(0.5))}),
        ("settings", {"batch_size": 4}),
        ("settings", {"optimizer": Adam(0.5)}),
        ("settings", {"loss": MeanSquaredError("sum")}),
        ("seed", {"seed": 4}),
        ("dtype", {"dtype": "float64"}),
        ("backend", {"backend": "reference"}),
        ("data", {"data": (X[::-1], Y)}),
        ("data", {"data": (X, Y + 1e-9)}),
        ("data", {"data": (X.astype("f4"), Y)}),
        ("data", {"data": (X, Y, (X, Y))}),
        ("data", {"data": (X[:-1], Y[:-1])}),
    ],
)
def test_difference_is_refused_by_name(name, other):
    make = making(backend="numpy")
    _, snapshots = whole_run(make)
    differs = making(**{"backend": "numpy", **other})
    with pytest.raises(StateError, match=f"its {name} differs") as error:
        resumed_run(differs, snapshots[2])
    assert repr(name) in str(error.value)
    if name not in ("model", "data"):
        trainer, _ = resumed_run(differs, snapshots[2], allow=[name])
        assert len(trainer.history) == 2


def test_weights_and_masks_are_part_of_the_data():
    weight, keep = np.linspace(0, 1, 12), np.arange(12) % 5 > 0
    for argument, value, other in (("sample_weight", weight, weight[::-1]), ("target_mask", keep, ~keep)):

        def make(value=value, argument=argument):
            return (*making()()[:3], {"inputs": X, "targets": Y, argument: value})

        _, snapshots = whole_run(make)
        trainer, _ = resumed_run(make, snapshots[2])
        assert len(trainer.history) == 2
        with pytest.raises(StateError, match="its data differs"):
            resumed_run(lambda: make(other), snapshots[2])  # noqa: B023


def test_data_may_differ_if_allowed():
    _, snapshots = whole_run(making())
    trainer, _ = resumed_run(making(data=(X + 1, Y)), snapshots[1], allow="data")
    assert len(trainer.history) == 2


def test_message_names_both_values():
    _, snapshots = whole_run(making())
    with pytest.raises(StateError, match=r"batch_size: 5.*batch_size: 4"):
        resumed_run(making(batch_size=4), snapshots[1])
    with pytest.raises(
        StateError, match=r"fully_connected: FullyConnected\(input_size=None, output_size=4\) of x, .*output_size=7"
    ):
        resumed_run(making(graph=lambda: line(sizes=(7,))), snapshots[1])


def test_versions_are_compared():
    _, snapshots = whole_run(making())
    stored = through_json(snapshots[1])
    stored.values["fingerprint"]["versions"]["numpy"] = "0.9"
    with pytest.raises(StateError, match=f"numpy: 0.9.*numpy: {np.__version__}"):
        resumed_run(making(), stored)
    resumed_run(making(), stored, allow={"versions"})


def test_weights_of_another_shape_are_refused_even_if_allowed():
    _, snapshots = whole_run(making())
    with pytest.raises(StateError, match="other weights than the model"):
        resumed_run(making(graph=lambda: line(sizes=(7,))), snapshots[1], allow=["model"])


def test_names_in_allow_are_checked():
    _, snapshots = whole_run(making())
    with pytest.raises(ConfigError, match="Did you mean 'data'"):
        resumed_run(making(), snapshots[1], allow=["dat"])
    with pytest.raises(ConfigError, match="not names"):
        resumed_run(making(), snapshots[1], allow=3)


def test_anything_else_than_a_run_is_refused():
    with pytest.raises(ConfigError, match="not a run"):
        Trainer.resume(object())


# ---------------------------------------------------------------------- more epochs
@pytest.mark.parametrize("settings", [{}, {"schedule": "cosine", "decay_epochs": 3}])
def test_more_epochs_are_those_of_the_longer_run(settings):
    _, short = whole_run(making(**settings, epochs=2))
    expected, long = whole_run(making(**settings, epochs=4))
    for i in (0, 3, len(short) - 1):
        trainer, again = resumed_run(making(**settings), short[i], epochs=4)
        assert figures(trainer) == figures(expected)
        assert_same(again[-1], long[-1], i)


def test_a_schedule_over_all_epochs_is_not_stretched():
    _, snapshots = whole_run(making(schedule="cosine"))
    with pytest.raises(StateError, match="another past.*'schedule'"):
        resumed_run(making(schedule="cosine"), snapshots[-1], epochs=4)
    trainer, _ = resumed_run(making(schedule="cosine"), snapshots[-1], epochs=4, allow=["schedule"])
    rates = [record.learning_rate / 1e-3 for record in trainer.history.epochs]
    assert np.allclose(rates, [1, 0.5, 0, 0])


def test_fewer_epochs_are_refused():
    _, snapshots = whole_run(making())
    with pytest.raises(ConfigError, match="fewer epochs.*at least 2"):
        resumed_run(making(), snapshots[-1], epochs=1)


def test_a_run_that_is_over_is_not_changed():
    expected, snapshots = whole_run(making(callbacks=lambda: [TimeLimit(1e9)]))
    graph, config, callbacks, arguments = making(callbacks=lambda: [TimeLimit(1e9)])()
    recorder = Recorder()
    trainer = Trainer.resume(Stored(graph, config, snapshots[-1], recorder), callbacks=callbacks)
    with pytest.warns(GraphnetWarning, match=r"the run is over \(finished, 2 epochs\)"):
        trainer.fit(**arguments)
    assert figures(trainer) == figures(expected)
    assert len(recorder.snapshots) == 1


# ---------------------------------------------------------------------- what cannot be kept
class Reading(Callback):
    def __init__(self):
        self.lines = iter(["a", "b"])


class Growing(Callback):
    """Keeps nothing that is refused until training has begun."""

    def __init__(self):
        self.found = []

    def on_start(self, trainer, batches):
        self.found.append(object())


class HalfPair(Callback):
    def state(self):
        return {}


class Iterating(Sgd):
    def fresh(self):
        made = super().fresh()
        made.rates = iter([0.1])
        return made


class Lazy(MeanAbsoluteError):
    def __init__(self):
        super().__init__()
        self.scores = (value for value in [1.0])


class Caching(Layer):
    def check(self):
        self._steps = iter("abc")
        self._cache = map(str, [1])

    def apply(self, x):
        return x, None

    def pull(self, saved, error):
        return error


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"callbacks": lambda: [Reading()]}, r"callback Reading\.lines.*list_iterator"),
        ({"callbacks": lambda: [Growing()]}, r"callback Growing\.found\[0\].*object"),
        ({"callbacks": lambda: [HalfPair()]}, "HalfPair.*state without load_state|state without load_state"),
        ({"optimizer": Iterating(0.1).fresh()}, r"optimizer\.rates.*list_iterator"),
        ({"metrics": (Lazy(),)}, r"metric mean_absolute_error\.scores.*generator"),
        ({"graph": lambda: line(Caching())}, r"layer caching\._cache.*map"),
    ],
    ids=["callback", "during the start", "half a pair", "optimizer", "metric", "layer"],
)
def test_what_cannot_be_kept_is_refused_before_the_first_update(options, message):
    graph, config, callbacks, arguments = making(**options)()
    recorder = Recorder()
    trainer = Trainer(graph, config, callbacks=callbacks, checkpoints=recorder)
    with pytest.raises(ConfigError, match=message) as error:
        trainer.fit(**arguments)
    assert "load_state" in str(error.value)
    assert not trainer.history.epochs and not recorder.snapshots
    if "during" not in message and "Growing" not in message:
        assert not trainer.runner.parameters  # nothing has been drawn


def test_without_checkpoints_nothing_is_refused():
    graph, config, callbacks, arguments = making(callbacks=lambda: [Reading(), Growing()])()
    assert len(Trainer(graph, config, callbacks=callbacks).fit(**arguments)) == 2


class Counter(Callback):
    def __init__(self):
        self.count = 0

    def on_batch_end(self, trainer, epoch, batch, loss):
        self.count += 1


def test_missing_callback_is_refused():
    _, snapshots = whole_run(making(callbacks=lambda: [Counter(), Counter()]))
    for callbacks, missing in ((lambda: (), "Counter, Counter 2"), (lambda: [Counter()], "Counter 2")):
        with pytest.raises(StateError, match=f"callbacks of the run are missing; expected {missing}, "):
            resumed_run(making(callbacks=callbacks), snapshots[2])
        resumed_run(making(callbacks=callbacks), snapshots[2], allow=["callbacks"])


class BadPair(Callback):
    def state(self):
        return {"count": 1}

    def load_state(self, state):
        raise KeyError("other")


def test_failing_load_state_names_the_callback():
    _, snapshots = whole_run(making(callbacks=lambda: [BadPair()]))
    with pytest.raises(RuleError, match="callback .*BadPair, load_state.*KeyError"):
        resumed_run(making(callbacks=lambda: [BadPair()]), snapshots[2])


def test_damaged_values_are_a_state_error():
    _, snapshots = whole_run(making())
    for name in ("history", "optimizers", "generators", "objects", "grouping", "epoch"):
        stored = through_json(snapshots[3])
        del stored.values[name]
        with pytest.raises(StateError, match="the checkpoint cannot be read"):
            resumed_run(making(), stored)


# ---------------------------------------------------------------------- copies, and what is read
def test_snapshot_is_a_copy():
    class Comparing(Recorder):
        def start(self, trainer):
            super().start(trainer)
            self.texts = [*getattr(self, "texts", []), comparable(self.snapshots[-1])]

        after_batch = after_epoch = start

    graph, config, callbacks, arguments = making(callbacks=lambda: [Counter()])()
    recorder = Comparing()
    Trainer(graph, config, callbacks=callbacks, checkpoints=recorder).fit(**arguments)
    assert [comparable(snapshot) for snapshot in recorder.snapshots] == recorder.texts
    assert all(json.dumps(s.values, allow_nan=False) for s in recorder.snapshots)


def test_checkpoints_do_not_change_the_run():
    graph, config, callbacks, arguments = making()()
    trainer = Trainer(graph, config, callbacks=callbacks)
    trainer.fit(**arguments)
    assert figures(trainer) == figures(whole_run(making())[0])
    with pytest.raises(StateError, match="no run is going on"):
        trainer.snapshot()


def test_batches_that_are_done_are_not_read(monkeypatch):
    _, snapshots = whole_run(making(epochs=1))
    read = []
    original = Examples.batch
    monkeypatch.setattr(Examples, "batch", lambda self, rows, n: read.append(n) or original(self, rows, n))
    resumed_run(making(epochs=1), snapshots[2])
    assert read == [1, 2]  # the example from which sizes are inferred, and the third batch


def test_pieces_of_arrays_that_are_done_are_not_read():
    stream = Stream(np.arange(10.0)[:, None], np.arange(10.0)[:, None])
    read = []
    original = stream._steps_of
    stream._steps_of = lambda array, start, stop: read.append(start) or original(array, start, stop)
    assert [piece.inputs[0, 0, 0] for piece in stream.pieces(4, 2)] == [8]
    assert read == [8, 8]


def test_trainer_of_a_run_is_used_once():
    """A second fit begins a new run."""
    _, snapshots = whole_run(making())
    graph, config, callbacks, arguments = making()()
    trainer = Trainer.resume(Stored(graph, config, snapshots[3]), callbacks=callbacks)
    trainer.fit(**arguments)
    first = figures(trainer)
    assert figures(trainer) == first and trainer.fit(**arguments).epochs[0].loss == trainer.history.epochs[0].loss
