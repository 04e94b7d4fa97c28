"""Cells and Scan against ONNX: its test cases, its reference evaluator, and a loop from the specification."""

import functools
import importlib
import itertools
import pkgutil

import numpy as np
import pytest
from recurrent_oracle import close

onnx = pytest.importorskip("onnx", minversion="1.17")

import onnx_mapping  # noqa: E402
from onnx.backend.test.case import node as onnx_cases  # noqa: E402
from onnx.reference import ReferenceEvaluator  # noqa: E402

pytestmark = pytest.mark.slow

OPERATORS = ("RNN", "GRU", "LSTM")
#: The cases are float32, so both sides round at every step.
SINGLE, DOUBLE = 1e-5, 1e-10


# ---------------------------------------------------------------------- ONNX's own test cases
def published():
    """All cases of the three operators, from the modules of ONNX that are named after one of them."""
    for module in pkgutil.iter_modules(onnx_cases.__path__):
        if any(op.lower() in module.name for op in OPERATORS):
            importlib.import_module(f"{onnx_cases.__name__}.{module.name}")
    return [c for c in onnx_cases._NodeTestCases if c.model.graph.node[0].op_type in OPERATORS]


PUBLISHED = published()


def test_all_published_cases_are_present():
    """Twelve in ONNX 1.17, eighteen in 1.23; new cases are included automatically, missing ones fail here."""
    assert len(PUBLISHED) >= 12
    assert {c.model.graph.node[0].op_type for c in PUBLISHED} == set(OPERATORS)
    assert all(len(c.model.graph.node) == 1 and c.data_sets for c in PUBLISHED)


@pytest.mark.parametrize("case", PUBLISHED, ids=lambda case: case.name)
def test_published_cases(case):
    (node,) = case.model.graph.node
    for inputs, outputs in case.data_sets:
        actual = onnx_mapping.evaluate(node, inputs)
        names = [role for role, name in zip(onnx_mapping.OUTPUTS, node.output, strict=False) if name]
        assert names
        for name, expected in zip(names, outputs, strict=True):
            assert actual[name].shape == expected.shape and actual[name].dtype == expected.dtype
            close(actual[name], expected, SINGLE)


# ---------------------------------------------------------------------- random cases
VARIANTS = {
    "RNN": ("RNN", {}, False),
    "GRU": ("GRU", {}, False),
    "GRU_linear_before_reset": ("GRU", {"linear_before_reset": 1}, False),
    "LSTM": ("LSTM", {}, False),
    "LSTM_peepholes": ("LSTM", {}, True),
    "LSTM_input_forget": ("LSTM", {"input_forget": 1}, False),
}
#: The inputs that are present, and the lengths; in one case the longest row is shorter than the array.
HOW = {
    "bare": ((), None),
    "biases": (("B",), None),
    "states": (("initial_h", "initial_c"), None),
    "all": (("B", "initial_h", "initial_c"), None),
    "ragged": (("B",), (5, 1, 7, 0, 3)),
    "ragged_states": (("B", "initial_h", "initial_c"), (0, 4, 1, 7, 2)),
    "ragged_short": (("initial_c", "initial_h"), (3, 0, 1, 5, 5)),
}
T, BATCH, FEATURES, UNITS = 7, 5, 3, 4
CASES = pytest.mark.parametrize(
    ("variant", "direction", "layout", "how"),
    list(itertools.product(VARIANTS, onnx_mapping.REVERSED, (0, 1), HOW)),
)


def random_node(variant, direction, layout, how, rng):
    """A node and its inputs by role, with random arrays."""
    op, extra, peepholes = VARIANTS[variant]
    chosen, lengths = HOW[how]
    directions, gates = len(onnx_mapping.REVERSED[direction]), onnx_mapping.GATES[op]
    sizes = {
        "X": (BATCH, T, FEATURES) if layout else (T, BATCH, FEATURES),
        "W": (directions, gates * UNITS, FEATURES),
        "R": (directions, gates * UNITS, UNITS),
        "B": (directions, 2 * gates * UNITS),
        "initial_h": (BATCH, directions, UNITS) if layout else (directions, BATCH, UNITS),
        "initial_c": (BATCH, directions, UNITS) if layout else (directions, BATCH, UNITS),
        "P": (directions, 3 * UNITS),
    }
    wanted = {"X", "W", "R", *chosen} | ({"P"} if peepholes else set())
    if op != "LSTM":
        wanted.discard("initial_c")
    arrays = {role: rng.normal(size=size) * 0.8 for role, size in sizes.items() if role in wanted}
    if lengths is not None:
        arrays["sequence_lens"] = np.array(lengths, np.int32)
    names = [role if role in arrays else "" for role in onnx_mapping.ROLES[: 8 if op == "LSTM" else 6]]
    while not names[-1]:
        names.pop()
    outputs = onnx_mapping.OUTPUTS[: 3 if op == "LSTM" else 2]
    node = onnx.helper.make_node(op, names, outputs, hidden_size=UNITS, direction=direction, layout=layout, **extra)
    return node, {role: arrays[role] for role in names if role}


