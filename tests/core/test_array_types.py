"""Which arrays come in from users: with exactly their numbers, or not at all."""

import array
import datetime
import decimal
from collections import OrderedDict, deque

import numpy as np
import pytest

from graphnet import (
    Builder,
    Cell,
    DataError,
    DtypeError,
    FullyConnected,
    GraphnetError,
    Last,
    Model,
    Runner,
    Scan,
    ShapeError,
    State,
    concatenate,
    dense,
)
from graphnet.authoring import as_array
from graphnet.core.dtypes import check_convertible, converted
from graphnet.core.errors import RaggedError
from graphnet.data.datasets import Stream
from graphnet.losses import MeanSquaredError

MIXED = np.array([(1, 2.0), (3, 4.0)], dtype=[("a", "i4"), ("b", "f8")])
MASKED = np.ma.array([[1.0, 2.0], [3.0, 4.0]], mask=[[False, True], [False, False]])


def matrix(values):
    return np.array(values).view(np.matrix)  # its constructor warns


class Plain(np.ndarray):
    """A subclass without a meaning of its own."""


class Quantity(np.ndarray):
    """Stands for astropy's and unyt's quantities."""

    unit = "m"


class Tensor:
    """Stands for the tensors of other libraries."""

    def __init__(self, values, requires_grad=False, failure=None):
        self.values, self.requires_grad, self.failure = values, requires_grad, failure

    def __array__(self, dtype=None, copy=None):
        if self.failure:
            raise self.failure
        return np.asarray(self.values, dtype)


def of_library(module, name, **attributes):
    made = type(name, (), {"__array__": lambda self, dtype=None, copy=None: np.ones(3), **attributes})
    made.__module__ = module
    return made()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (matrix([[1, 2], [3, 4]]), [[1, 2], [3, 4]]),
        (np.arange(3.0).view(Plain), [0, 1, 2]),
        (np.arange(6.0)[::-2], [5, 3, 1]),
        (np.asfortranarray([[1.0, 2.0], [3.0, 4.0]]), [[1, 2], [3, 4]]),
        (np.array([1.5, 2.0], ">f8"), [1.5, 2.0]),
        (np.array([1, 258], ">i4"), [1, 258]),
        (np.array([True, False]), [1, 0]),
        (np.float32(2.5), 2.5),
        (7, 7),
        ([1, 2.5, True], [1, 2.5, 1]),
        ([np.arange(2), (0.5, 1)], [[0, 1], [0.5, 1]]),
        ([matrix([[1.0]]), [[2.0]]], [[[1]], [[2]]]),
        (range(3), [0, 1, 2]),
        (deque([1, 2]), [1, 2]),
        (array.array("d", [1.5, 2]), [1.5, 2]),
        (memoryview(np.array([1.5, 2.0])), [1.5, 2.0]),
        (Tensor([1.0, 2.0]), [1, 2]),
        (of_library("jaxlib.xla_extension", "ArrayImpl"), [1, 1, 1]),
        ([2**53 + 1, 3], [2**53 + 1, 3]),
    ],
)
def test_as_array_keeps_the_numbers(value, expected):
    found = as_array(value, "x")
    assert type(found) is np.ndarray and found.dtype.isnative
    assert found.tolist() == expected


def test_as_array_copies_no_array():
    x = np.random.default_rng(0).normal(size=(3, 2))
    x.flags.writeable = False
    assert as_array(x, "x") is x
    assert np.shares_memory(as_array(x.view(Plain), "x"), x)


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        (MASKED, "mask="),
        (np.ma.array([1.0, 2.0]), "mask="),
        (np.ma.masked, "mask="),
        ([MASKED, MASKED], "item 0: a masked array"),
        (Tensor(MASKED), None),
        (np.zeros(2).view(Quantity), "has a unit"),
        (of_library("pint.registry", "Quantity"), "magnitude"),
        (MIXED, "structured_to_unstructured"),
        (MIXED.view(np.recarray), "structured_to_unstructured"),
        (of_library("xarray.core.dataarray", "DataArray"), r"\.values"),
        (of_library("polars.series.series", "Series"), "nulls"),
        (of_library("torch.masked", "MaskedTensor", mask=np.ones(3, bool)), "mask="),
        (Tensor([1.0], requires_grad=True), r"detach\(\)"),
        (Tensor([1.0], failure=TypeError("can't convert cuda:0 device type")), r"cuda:0.*cpu\(\)"),
        (Tensor([1.0], failure=TypeError("unsupported ScalarType BFloat16")), "BFloat16"),
        (of_library("scipy.sparse._csr", "csr_array"), "toarray"),
        (np.array(["2020-01-01"], "M8[D]"), "numpy.timedelta64"),
        (np.array([1], "m8[s]"), "numpy.timedelta64"),
        ([datetime.date(2020, 1, 1)], "item 0"),
        ("1.5", "not an array"),
        (b"12", "not an array"),
        (["1", "2"], "Text"),
        ([1, "a"], "Text"),
        ([1.0, None], r"None at \(1,\)"),
        (None, "None"),
        (np.array([1, 2], object), "object"),
        ([10**400], "object"),
        ([decimal.Decimal("0.1")], "item 0"),
        ({"a": 1}, "not an array"),
        (OrderedDict(a=1), "not an array"),
        ({1, 2}, "not an array"),
        ((i for i in range(2)), "list of numbers"),
        ([{1}], "item 0"),
        (object(), "not an array"),
        (np.float16(1), "float16"),
        (np.longdouble(1), "float"),
        ([1j], "real and imaginary"),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, str) else None,
)
def test_as_array_refuses_what_it_would_change(value, hint):
    if hint is None:
        value.values, hint = None, "None"
    with pytest.raises(DtypeError, match=hint) as caught:
        as_array(value, "graph, input 'x'")
    assert str(caught.value).startswith("graph, input 'x'")


