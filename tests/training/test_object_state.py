"""The state of objects survives JSON exactly, in values, dtypes, layout in memory and shared references."""

import json
import random
from collections import Counter, OrderedDict, defaultdict, deque
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest

from graphnet import State
from graphnet.core.errors import ConfigError
from graphnet.training import EpochRecord
from graphnet.training.data_hash import CHUNK, DataHashes
from graphnet.training.object_kinds import is_resource
from graphnet.training.object_reader import ObjectReader
from graphnet.training.object_writer import ObjectWriter


class Box:
    """An object without methods."""

    def __init__(self, value=None):
        self.value = value


def passed(value, existing=None):
    """A value after writing it as an attribute, JSON, and restoring it into another object."""
    writer = ObjectWriter()
    written = json.loads(json.dumps(writer.object(Box(value), "box"), allow_nan=False))
    arrays = {name: array.copy() for name, array in writer.arrays.items()}
    box = Box(existing)
    ObjectReader(arrays).object(written, box, "box")
    return box.value


VALUES = [
    None, True, 0, -(2**200), 2**63, 0.1, -0.0, 5e-324, float("inf"), -float("inf"), "", "ä\n\x00", b"\xff", bytearray(b"a"),
    3 + 4j, complex(-0.0, float("inf")), (), (1, (2.5, "x")), [], [1, "a", None, [0.5]], {}, {"a": {"b": [1]}},
    {1: "a", (2, "b"): 3.5, None: [], 0.5: 2}, {3, 1, 2}, frozenset({"a", 4}), range(1, 9, 2), slice(None, 3),
    deque([1, 2, 3], maxlen=3), deque([0.5]), Counter("banana"), OrderedDict([("z", 1), ("a", 2)]),
    date(2024, 2, 29), Decimal("1.10"), Fraction(1, 3), datetime(2024, 2, 29, 12, 30, 1, 7), timedelta(days=-1, microseconds=3), list(range(100)), [2**64] * 50,
    [0.1 * i for i in range(64)], tuple(float(i) for i in range(40)), [0.5] * 31 + [1], [True] * 40,
    np.float32(0.1), np.int8(-3), np.bool_(True), np.complex64(1j), np.str_("ab"), np.datetime64("2020-01-02"),
]  # fmt: skip


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_value(value):
    back = passed(value)
    assert type(back) is type(value) and repr(back) == repr(value)
    if isinstance(value, deque):
        assert back.maxlen == value.maxlen


def test_nan_keeps_its_kind():
    assert np.isnan(passed(float("nan"))) and type(passed(float("nan"))) is float
    assert np.isnan(passed({float("inf"): [float("nan")]})[float("inf")][0])


@pytest.mark.parametrize(
    "dtype", ["?", "i1", "u8", "f2", "f4", ">f8", "c16", "U3", "S2", "M8[s]", "m8[D]", "longdouble"]
)
@pytest.mark.parametrize("shape", [(), (0, 3), (2, 3), (2, 3, 4)])
def test_array(dtype, shape):
    size = int(np.prod(shape))
    array = np.arange(size).reshape(shape).astype(dtype)
    for laid_out in (array, array.T, np.asfortranarray(array), array[..., ::-1] if shape else array):
        back = passed(laid_out)
        assert back.dtype == laid_out.dtype and back.shape == laid_out.shape and back.tobytes() == laid_out.tobytes()
        assert passed([laid_out])[0].tobytes() == laid_out.tobytes()
    back = passed(array.T)
    if size and len(shape) > 1:
        assert back.strides == array.T.strides and not back.flags.c_contiguous


def test_arrays_are_copies():
    array = np.zeros(3)
    writer = ObjectWriter()
    writer.object(Box([array]), "box")
    array[:] = 1
    (kept,) = writer.arrays.values()
    assert not kept.any()


@pytest.mark.parametrize("name", ["PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64"])
def test_generator(name):
    def made(seed):
        return np.random.Generator(getattr(np.random, name)(seed))

    rng = made(3)
    rng.integers(5, size=3, dtype=np.uint8)  # leaves half a word behind
    rng.normal(size=3)
    rng.spawn(2)
    expected = None
    for existing in (None, made(7), np.random.default_rng(1), np.random.RandomState(1), "text"):
        back = passed(rng, existing)
        child = back.spawn(1)[0].random(2)
        drawn = [*back.integers(9, size=5, dtype=np.uint8), *back.normal(size=3), *child]
        expected = drawn if expected is None else expected
        assert drawn == expected
    rng_drawn = [*rng.integers(9, size=5, dtype=np.uint8), *rng.normal(size=3), *rng.spawn(1)[0].random(2)]
    assert rng_drawn == expected