def sigma(v):
    return 1.0 / (1.0 + np.exp(-v))


def by_specification(node, arrays):
    """Y, Y_h, Y_c by the equations of the operators, for each row, direction and step."""
    asked = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
    turned = (lambda a: np.swapaxes(a, 0, 1)) if asked["layout"] else np.array
    x, w, r = turned(arrays["X"]), arrays["W"], arrays["R"]
    steps, rows, _ = x.shape
    directions, units = len(w), r.shape[2]
    lengths = arrays.get("sequence_lens", [steps] * rows)
    zeros = np.zeros((directions, rows, units))
    h = turned(arrays["initial_h"]).copy() if "initial_h" in arrays else zeros.copy()
    c = turned(arrays["initial_c"]).copy() if "initial_c" in arrays else zeros.copy()
    y = np.zeros((steps, directions, rows, units))
    for d, row in itertools.product(range(directions), range(rows)):
        biases = arrays["B"][d] if "B" in arrays else np.zeros(2 * len(w[d]))
        wb, rb = biases[: len(w[d])], biases[len(w[d]) :]
        peep = arrays["P"][d] if "P" in arrays else np.zeros(3 * units)
        backwards = d == 1 or asked["direction"] == b"reverse"
        for t in sorted(range(lengths[row]), reverse=backwards):

            def gate(k, state, wb=wb, rb=rb, d=d, row=row, t=t):
                at = slice(k * units, (k + 1) * units)
                return w[d, at] @ x[t, row] + r[d, at] @ state + wb[at] + rb[at]

            before, kept = h[d, row].copy(), c[d, row].copy()
            if node.op_type == "RNN":
                h[d, row] = np.tanh(gate(0, before))
            elif node.op_type == "GRU":
                zt, rt = sigma(gate(0, before)), sigma(gate(1, before))
                if asked.get("linear_before_reset"):
                    at = slice(2 * units, None)
                    ht = np.tanh(w[d, at] @ x[t, row] + rt * (r[d, at] @ before + rb[at]) + wb[at])
                else:
                    ht = np.tanh(gate(2, rt * before))
                h[d, row] = (1 - zt) * ht + zt * before
            else:
                it = sigma(gate(0, before) + peep[:units] * kept)
                ft = sigma(gate(2, before) + peep[2 * units :] * kept)
                if asked.get("input_forget"):
                    ft = 1 - it
                c[d, row] = ft * kept + it * np.tanh(gate(3, before))
                ot = sigma(gate(1, before) + peep[units : 2 * units] * c[d, row])
                h[d, row] = ot * np.tanh(c[d, row])
            y[t, d, row] = h[d, row]
    return (y.transpose(2, 0, 1, 3) if asked["layout"] else y), turned(h), turned(c)


@CASES
def test_random_cases_against_specification(variant, direction, layout, how):
    node, arrays = random_node(variant, direction, layout, how, np.random.default_rng(5))
    actual = onnx_mapping.evaluate(node, list(arrays.values()))
    assert set(actual) == set(node.output)
    for name, expected in zip(onnx_mapping.OUTPUTS, by_specification(node, arrays), strict=True):
        if name in actual:
            assert actual[name].dtype == np.float64
            close(actual[name], expected, DOUBLE)


def model_of(node, arrays, names, version=None):
    """A model of one node with these outputs, in the newest version of its operator."""

    def message(name, array):
        kind = onnx.helper.np_dtype_to_tensor_dtype(array.dtype)
        return onnx.helper.make_tensor_value_info(name, kind, array.shape)

    kind = onnx.helper.np_dtype_to_tensor_dtype(arrays["X"].dtype)
    inputs = [message(name, array) for name, array in arrays.items()]
    outputs = [onnx.helper.make_tensor_value_info(n, kind, [None] * (4 if n == "Y" else 3)) for n in names]
    graph = onnx.helper.make_graph([node], "judge", inputs, outputs)
    version = onnx.defs.get_schema(node.op_type).since_version if version is None else version
    return onnx.helper.make_model_gen_version(graph, opset_imports=[onnx.helper.make_operatorsetid("", version)])


def referee(node, arrays, names):
    """The outputs of ONNX's reference evaluator for a model that passes ONNX's checker."""
    model = model_of(node, arrays, names)
    onnx.checker.check_model(model)
    return ReferenceEvaluator(model).run(None, dict(arrays))