def test_array_protocol_that_returns_a_masked_array_is_refused():
    class Loader:
        def __array__(self, dtype=None, copy=None):
            return MASKED

    with pytest.raises(DtypeError, match="masked array"):
        as_array(Loader(), "x")


def test_ragged_lists_are_dtype_and_shape_errors():
    with pytest.raises(RaggedError, match="equal length") as caught:
        as_array([[1.0], [1.0, 2.0]], "x")
    assert isinstance(caught.value, DtypeError) and isinstance(caught.value, ShapeError)


@pytest.mark.parametrize("value", [[2**53 + 1, 0.5], [[2**53 + 1], [0.5]], [np.array([2**53 + 1]), np.array([0.5])]])
def test_whole_numbers_beside_fractions_are_not_rounded(value):
    with pytest.raises(DataError, match="cannot represent exactly; .* received 9007199254740993"):
        as_array(value, "x")
    assert as_array([2**53, 0.5], "x").tolist() == [2**53, 0.5]


@pytest.mark.parametrize(
    ("values", "dtype", "held"),
    [
        (np.array([2**53 + 1]), "float64", False),
        (np.array([2**53 + 2, -(2**63)]), "float64", True),
        (np.array([2**64 - 1], np.uint64), "float64", False),
        (np.array([2**63], np.uint64), "float64", True),
        (np.array([[0, 2**24 + 1]]), "float32", False),
        (np.array([2**24 + 2, -(2**24)]), "float32", True),
        (np.array([1.0, 1e39]), "float32", False),
        (np.array([-1e39, np.inf]), "float32", False),
        (np.array([np.inf, -np.inf, np.nan, 1e-60, 0.1]), "float32", True),
    ],
)
def test_conversion_holds_or_raises(values, dtype, held):
    if held:
        np.testing.assert_array_equal(converted(values, dtype, "x"), values.astype(dtype))
        check_convertible(values, dtype, "x")
        return
    for convert in (converted, check_convertible):
        with pytest.raises(DataError, match=r"x, at \(\d"):
            convert(values, dtype, "x")


def test_check_convertible_finds_the_place_in_a_large_array():
    values = np.zeros((1000, 300))
    values[777, 13] = 1e300
    with pytest.raises(DataError, match=r"at \(777, 13\): a number is too large for float32"):
        check_convertible(values, "float32", "x")


# ---------------------------------------------------------------------- where users give arrays
def dense_model(dtype="float32"):
    g = Builder("m")
    return Model(g.build(y=FullyConnected(2, 1, dtype=dtype)(g.input("x", "batch, feature=2"), name="dense")))


def sequence_graph():
    cell = Cell("sum", sequences="x", states={"h": 2})
    h = dense(concatenate(cell.x, cell.h), 2, dtype="float32")
    g = Builder("m")
    x = g.input("x", "time, batch, feature=3")
    return g.build(y=Last()(Scan(cell.build(output=h, h=h))(x, name="scan")))


X = np.random.default_rng(1).normal(size=(2, 2))


@pytest.mark.parametrize(
    "call",
    [
        lambda bad: dense_model().predict(bad),
        lambda bad: dense_model().fit(bad, [[1.0], [2.0]], loss=MeanSquaredError(), epochs=1),
        lambda bad: dense_model().fit(X, bad[:, :1], loss=MeanSquaredError(), epochs=1),
        lambda bad: dense_model().runner.forward({"x": bad}),
        lambda bad: FullyConnected(2, 1).forward(bad),
        lambda bad: FullyConnected(1, 2).set_weights(bad),
        lambda bad: State({"scan/h": bad}),
        lambda bad: MeanSquaredError().value(X, bad),
        lambda bad: list(Stream([(bad, bad)]).pieces(1)),
        lambda bad: Stream(bad, bad),
    ],
)
def test_masked_arrays_are_refused_everywhere(call):
    with pytest.raises(DtypeError, match="masked array"):
        call(MASKED)


def test_masked_errors_lengths_and_masks_are_refused():
    layer = FullyConnected(2, 2)
    layer.forward(X)
    with pytest.raises(DtypeError, match="masked array"):
        layer.backward(MASKED)
    runner, x = Runner(sequence_graph()), np.ones((4, 2, 3))
    with pytest.raises(DtypeError, match="lengths of 'x': a masked array"):
        runner.forward({"x": x}, lengths=np.ma.array([4, 2], mask=[0, 1]))
    model = Model(sequence_graph())
    with pytest.raises(DtypeError, match="masked array"):
        model.predict(x, mask=np.ma.array(np.ones((4, 2), bool), mask=np.zeros((4, 2), bool)))
    with pytest.raises(DtypeError, match="lengths of 'x': is not an array"):
        model.predict(x, lengths=iter([4, 2]))