def test_generators_of_other_kinds():
    python, legacy, bits = random.Random(1), np.random.RandomState(2), np.random.PCG64(3)
    python.gauss(0, 1), legacy.normal(), bits.random_raw()
    made, changed = passed(python), passed(python, random.Random(8))
    expected = [python.gauss(0, 1) for _ in range(3)]
    assert [made.gauss(0, 1) for _ in range(3)] == [changed.gauss(0, 1) for _ in range(3)] == expected
    back = passed(legacy)
    assert back.normal() == legacy.normal() and back.normal() == legacy.normal()
    assert passed(bits).random_raw() == bits.random_raw()
    assert passed(random.SystemRandom(), "kept") == "kept"  # it has no state
    for subclass in (type("Mine", (random.Random,), {}), type("Own", (np.random.Generator,), {})):
        with pytest.raises(ConfigError, match=subclass.__name__):
            passed(subclass() if subclass.__name__ == "Mine" else subclass(np.random.PCG64(1)))


def test_existing_objects_are_changed_not_replaced():
    rng, listed, mapped, inner = np.random.default_rng(1), [9], {"a": [1], "old": 2}, Box(4)
    box = Box([rng])
    box.listed, box.mapped, box.inner = [3, 4], {"a": [5]}, Box(6)
    writer = ObjectWriter()
    written = writer.object(box, "box")
    expected = np.random.default_rng(1).random()
    other = Box([np.random.default_rng(2)])
    other.listed, other.mapped, other.inner = listed, mapped, inner
    shared = other.value[0]
    nested = mapped["a"]
    ObjectReader(writer.arrays).object(written, other, "box")
    assert other.listed is listed and listed == [3, 4]
    assert other.mapped is mapped and mapped == {"a": [5]} and mapped["a"] is nested
    assert other.inner is inner and inner.value == 6
    assert other.value[0] is shared and shared.random() == expected


def test_shared_references_stay_shared():
    shared, rng = [1], np.random.default_rng(0)
    array = np.zeros(2)
    back = passed({"a": shared, "b": shared, "c": {"d": shared}, "x": [rng, rng], "y": [array, array]})
    assert back["a"] is back["b"] is back["c"]["d"] and back["x"][0] is back["x"][1] and back["y"][0] is back["y"][1]


def test_object_that_refers_to_itself():
    box = Box()
    box.me, box.items = box, []
    box.items.append(box.items)
    writer = ObjectWriter()
    other = Box()
    other.me, other.items = other, []
    ObjectReader(writer.arrays).object(writer.object(box, "box"), other, "box")
    assert other.me is other and other.items[0] is other.items


class Colour(Enum):
    RED, BLUE = 1, 2


class Slotted:
    __slots__ = ("__hidden", "count")

    def __init__(self, count):
        self.count, self.__hidden = count, [count]

    def hidden(self):
        return self.__hidden


@dataclass(frozen=True)
class Frozen:
    items: list = field(default_factory=list)
    count: int = 0


def test_objects_in_attributes():
    assert passed(Slotted(3), Slotted(1)).hidden() == [3]
    assert passed(Frozen([1], 2), Frozen()) == Frozen([1], 2)
    assert passed(SimpleNamespace(a=[1]), SimpleNamespace()) == SimpleNamespace(a=[1])
    assert passed(Colour.BLUE, Colour.RED) is Colour.BLUE
    state = State({"h": np.ones((2, 3))}, [True, False])
    assert passed(state) == state
    record = EpochRecord(2, float("inf"), {"a": 0.5}, best=True)
    assert passed([record]) == [record]
    defaults = defaultdict(list, a=[1])
    assert passed(defaults, defaultdict(list)) == defaults


def test_resources_stay_those_of_the_restored_object(tmp_path):
    with open(tmp_path / "log", "w") as file, open(tmp_path / "other", "w") as other:
        assert passed(file, other) is other
        assert passed([file, print], "kept") == "kept"
        assert is_resource({"a": len}) and not is_resource([]) and not is_resource([1, len])


@pytest.mark.parametrize(
    ("value", "path"),
    [
        (iter([1]), "box.value"),
        (type("Mine", (dict,), {"x": 1})(a=1), "box.value"),
        (np.random.SeedSequence(1), "box.value"),
        ({"a": [1, (2, iter("ab"))]}, r"box.value\['a'\]\[1\]\[1\]"),
        ([Box()], r"box.value\[0\]"),
        ([1, len], r"box.value\[1\]"),
        (np.array([object()]), "box.value"),
        (np.zeros(2, [("a", "f4")]), "box.value"),
        (Box(Box(zip([1], [2], strict=True))), "box.value.value.value"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_what_cannot_be_kept_is_named(value, path):
    with pytest.raises(ConfigError, match=f"{path}: a checkpoint cannot keep this object.*load_state"):
        passed(value)


def test_deep_values_are_refused():
    deep = []
    for _ in range(1000):
        deep = [deep]
    with pytest.raises(ConfigError, match="cannot keep"):
        passed(deep)


def test_hash_of_large_arrays_depends_on_every_number():
    array = np.zeros(3 * CHUNK // 8 + 5)
    first = DataHashes().of([array.reshape(-1, 1)])
    for position in (0, CHUNK // 8, len(array) - 1):
        array[position] = 1e-300
        assert DataHashes().of([array.reshape(-1, 1)]) != first
        array[position] = 0
    assert DataHashes().of([array[::1].reshape(-1, 1)]) == first
    assert DataHashes().of([np.asfortranarray(np.eye(3) + 1)]) == DataHashes().of([np.eye(3) + 1])
