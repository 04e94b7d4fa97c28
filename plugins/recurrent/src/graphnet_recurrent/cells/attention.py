"""A recurrent cell with attention over its own past (after Cheng, Dong & Lapata 2016, LSTMN, arXiv:1601.06733)."""

from graphnet import Affine, Cell, CellGraph, ConfigError, FullyConnected, concatenate, dense, split
from graphnet.authoring import is_python_int
from graphnet_recurrent.functional import tanh
from graphnet_recurrent.layers import SlotSoftMax


def attention_cell(units: int, memory: int, dtype: str = "float64") -> CellGraph:
    """The next state is computed from the input and a weighted mean of the last ``memory`` states.

    With the past states p_1 = h_{t-1}, p_2 = h_{t-2}, …, p_m, without those before the first step::

        s_i = tanh(p_i · K + x_t · Q + b_q) · v        a = softmax(s)        m = Σ a_i p_i
        h_t = tanh([x_t, m] · W + b)

    Scores and mean are those of the LSTMN, which differs in three ways: it attends to all earlier states, its scores
    also read the previous mean, and it computes the next state by an LSTM that attends to its cell states as well.

    Parameters
    ----------
    units : int
        Width of the output h.
    memory : int
        Number of past states that are kept. The state ``past`` is ``(batch, memory · units)``, the newest first; the
        state ``filled``, ``(batch, memory)``, is 1 for slots that hold a past state, else 0.
    dtype : {'float64', 'float32'}
        Of the weights: K ``(units, units)``, Q with b_q ``(features + 1, units)``, v ``(units, 1)``, W with b
        ``(features + units + 1, units)``.

    Raises
    ------
    ConfigError
        If ``memory`` is not at least 1.
    """
    if not is_python_int(memory, 1):
        expected = "an integer of at least 1"
        raise ConfigError("memory is out of range", where="attention_cell", expected=expected, received=repr(memory))
    cell = Cell("attention", sequences="x", states={"past": memory * units, "filled": memory}, dtype=dtype)
    past, filled = list(split(cell.past, memory, name="slots")), list(split(cell.filled, memory, name="flags"))
    key = FullyConnected(units, units, bias=False, dtype=dtype)
    score = FullyConnected(units, 1, bias=False, dtype=dtype)
    query = dense(cell.x, units, name="query")
    scores = [score(tanh(key(p, name=f"key_{i}") + query), name=f"score_{i}") for i, p in enumerate(past)]
    weights = split(SlotSoftMax()(concatenate(*scores), cell.filled, name="attention"), memory, name="weights")
    weighted = [w * p for w, p in zip(weights, past, strict=True)]
    mean = sum(weighted[1:], start=weighted[0])
    h = tanh(dense(concatenate(cell.x, mean), units, name="hidden"))
    one = Affine(0.0, 1.0)(filled[0], name="one")
    next_past, next_filled = concatenate(h, *past[:-1]), concatenate(one, *filled[:-1])
    return cell.build(output=h, past=next_past, filled=next_filled)