@functools.cache
def reference_supports_reverse():
    """Whether the reference evaluator of this version supports reverse.

    It does since ONNX 1.23; earlier ones ignore reverse, return no Y_c, and have an extra time axis in layout 1.
    """
    actual = []
    for direction in ("forward", "reverse"):
        node, arrays = random_node("RNN", direction, 0, "bare", np.random.default_rng(1))
        actual += referee(node, arrays, ["Y"])
    return not np.array_equal(*actual)


REFEREED = [
    (variant, direction, layout, how)
    for variant, direction, layout, how in itertools.product(VARIANTS, onnx_mapping.REVERSED, (0, 1), HOW)
    # The evaluator ignores sequence_lens and input_forget.
    if HOW[how][1] is None and variant != "LSTM_input_forget"
]


@pytest.mark.parametrize(("variant", "direction", "layout", "how"), REFEREED)
def test_random_cases_against_reference_evaluator(variant, direction, layout, how):
    if (direction != "forward" or layout) and not reference_supports_reverse():
        pytest.skip(f"the reference evaluator of onnx {onnx.__version__} knows neither directions nor this layout")
    node, arrays = random_node(variant, direction, layout, how, np.random.default_rng(6))
    actual = onnx_mapping.evaluate(node, list(arrays.values()))
    names = [name for name in node.output if name != "Y_c" or reference_supports_reverse()]
    for name, expected in zip(names, referee(node, arrays, names), strict=True):
        assert expected.dtype == np.float64
        close(actual[name], expected, DOUBLE)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("direction", onnx_mapping.REVERSED)
def test_random_cases_against_onnxruntime(variant, direction):
    """The only other engine that supports sequence_lens and input_forget; in float32, without layout 1.

    For an empty row it returns zeros as Y_h and Y_c even with initial states; the specification does not define them. Here
    they are the initial states, so that a sequence can be run in pieces.
    """
    runtime = pytest.importorskip("onnxruntime")
    for how, (_, lengths) in HOW.items():
        node, arrays = random_node(variant, direction, 0, how, np.random.default_rng(9))
        arrays = {name: a if a.dtype.kind == "i" else a.astype(np.float32) for name, a in arrays.items()}
        model = model_of(node, arrays, node.output, version=14)  # onnxruntime supports new versions later
        session = runtime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
        actual = onnx_mapping.evaluate(node, list(arrays.values()))
        nonempty = np.array([n > 0 for n in lengths or [T] * BATCH])
        for name, expected in zip(node.output, session.run(None, arrays), strict=True):
            if name == "Y":
                close(actual[name], expected, SINGLE)
            else:
                close(actual[name][:, nonempty], expected[:, nonempty], SINGLE)
                assert not expected[:, ~nonempty].any()


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("direction", onnx_mapping.REVERSED)
def test_full_lengths_equal_no_lengths(variant, direction):
    node, arrays = random_node(variant, direction, 0, "all", np.random.default_rng(7))
    whole = onnx_mapping.evaluate(node, list(arrays.values()))
    other, _ = random_node(variant, direction, 0, "ragged_states", np.random.default_rng(7))
    arrays["sequence_lens"] = np.full(BATCH, T, np.int32)
    same = onnx_mapping.evaluate(other, [arrays[name] for name in other.input if name])
    for name, array in whole.items():
        close(same[name], array, 1e-14)


# ---------------------------------------------------------------------- what has no cell
@pytest.mark.parametrize(
    ("op", "asked", "message"),
    [
        ("RNN", {"clip": 3.0}, "RNN with clip"),
        ("RNN", {"activations": ["Relu"]}, "activations"),
        ("GRU", {"activations": ["Sigmoid", "Sigmoid"]}, "activations"),
        ("LSTM", {"activation_alpha": [0.1]}, "activation_alpha"),
    ],
)
def test_unsupported_attributes_are_refused(op, asked, message):
    with pytest.raises(onnx_mapping.NotMapped, match=message):
        onnx_mapping.attributes(onnx.helper.make_node(op, ["X", "W", "R"], ["Y"], hidden_size=UNITS, **asked))


def test_default_activations_by_name():
    node = onnx.helper.make_node(
        "LSTM", ["X", "W", "R"], ["Y"], direction="bidirectional", activations=["Sigmoid", "Tanh", "tanh"] * 2
    )
    assert onnx_mapping.attributes(node)["direction"] == "bidirectional"


def test_peepholes_with_input_forget_are_refused():
    node, arrays = random_node("LSTM_peepholes", "forward", 0, "bare", np.random.default_rng(8))
    node.attribute.append(onnx.helper.make_attribute("input_forget", 1))
    with pytest.raises(onnx_mapping.NotMapped, match="peepholes"):
        onnx_mapping.evaluate(node, list(arrays.values()))
