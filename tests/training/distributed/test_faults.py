"""Ranks that are lost, do not answer, return wrong numbers or have built something else: the run is the same."""

import threading
import warnings
from typing import ClassVar

import numpy as np
import pytest

from graphnet import BatchNormalization, Builder, ConfigError, Dropout, FullyConnected, Layer, Trainer, TrainingConfig
from graphnet.callbacks import Callback
from graphnet.core.errors import GraphnetWarning, NonFiniteError
from graphnet.distributed import DataParallel, Message, ThreadCommunicator
from graphnet.losses import CrossEntropy
from graphnet.optimizers import Sgd
from graphnet_recurrent import LSTM


class Faulty(ThreadCommunicator):
    """A group in which a fault happens to a rank at its n-th sum."""

    name: ClassVar[str] = "faulty"

    def __init__(self, hub, follow, timeout, faults):
        super().__init__(hub, follow, timeout)
        self.faults, self.count, self.hanging = faults, 0, threading.Event()

    def begin_sum(self, buffer, *, everywhere=True):
        self.count += 1
        fault = self.faults.pop((self.rank, self.count), None) if self.rank > 0 else None
        if fault == "lost":
            raise RuntimeError("the machine is gone")
        if fault == "silent":
            while self not in self._hub.lost:
                self.hanging.wait(0.02)
        if fault == "nan":
            buffer = np.where(buffer == 0, buffer, np.nan)
        return super().begin_sum(buffer, everywhere=everywhere)

    def broadcast(self, message=None):
        received = super().broadcast(message)
        self.messages = getattr(self, "messages", 0) + 1
        if message is None and self.faults.pop((self.rank, f"message {self.messages}"), None):
            largest = max(a.nbytes for a in received.arrays)  # the weights
            wrong = [np.full(a.nbytes, 255, np.uint8) if a.nbytes == largest else a for a in received.arrays]
            received = Message(received.header, wrong)
        return received


class Joining(Callback):
    """A rank joins after some batches."""

    def __init__(self, group, batches):
        self.group, self.batches, self.count = group, batches, 0

    def on_batch_end(self, trainer, epoch, batch, loss):
        self.count += 1
        if self.count in self.batches:
            self.group[0].add_worker()


def graph(*layers):
    g = Builder("labeller")
    h = LSTM(3, 5, None)(Dropout(keep=0.7)(g.input("x", "time, batch, feature=3")))
    for layer in layers:
        h = layer(h)
    return g.build(FullyConnected(5, 4)(h))


def data(seed=0):
    rng = np.random.default_rng(seed)
    xs = [rng.normal(size=(n, 3)) for n in rng.integers(1, 6, 21)]
    return xs, [rng.integers(0, 4, len(x)) for x in xs]


def settings(**more):
    return TrainingConfig(**{
        "loss": CrossEntropy(), "epochs": 3, "batch_size": 5, "dtype": "float64", "backend": "numpy",
        "optimizer": Sgd(0.05), "metrics": ["accuracy"], **more,
    })  # fmt: skip


def trained(engine=None, *layers, callbacks=(), values=None, **more):
    trainer = Trainer(graph(*layers), settings(**more), engine=engine, callbacks=callbacks)
    trainer.fit(*(values or data()))
    return trainer


def assert_same_weights(one, several, bound=1e-10):
    for path, parameter in one.runner.parameters.items():
        np.testing.assert_allclose(several.runner.parameters[path].value, parameter.value, bound, bound, err_msg=path)
    for path, buffer in one.runner.buffers.items():
        np.testing.assert_allclose(several.runner.buffers[path], buffer, bound, bound, err_msg=path)
    assert [e.metrics for e in several.history.epochs] == [e.metrics for e in one.history.epochs]


def engine(faults, workers=4, timeout=20.0, **more):
    return DataParallel(Faulty, workers=workers, timeout=timeout, faults=faults, **more)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("normalized", [False, True])
def test_lost_ranks_at_random_steps(seed, normalized):
    rng = np.random.default_rng(seed)
    layers = (lambda: [BatchNormalization(5)]) if normalized else list
    faults = {(int(rank), int(rng.integers(1, 40))): "lost" for rank in rng.integers(1, 4, 3)}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        several = trained(engine(faults), *layers())
    assert "has left: RuntimeError: the machine is gone" in str(caught[0].message)
    assert_same_weights(trained(None, *layers()), several)


def test_rank_that_does_not_answer_is_dropped():
    with pytest.warns(GraphnetWarning, match=r"rank 2 has left: no answer within 1\.5 s"):
        several = trained(engine({(2, 7): "silent"}, workers=3, timeout=1.5))
    assert_same_weights(trained(), several)


@pytest.mark.parametrize("normalized", [False, True])
@pytest.mark.parametrize("at", [8, 9, 10, 11, 12, "message 5"])
def test_rank_that_returns_nan_is_named_and_dropped(at, normalized):
    layers = (lambda: [BatchNormalization(5)]) if normalized else list
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        several = trained(engine({(1, at): "nan"}, workers=3), *layers())
    texts = [str(w.message) for w in caught if issubclass(w.category, GraphnetWarning)]
    assert all("rank 1 has left: its numbers are not finite" in text for text in texts), texts
    assert len(texts) == (at not in ({9} if normalized else {9, 11}))  # gradients that are lost on their way come again
    assert_same_weights(trained(None, *layers()), several)


