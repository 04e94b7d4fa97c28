"""Linear recurrences in native code, against those of numpy."""

from __future__ import annotations

import numpy as np
import pytest

from graphnet.core.operations import Operation
from graphnet.core.recurrences import Decay, Order, Read, diagonal, max_plus, outer, rotation
from graphnet.core.recurrences.dense import SavedByBackend
from graphnet_native import features, outer_products, recurrences
from graphnet_native.native_backend import OPERATIONS

TOLERANCES = {"float32": 1e-5, "float64": 1e-13}
#: The sizes of the inner axes, around those of vectors and units; then what is repeated by the first coefficient.
FORMS = [((37,), ()), ((64,), (0, 1)), ((3, 5), (3,)), ((2, 130), (1,)), ((), ()), ((1,), (0,)), ((4, 16), (2,))]


#: Levels of features and dtypes that are tried together.
LEVELS = [("avx512", "float32"), ("avx512", "float64"), ("avx2", "float32"), ("baseline", "float64")]


def select(monkeypatch, level):
    """Choose a level of features that this processor has."""
    monkeypatch.setenv("GRAPHNET_NATIVE_FEATURES", level)
    features.available.cache_clear()


@pytest.fixture(autouse=True)
def _selected_again():
    yield
    features.available.cache_clear()


def shaped(rng, dtype, batch, steps, inner, repeated=(), time_major=False):
    shape = [1 if axis in repeated else size for axis, size in enumerate((batch, steps, *inner))]
    array = rng.normal(size=shape).astype(dtype)
    return np.ascontiguousarray(array.swapaxes(0, 1)).swapaxes(0, 1) if time_major else array


def equal(found, expected, dtype):
    """Compare everything that two runs have, or two objects of errors."""
    if isinstance(found, (tuple, list)):
        assert len(found) == len(expected)
        for a, b in zip(found, expected, strict=True):
            equal(a, b, dtype)
    elif found is None or expected is None:
        assert found is expected
    else:
        assert found.shape == expected.shape
        assert found.dtype == dtype
        assert np.abs(found - expected).max(initial=0) <= TOLERANCES[dtype] * max(1, np.abs(expected).max(initial=0))


def counted(operations):
    """The operations, and a list of what they return."""
    results = []

    def function(*arguments):
        results.append(operations[Operation.ELEMENTWISE_RECURRENCE](*arguments))
        return results[-1]

    return {Operation.ELEMENTWISE_RECURRENCE: function}, results


def attributes(run, names):
    return [getattr(run, name) for name in names]


def cases(dtype):
    """Random sizes, orders and layouts."""
    rng = np.random.default_rng(1)
    for number, (inner, repeated) in enumerate(FORMS):
        batch, steps = int(rng.integers(2, 5)), int(rng.integers(1, 9))
        lengths = None if number % 3 else rng.integers(0, steps + 1, batch)
        yield rng, batch, steps, inner, repeated, Order(lengths, bool(number % 2)), bool(number % 4 < 2)
    yield rng, 2, 1, (5,), (0, 1), Order(np.array([1, 0])), False


@pytest.mark.parametrize(("level", "dtype"), LEVELS)
@pytest.mark.parametrize("function", [diagonal, max_plus])
def test_elementwise(monkeypatch, function, level, dtype):
    select(monkeypatch, level)
    operations, results = counted(OPERATIONS)
    names = ("a", "b", "initial") if function is diagonal else ("f", "i", "initial")
    for rng, batch, steps, inner, repeated, order, time_major in cases(dtype):
        first = shaped(rng, dtype, batch, steps, inner, repeated)
        second, late, early = (shaped(rng, dtype, batch, steps, inner, (), time_major) for _ in range(3))
        initial, last = (shaped(rng, dtype, batch, steps, inner)[:, 0] for _ in range(2))
        runs = [function(first, second, initial, order, given) for given in (operations, None)]
        equal(*(attributes(run, ("before", "after", "final")) for run in runs), dtype)
        for errors in ((late, early, last), (late, None, None), (None, early, last)):
            for without in ((), names[:1]):
                equal(*(attributes(run.pull(*errors, without), names) for run in runs), dtype)
    assert all(results)
    assert len(results) == 7 * (len(FORMS) + 1)


@pytest.mark.parametrize(("level", "dtype"), LEVELS)
def test_rotation(monkeypatch, level, dtype):
    select(monkeypatch, level)
    operations, results = counted(OPERATIONS)
    for rng, batch, steps, inner, repeated, order, time_major in cases(dtype):
        re, im = (shaped(rng, dtype, batch, steps, inner, repeated) for _ in range(2))
        b, *errors = (shaped(rng, dtype, batch, steps, inner, (), time_major) for _ in range(5))
        x, y, *last = (shaped(rng, dtype, batch, steps, inner)[:, 0] for _ in range(4))
        for added in ((b, None), (errors[0], b)):
            runs = [rotation(re, im, added, (x, y), order, given) for given in (operations, None)]
            equal(*(attributes(run, ("before", "after", "final")) for run in runs), dtype)
            for without in ((), ("matrix",)):
                pulled = (run.pull(errors[:2], (None, errors[2]), last, without) for run in runs)
                equal(*(attributes(e, ("matrix", "added", "initial")) for e in pulled), dtype)
    assert all(results)
    assert len(results) == 6 * (len(FORMS) + 1)


