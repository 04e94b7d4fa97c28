"""A batch divided over ranks trains as in one process: the runs differ by the order of sums only."""

import numpy as np
import pytest

from graphnet import (
    Affine,
    BatchNormalization,
    Builder,
    Cell,
    Dropout,
    FullyConnected,
    Last,
    Scan,
    Trainer,
    TrainingConfig,
)
from graphnet.core import collective
from graphnet.data.datasets import Stream
from graphnet.distributed import DataParallel, ThreadCommunicator
from graphnet.losses import BinaryCrossEntropy, CrossEntropy, MeanSquaredError
from graphnet.optimizers import Sgd
from graphnet.regularizers import L2_Regularizer
from graphnet_recurrent import GRU, LSTM


def engine(workers, **settings):
    return DataParallel("threads", workers=workers, timeout=60.0, **settings)


def config(**settings):
    return TrainingConfig(
        **{"epochs": 2, "batch_size": 9, "backend": "numpy", "dtype": "float64", "seed": 5, **settings}
    )


def ragged(count=24, features=3, classes=4, seed=0, longest=9):
    rng = np.random.default_rng(seed)
    xs = [rng.normal(size=(n, features)) for n in rng.integers(1, longest, count)]
    return xs, [rng.integers(0, classes, len(x)) for x in xs]


def flat(count=31, features=3, classes=4, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(count, features)), rng.integers(0, classes, count)


def labeller(*, dropped=True, backwards=False):
    """A recurrent network over time, with dropout before and after its cells."""
    g = Builder("labeller")
    x = g.input("x", "time, batch, feature=3")
    x = Dropout(keep=0.7)(x) if dropped else x
    h = LSTM(3, 5, None)(x)
    if backwards:
        h = GRU(5, 5, None, reverse=True)(h)
    h = Dropout(keep=0.8)(h) if dropped else h
    return g.build(FullyConnected(5, 4)(h))


def dense(*layers):
    g = Builder("dense")
    h = g.input("x", "batch, feature=3")
    for layer in (FullyConnected(3, 6), *layers, FullyConnected(6, 4)):
        h = layer(h)
    return g.build(h)


def trained(graph, settings, data, workers=None, **options):
    own = {} if workers is None else {"engine": engine(workers, **options.pop("engine", {}))}
    trainer = Trainer(graph(), settings, **own)
    trainer.fit(*data, **options)
    return trainer


def assert_equal_runs(graph, settings, data, workers=(2, 3, 4), bound=1e-12, **options):
    one = trained(graph, settings, data, **{k: v for k, v in options.items() if k != "engine"})
    for count in workers:
        several = trained(graph, settings, data, count, **options)
        for path, parameter in one.runner.parameters.items():
            np.testing.assert_allclose(
                several.runner.parameters[path].value, parameter.value, bound, bound, err_msg=f"{path}, {count} ranks"
            )
        for path, buffer in one.runner.buffers.items():
            np.testing.assert_allclose(several.runner.buffers[path], buffer, bound, bound, err_msg=path)
        for a, b in zip(one.history.epochs, several.history.epochs, strict=True):
            assert b.loss == pytest.approx(a.loss, rel=bound, abs=bound)
            assert (b.initial_loss or 0.0) == pytest.approx(a.initial_loss or 0.0, rel=bound, abs=bound)
            assert b.gradient_norm == pytest.approx(a.gradient_norm, rel=bound, abs=bound)
            assert b.metrics == pytest.approx(a.metrics, rel=bound, abs=bound)
            assert (b.examples, b.validation_metrics) == (a.examples, a.validation_metrics)
    return one


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("backend", ["reference", "numpy", "native"])
def test_ragged_rows_with_dropout(backend, backwards):
    settings = config(loss=CrossEntropy(), metrics=["accuracy"], backend=backend, clip_norm=0.5)
    assert_equal_runs(lambda: labeller(backwards=backwards), settings, ragged(), workers=(2, 4))


