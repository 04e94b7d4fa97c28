"""One time step of each kind for any library with ``@``, written independently of graphnet's cells."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple


class Functions(NamedTuple):
    """The functions of a library; ``split(z, n)`` returns n equal parts of the last axis."""

    sigmoid: Callable[[Any], Any]
    tanh: Callable[[Any], Any]
    split: Callable[[Any, int], Any]


def lstm(z: Any, state: Any, p: Any, by: Functions) -> Any:
    h, c = state
    i, f, g, o = by.split(z + h @ p["u"], 4)
    c = by.sigmoid(f) * c + by.sigmoid(i) * by.tanh(g)
    return by.sigmoid(o) * by.tanh(c), c


def rnn(z: Any, state: Any, p: Any, by: Functions) -> Any:
    return (by.tanh(z + state[0] @ p["u"]),)


def gru(z: Any, state: Any, p: Any, by: Functions) -> Any:
    (h,) = state
    units = h.shape[1]
    product = h @ p["u"]
    r, u = by.split(by.sigmoid(z[:, : 2 * units] + product[:, : 2 * units]), 2)
    n = by.tanh(z[:, 2 * units :] + r * (product[:, 2 * units :] + p["q"]))
    return (n + u * (h - n),)


def peephole_coupled(z: Any, state: Any, p: Any, by: Functions) -> Any:
    h, c = state
    seen_f, seen_o = by.split(p["p"], 2)
    f, g, o = by.split(z + h @ p["u"], 3)
    f, g = by.sigmoid(f + seen_f * c), by.tanh(g)
    c = g + f * (c - g)
    return by.sigmoid(o + seen_o * c) * by.tanh(c), c


def minimal_gated(z: Any, state: Any, p: Any, by: Functions) -> Any:
    (h,) = state
    z_f, z_g = by.split(z, 2)
    u_f, u_g = by.split(p["u"], 2)
    f = by.sigmoid(z_f + h @ u_f)
    return (h + f * (by.tanh(z_g + (f * h) @ u_g) - h),)


STEPS: dict[str, Callable[[Any, Any, Any, Functions], Any]] = {
    "LSTM": lstm,
    "RNN": rnn,
    "GRU": gru,
    "peephole-coupled": peephole_coupled,
    "minimal-gated": minimal_gated,
}
STATES = {"LSTM": 2, "RNN": 1, "GRU": 1, "peephole-coupled": 2, "minimal-gated": 1}