def test_same_bits_for_any_number_of_threads(monkeypatch):
    monkeypatch.setattr(recurrences, "SHARED", 1)
    rng = np.random.default_rng(2)
    a, b, error = (shaped(rng, "float32", 3, 20, (5, 50)) for _ in range(3))
    results = []
    for threads in (1, 2, 3):
        monkeypatch.setattr(recurrences, "allowed", lambda threads=threads: threads)
        run = diagonal(a[..., :1], b, None, Order(), OPERATIONS)
        results.append([run.after, *attributes(run.pull(error), ("a", "b"))])
    for found in results[1:]:
        for one, other in zip(found, results[0], strict=True):
            np.testing.assert_array_equal(one, other)


def test_what_is_left_to_numpy():
    b = np.ones((2, 3, 4))
    run = OPERATIONS[Operation.ELEMENTWISE_RECURRENCE]
    arrays = {"a": b, "b": b.astype("f"), "s": b[:, 0], "after": b.copy()}
    assert run("diagonal", arrays) is None
    whole = {name: array.astype(np.int64) for name, array in arrays.items()}
    assert run("diagonal", whole) is None
    columns = arrays | {"b": b, "after": np.ones((2, 3, 8))[..., ::2]}
    assert run("diagonal", columns) is None


#: Sizes of the axes (heads), key and value, around those of vectors and blocks of keys.
MATRICES = [((), 16, 64), ((2,), 3, 21), ((2, 1), 19, 5), ((3,), 1, 2)]
FORMS_OF_DECAY = ["product", "one rate", "logs", "values"]


@pytest.mark.parametrize(
    ("form", "level", "dtype"),
    [
        *((form, *LEVELS[0]) for form in FORMS_OF_DECAY),
        ("one rate", *LEVELS[1]),
        ("product", *LEVELS[2]),
        ("values", *LEVELS[3]),
    ],
)
def test_matrix_state_with_a_full_decay(monkeypatch, form, level, dtype):
    select(monkeypatch, level)
    rng = np.random.default_rng(3)
    for number, (heads, key, value) in enumerate(MATRICES):
        batch, steps = 2, (40, 7, 16, 1)[number]
        order = Order(rng.integers(0, steps + 1, batch) if number in (1, 2) else None, bool(number % 2))

        def array(*inner, time_major=bool(number % 2), sizes=(batch, steps), heads=heads):
            return shaped(rng, dtype, *sizes, (*heads, *inner), (), time_major) / 2

        if form in ("product", "one rate"):
            rates = np.abs(array(1, value if form == "product" else 1))
            decay = Decay(logs=rates, scale=-np.abs(array(key, value)[0, 0]))
        else:
            decay = Decay(logs=-np.abs(array(key, value))) if form == "logs" else Decay(values=array(key, value))
        keys = array(key, heads=(1,) * len(heads))
        queries = [Read(array(key)), Read(array(key, sizes=(1, steps)), before=True)]
        initial, last = array(key, value)[:, 0], array(key, value)[:, 0]
        given, errors = array(value), [array(value), array(value)]
        runs = [outer(keys, given, queries, decay, initial, order, operations) for operations in (OPERATIONS, None)]
        assert isinstance(runs[0]._saved, SavedByBackend)
        equal(*([*run.outputs, run.final] for run in runs), dtype)
        for some, without in ((errors, ()), ([None, errors[1]], ("decay",))):
            pulled = [run.pull(some, last, without) for run in runs]
            equal(*(attributes(e, ("keys", "values", "queries", "initial")) for e in pulled), dtype)
            equal(*(attributes(e.decay, ("values", "logs", "scale")) for e in pulled), dtype)


def test_same_bits_of_matrix_states_for_any_number_of_threads(monkeypatch):
    monkeypatch.setattr(outer_products, "SHARED", 1)
    rng = np.random.default_rng(4)
    keys, query = (shaped(rng, "float32", 2, 37, (3, 5)) for _ in range(2))
    values, error = (shaped(rng, "float32", 2, 37, (3, 40)) for _ in range(2))
    decay = Decay(logs=np.abs(shaped(rng, "float32", 2, 37, (3, 1, 40))), scale=-np.ones((3, 5, 40), "f"))
    results = []
    for threads in (1, 2, 3):
        monkeypatch.setattr(outer_products, "allowed", lambda threads=threads: threads)
        run = outer(keys, values, [Read(query)], decay, None, Order(), OPERATIONS)
        errors = run.pull([error])
        found = [*run.outputs, errors.keys, errors.values, *errors.queries, errors.decay.logs, errors.decay.scale]
        results.append(found)
    for found in results[1:]:
        for one, other in zip(found, results[0], strict=True):
            np.testing.assert_array_equal(one, other)