def cell_with_dropout(reverse):
    cell = Cell("cell", sequences="x", states={"h": 3})
    h = Dropout(keep=0.6)(Affine(0.5, 0.0)(cell.x + cell.h))
    g = Builder("scan")
    h = Scan(cell.build(output=h, h=h), reverse=reverse)(g.input("x", "time, batch, feature=3"))
    return g.build(FullyConnected(3, 4)(Dropout(keep=0.5)(h)))


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("backend", ["reference", "numpy"])
def test_dropout_in_each_step_of_a_cell(backend, reverse):
    settings = config(loss=CrossEntropy(), backend=backend)
    assert_equal_runs(lambda: cell_with_dropout(reverse), settings, ragged(), workers=(3,))


def test_dropout_of_whole_sequences():
    def graph():
        g = Builder("kept")
        return g.build(LSTM(3, 5, 4, keep_input=0.7, keep_state=0.8)(g.input("x", "time, batch, feature=3")))

    assert_equal_runs(graph, config(loss=CrossEntropy(), batching="length"), ragged(), workers=(3,))


def test_fewer_rows_than_ranks_and_an_uneven_last_batch():
    settings = config(loss=CrossEntropy(), batch_size=3, metrics=["accuracy", "f1", "auc"])
    x, y = flat(7)
    assert_equal_runs(lambda: dense(Dropout(keep=0.5)), settings, (x, y % 4), workers=(2, 4))


@pytest.mark.parametrize("batch_size", [3, 8])
def test_statistics_of_the_whole_batch(batch_size):
    settings = config(loss=CrossEntropy(), batch_size=batch_size, epochs=3, optimizer=Sgd(0.1))
    assert_equal_runs(lambda: dense(BatchNormalization(6), Dropout(keep=0.5)), settings, flat(25), bound=1e-11)


def test_statistics_over_ragged_rows():
    def graph():
        g = Builder("normalized")
        h = BatchNormalization(5)(LSTM(3, 5, None)(g.input("x", "time, batch, feature=3")))
        return g.build(FullyConnected(5, 4)(h))

    assert_equal_runs(
        graph, config(loss=CrossEntropy(), validation=0.2, optimizer=Sgd(0.1)), ragged(30), workers=(2, 3), bound=1e-11
    )


def test_weights_masks_and_classes_that_are_ignored():
    x, y = ragged()
    rng = np.random.default_rng(1)
    y[3][:] = y[8][:] = -1
    options = {
        "sample_weight": [rng.uniform(0, 2, len(a)) for a in x],
        "target_mask": [rng.random(len(a)) < 0.7 for a in x],
        "class_weight": {0: 0.5, 2: 3.0},
    }
    loss = CrossEntropy(ignore_index=-1, class_weight=(1.0, 2.0, 0.5, 1.5))
    assert_equal_runs(labeller, config(loss=loss, metrics=["accuracy"]), (x, y), workers=(2, 3), **options)


def two_outputs():
    g = Builder("two")
    h = LSTM(3, 5, None)(g.input("x", "time, batch, feature=3"))
    shared = FullyConnected(5, 5)
    h = shared(shared(h))
    return g.build(each=FullyConnected(5, 4)(h), last=FullyConnected(5, 2)(Last()(h)))


@pytest.mark.parametrize("reductions", [("mean", "mean"), ("sum", "mean")])
def test_several_outputs_shared_layers_frozen_ones_and_penalties(reductions):
    x, y = ragged()
    last = np.random.default_rng(2).normal(size=(len(x), 2))
    settings = config(
        loss={"each": CrossEntropy(reduction=reductions[0]), "last": MeanSquaredError(reduction=reductions[1])},
        loss_weights={"each": 0.5, "last": 2.0}, regularizer=L2_Regularizer(0.01), frozen="fully_connected",
        accumulate=2, average=0.9, optimizer="adam",
    )  # fmt: skip
    assert_equal_runs(two_outputs, settings, (x, {"each": y, "last": last}), workers=(2, 3))