class Other(Faulty):
    """A rank that answers with another hash."""

    def begin_sum(self, buffer, *, everywhere=True):
        if self.rank == 1 and buffer.dtype == np.uint8 and buffer.any() and self.generation == 1:
            buffer = np.where(buffer == buffer[buffer > 0][0], 7, buffer).astype(np.uint8)
        return super().begin_sum(buffer, everywhere=everywhere)


def test_rank_with_another_hash_is_named_and_dropped():
    with pytest.warns(GraphnetWarning, match="rank 1 has left: its hash of model and settings is"):
        several = trained(DataParallel(Other, workers=3, timeout=2.0, faults={}))
    assert_same_weights(trained(), several)


class Watched(Faulty):
    """A group that a test can reach."""

    leaders: ClassVar[list] = []

    @classmethod
    def launch(cls, workers, follow, **options):
        leader = super().launch(workers, follow, **options)
        cls.leaders[:] = [leader]
        return leader


def test_ranks_join_and_rank_0_goes_on_alone_between():
    callback = Joining(Watched.leaders, {4, 9})
    faults = {(1, 8): "lost"}
    with pytest.warns(GraphnetWarning) as caught:
        several = trained(DataParallel(Watched, workers=2, timeout=2.0, faults=faults), callbacks=[callback])
    texts = " | ".join(str(w.message) for w in caught)
    assert "rank 0 goes on alone" in texts
    assert texts.count("1 rank joined") == 2
    assert_same_weights(trained(), several)


def test_numbers_that_are_not_finite_in_one_process_too_are_a_real_error():
    x, y = data()
    x[3][0, 1] = np.inf
    errors = []
    for each in (None, DataParallel("threads", workers=3)):
        trainer = Trainer(graph(), settings(), engine=each)
        with pytest.raises(NonFiniteError) as caught:
            trainer.fit(x, y)
        errors.append(str(caught.value))
    assert errors[0] == errors[1]


def test_batches_that_are_skipped_are_the_same():
    x, y = data()
    x[3][0, 1] = np.inf
    runs = []
    for each in (None, DataParallel("threads", workers=3)):
        with pytest.warns(GraphnetWarning, match="a batch was skipped"):
            runs.append(trained(each, values=(x, y), on_nan="skip"))
    assert_same_weights(*runs)
    assert [e.skipped_batches for e in runs[0].history.epochs] == [e.skipped_batches for e in runs[1].history.epochs]


class Centred(Layer):
    """Subtracts the mean over the batch, which is a mix of rows."""

    def apply(self, x):
        return x - x.mean(axis=0), None

    def pull(self, saved, error):
        return error - error.mean(axis=0)


def dense(*layers):
    g = Builder("dense")
    h = g.input("x", "batch, feature=3")
    for layer in (FullyConnected(3, 6), *layers, FullyConnected(6, 4)):
        h = layer(h)
    return g.build(h)


def test_layer_that_mixes_rows_is_found_in_the_first_batch():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(12, 3)), rng.integers(0, 4, 12)
    config = settings(batch_size=6)
    trainer = Trainer(dense(Centred()), config, engine=DataParallel("threads", workers=2))
    with pytest.raises(ConfigError, match=r"the loss is not a sum over the rows.*verify=False"):
        trainer.fit(x, y)
    Trainer(dense(Centred()), config, engine=DataParallel("threads", workers=2, verify=False)).fit(x, y)


def test_local_statistics_are_those_of_the_own_rows():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(6, 3)), rng.integers(0, 4, 6)
    config = settings(batch_size=6, epochs=1, shuffle=False)
    first = np.array(0.0)

    class Before(Callback):
        def on_start(self, trainer, batches):
            weights = trainer.runner.parameters["fully_connected/weights"].value
            first.resize(6, refcheck=False)
            first[:] = (x[:3] @ weights[:-1] + weights[-1]).mean(axis=0)

    trainer = Trainer(
        dense(BatchNormalization(6)), config, callbacks=[Before()],
        engine=DataParallel("threads", workers=2, batch_norm="local"),
    )  # fmt: skip
    trainer.fit(x, y)
    np.testing.assert_allclose(trainer.runner.buffers["batch_normalization/mean"], first, 1e-12)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"communicator": "rye"}, "unknown communicator"),
        ({"communicator": 3}, "not a communicator"),
        ({"workers": 0}, "workers must be a positive integer"),
        ({"batch_norm": "both"}, "unknown batch_norm"),
    ],
)
def test_settings_are_checked(arguments, message):
    with pytest.raises(ConfigError, match=message):
        DataParallel(**arguments)


def test_engine_is_checked():
    with pytest.raises(ConfigError, match="not an engine"):
        Trainer(graph(), settings(), engine="threads")


@pytest.mark.parametrize("at", [9, 14])
def test_states_of_pieces_are_repeated_after_a_fault(at):
    more = {"tbptt": (2, 3), "metrics": ["f1"], "accumulate": 2}
    for fault in ("lost", "nan"):
        with warnings.catch_warnings(record=True):
            warnings.simplefilter("always")
            several = trained(engine({(1, at): fault}, workers=3), **more)
        assert_same_weights(trained(**more), several)