def test_matrix_computes_as_an_array():
    layer = FullyConnected(2, 3)
    found = layer.forward(matrix(X))
    assert type(found) is np.ndarray
    np.testing.assert_array_equal(found, layer.forward(X))
    assert type(layer.backward(matrix(np.ones((2, 3))))) is np.ndarray


def test_tensor_memory_changed_after_forward_does_not_count():
    values, layer = X.copy(), FullyConnected(2, 1)
    layer.forward(Tensor(values))
    values[:] = 9.0
    layer.backward(np.ones((2, 1)))
    np.testing.assert_allclose(layer.get_gradient_weights()[:-1, 0], X.sum(0), rtol=1e-15)


def test_numbers_too_large_for_the_dtype_are_refused_before_training():
    model = dense_model()
    before = model.runner.parameters["dense/weights"].value.copy()
    x = np.ones((5, 2))
    x[3, 1] = 1e39
    with pytest.raises(DataError, match=r"input 'x', at \(3, 1\): a number is too large for float32"):
        model.fit(x, np.ones((5, 1)), loss=MeanSquaredError(), epochs=1)
    with pytest.raises(DataError, match="16777217"):
        model.predict(np.array([[1, 2**24 + 1]]))
    assert np.array_equal(model.runner.parameters["dense/weights"].value, before)


def test_weights_too_large_for_their_dtype_are_refused():
    layer = FullyConnected(1, 1, dtype="float32")
    before = layer.get_weights()
    with pytest.raises(DataError, match="too large for float32"):
        layer.set_weights([[1e39], [0.0]])
    assert np.array_equal(layer.get_weights(), before)


# ---------------------------------------------------------------------- the libraries themselves
def test_pandas_is_taken_by_position_or_refused():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"a": [1, 2], "b": [0.5, 4.0]}, index=[1, 0])
    assert as_array(frame, "x").tolist() == [[1, 0.5], [2, 4.0]]
    assert as_array(frame["b"], "x").tolist() == [0.5, 4.0]
    assert as_array(pd.DataFrame({"a": [True, False], "b": [0.5, 1.0]}), "x").tolist() == [[1, 0.5], [0, 1]]
    assert as_array(pd.Index([3, 1]), "x").tolist() == [3, 1]
    refused = [pd.Series([1, None], dtype="Int64"), pd.Series(["a"]), pd.Categorical([1]), pd.NA, [1.0, pd.NA]]
    refused += [pd.Series(pd.to_datetime(["2020-01-01"])), frame.assign(c=["u", "v"])]
    refused += [pd.Series([1, None], dtype=object)]
    for value in refused:
        with pytest.raises(DtypeError):
            as_array(value, "x")
    with pytest.raises(DataError, match="cannot represent exactly"):
        as_array(pd.DataFrame({"a": [2**53 + 1], "b": [0.5]}), "x")


def test_sparse_matrices_are_refused():
    sparse = pytest.importorskip("scipy.sparse")
    for value in (sparse.csr_matrix(np.eye(2)), sparse.coo_array(np.eye(2))):
        with pytest.raises(DtypeError, match="toarray"):
            as_array(value, "x")


def test_xarray_is_refused():
    xarray = pytest.importorskip("xarray")
    with pytest.raises(DtypeError, match="named dimensions"):
        as_array(xarray.DataArray(X, dims=("batch", "feature")), "x")


def test_torch_tensors_are_taken_without_a_gradient():
    torch = pytest.importorskip("torch")
    assert as_array(torch.tensor([1.0, 2.0]), "x").tolist() == [1, 2]
    for value in (torch.ones(2, requires_grad=True), torch.ones(2, dtype=torch.bfloat16), torch.eye(2).to_sparse()):
        with pytest.raises(GraphnetError):
            as_array(value, "x")


class OnlyDlpack:
    """An array of a library that numpy knows by DLPack alone."""

    def __init__(self, array, exported=True):
        self.array, self.exported = array, exported

    def __dlpack__(self, **options):
        if not self.exported:
            raise BufferError("on another device")
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()


def test_arrays_with_dlpack_alone():
    array = np.random.default_rng(0).normal(size=(3, 4)).T
    np.testing.assert_array_equal(as_array(OnlyDlpack(array), "x"), array)
    np.testing.assert_array_equal(as_array([OnlyDlpack(array), array], "x"), [array, array])
    np.testing.assert_array_equal(FullyConnected(3, 2).forward(OnlyDlpack(array)).shape, (4, 2))


def test_arrays_of_another_device_are_refused():
    with pytest.raises(DtypeError, match="cannot be read as an array.*OnlyDlpack: on another device"):
        as_array(OnlyDlpack(np.ones(3), exported=False), "x")