@pytest.mark.parametrize("tbptt", [(3, 3), (2, 5)])
def test_pieces_of_sequences(tbptt):
    assert_equal_runs(labeller, config(loss=CrossEntropy(), tbptt=tbptt), ragged(longest=12), workers=(2, 3))


@pytest.mark.parametrize("tbptt", [(4, 4), (2, 5)])
def test_pieces_of_a_stream_with_rows_that_restart(tbptt):
    rng = np.random.default_rng(4)
    rows = 5
    pieces = [
        (rng.normal(size=(n, rows, 3)), rng.integers(0, 4, (n, rows)), rng.random(rows) < 0.3) for n in (3, 4, 2, 5, 4)
    ]
    one = assert_equal_runs(labeller, config(loss=CrossEntropy(), tbptt=tbptt), (Stream(pieces),), workers=(2, 3, 4))
    several = trained(labeller, config(loss=CrossEntropy(), tbptt=tbptt), (Stream(pieces),), 2)
    for name, array in one.state.arrays.items():
        np.testing.assert_allclose(several.state.arrays[name], array, 1e-12, 1e-12)


def test_yes_or_no_labels_in_float32():
    x, y = flat(20)
    labels = np.eye(4)[y]
    settings = config(loss=BinaryCrossEntropy(), dtype="float32", metrics=["accuracy"])
    assert_equal_runs(lambda: dense(Dropout(keep=0.9)), settings, (x, labels), workers=(3,), bound=2e-5)


def test_same_workers_give_the_same_run_to_the_bit():
    runs = [trained(labeller, config(loss=CrossEntropy()), ragged(), 3) for _ in range(2)]
    for path, parameter in runs[0].runner.parameters.items():
        np.testing.assert_array_equal(runs[1].runner.parameters[path].value, parameter.value)


def test_statistics_over_pieces_of_which_some_rows_have_ended():
    def graph():
        g = Builder("normalized")
        h = BatchNormalization(5)(LSTM(3, 5, None)(g.input("x", "time, batch, feature=3")))
        return g.build(FullyConnected(5, 4)(Dropout(keep=0.7)(h)))

    settings = config(loss=CrossEntropy(), tbptt=(2, 3), batch_size=5, optimizer=Sgd(0.05))
    assert_equal_runs(graph, settings, ragged(15, longest=12), workers=(2, 4), bound=1e-11)


@pytest.mark.parametrize("backend", ["reference", "numpy", "native"])
def test_gradients_are_added_up_while_the_backward_pass_goes_on(backend):
    begun = []

    class Noted(ThreadCommunicator):
        """Notes whether the backward pass is still going on when a sum begins."""

        def begin_sum(self, buffer, *, everywhere=True):
            if self.rank == 0:
                begun.append((buffer.size, collective.listener() is not None))
            return super().begin_sum(buffer, everywhere=everywhere)

    def graph():
        g = Builder("deep")
        h = g.input("x", "time, batch, feature=3")
        shared = FullyConnected(5, 5)
        for layer in (LSTM(3, 5, None), shared, LSTM(5, 5, None), shared, FullyConnected(5, 4)):
            h = layer(h)
        return g.build(h)

    settings = config(loss=CrossEntropy(), backend=backend, epochs=1)
    one = trained(graph, settings, ragged())
    several = Trainer(graph(), settings, engine=DataParallel(Noted, workers=2, bucket=8))
    several.fit(*ragged())
    for path, parameter in one.runner.parameters.items():
        np.testing.assert_allclose(several.runner.parameters[path].value, parameter.value, 1e-12, 1e-12, err_msg=path)
    sizes = {parameter.value.size for parameter in one.runner.parameters.values()}
    early = [size for size, running in begun if running]
    assert len(early) > 3 * len(begun) // 10
    assert set(early) <= sizes
    assert 24 in early  # the weights of the last layer
