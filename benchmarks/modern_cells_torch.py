"""Loops over time in torch for the cells of modern_cells.py; products with the input are computed outside of the loop.

Each function takes the sequence x (time, batch, features), the first states and the weights by node. It returns the
function of one step: of the index of the step and the states, to the output and the next states.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as f

Step = Callable[[int, dict[str, Any]], tuple[Any, dict[str, Any]]]
Loop = Callable[[Any, dict[str, Any], dict[str, Any]], Step]


def scanned(
    loop: Loop, x: Any, states: dict[str, Any], w: dict[str, Any], lengths: list[int] | None = None
) -> tuple[Any, dict[str, Any]]:
    """The outputs of all steps, zeros beyond the ends of the rows, and the states at these ends."""
    step, outputs = loop(x, states, w), []
    valid = None if lengths is None else torch.arange(len(x))[:, None] < torch.tensor(lengths)
    for t in range(len(x)):
        y, after = step(t, states)
        if valid is not None:
            y = torch.where(valid[t][:, None], y, torch.zeros_like(y))
            after = {n: torch.where(valid[t].reshape(-1, *[1] * (a.ndim - 1)), a, states[n]) for n, a in after.items()}
        states = after
        outputs.append(y)
    return torch.stack(outputs), states


def affine(x: Any, weights: Any) -> Any:
    """Rows of the input, and the bias if there is one row more."""
    features = x.shape[-1]
    y = x @ weights[:features]
    return y if len(weights) == features else y + weights[-1]


def min_gru(x: Any, s: Any, w: Any) -> Step:
    z, n = torch.sigmoid(affine(x, w["update_gate"])), affine(x, w["candidate"])

    def step(t: int, s: Any) -> Any:
        h = torch.lerp(s["h"], n[t], z[t])
        return h, {"h": h}

    return step


def min_lstm(x: Any, s: Any, w: Any) -> Step:
    keep, take = torch.sigmoid(affine(x, w["forget_gate"])), torch.sigmoid(affine(x, w["input_gate"]))
    a, b = keep / (keep + take), take / (keep + take) * affine(x, w["candidate"])

    def step(t: int, s: Any) -> Any:
        h = a[t] * s["h"] + b[t]
        return h, {"h": h}

    return step


def rg_lru(x: Any, s: Any, w: Any) -> Step:
    log_a = -8 * f.softplus(w["decay"]) * torch.sigmoid(affine(x, w["recurrence_gate"]))
    a = log_a.exp()
    b = torch.sqrt(1 - a**2) * torch.sigmoid(affine(x, w["input_gate"])) * x

    def step(t: int, s: Any) -> Any:
        h = a[t] * s["h"] + b[t]
        return h, {"h": h}

    return step


def qrnn(x: Any, s: Any, w: Any) -> Step:
    n, keep = torch.tanh(affine(x, w["candidate"])), torch.sigmoid(affine(x, w["forget_gate"]))
    o = torch.sigmoid(affine(x, w["output_gate"]))

    def step(t: int, s: Any) -> Any:
        c = keep[t] * s["c"] + (1 - keep[t]) * n[t]
        return o[t] * c, {"c": c}

    return step


def complex_step(x: Any, w: Any, a: Any, b: Any, in_re: Any, in_im: Any, factor: float) -> Step:
    """One step of complex states in two parts."""

    def step(t: int, s: Any) -> Any:
        re, im = a * s["re"] - b * s["im"] + in_re[t], a * s["im"] + b * s["re"] + in_im[t]
        y = factor * (re @ w["output_re"] - im @ w["output_im"]) + w["skip"] * x[t]
        return y, {"re": re, "im": im}

    return step


def lru(x: Any, s: Any, w: Any) -> Step:
    decay, angle, scale = torch.exp(-torch.exp(w["rate"])), torch.exp(w["angle"]), torch.exp(w["scale"])
    a, b = decay * torch.cos(angle), decay * torch.sin(angle)
    return complex_step(x, w, a, b, scale * (x @ w["input_re"]), scale * (x @ w["input_im"]), 1.0)


def s5(x: Any, s: Any, w: Any) -> Step:
    pole = torch.complex(-torch.exp(w["rate"]), w["frequency"])
    decay = torch.exp(pole * torch.exp(w["step"]))
    inputs = (decay - 1) / pole * torch.complex(x @ w["input_re"], x @ w["input_im"])
    return complex_step(x, w, decay.real, decay.imag, inputs.real, inputs.imag, 2.0)


def sru(x: Any, s: Any, w: Any) -> Step:
    keep, high = affine(x, w["forget_gate"]), x @ w["highway_gate"] + w["highway_bias"]
    n, straight = x @ w["candidate"], x * math.sqrt(3.0)

    def step(t: int, s: Any) -> Any:
        k = torch.sigmoid(keep[t] + w["forget_peephole"] * s["c"])
        r = torch.sigmoid(high[t] + w["highway_peephole"] * s["c"])
        c = k * s["c"] + (1 - k) * n[t]
        return r * c + (1 - r) * straight[t], {"c": c}

    return step


def cfc(x: Any, s: Any, w: Any) -> Step:
    def step(t: int, s: Any) -> Any:
        b = torch.tanh(affine(torch.cat([x[t], s["h"]], -1), w["backbone"]))
        tau = torch.sigmoid(-affine(b, w["rate"]))
        h = tau * torch.tanh(affine(b, w["early"])) + (1 - tau) * torch.tanh(affine(b, w["late"]))
        return h, {"h": h}

    return step


def slstm(x: Any, s: Any, w: Any) -> Step:
    names = ("candidate", "output_gate", "input_gate", "forget_gate")
    weights = torch.cat([w[name] for name in names], 1)
    features = x.shape[-1]
    from_x, recurrent = x @ weights[:features] + weights[-1], weights[features:-1]

    def step(t: int, s: Any) -> Any:
        z, o, i, k = (from_x[t] + s["h"] @ recurrent).chunk(4, -1)
        kept = f.logsigmoid(k) + s["m"]
        m = torch.maximum(kept, i)
        take, keep = torch.exp(i - m), torch.exp(kept - m)
        c, n = keep * s["c"] + take * torch.tanh(z), keep * s["n"] + take
        h = torch.sigmoid(o) * c / n
        return h, {"h": h, "c": c, "n": n, "m": m}

    return step


def mamba(x: Any, s: Any, w: Any) -> Step:
    delta = f.softplus(x @ w["step_low"] @ w["step"] + w["step_bias"])
    a, b, c = -torch.exp(w["decay"]), x @ w["input"], x @ w["output"]
    dx = delta * x

    def step(t: int, s: Any) -> Any:
        h = torch.exp(delta[t][..., None] * a) * s["h"] + dx[t][..., None] * b[t][:, None]
        return (h @ c[t][..., None])[..., 0] + w["skip"] * x[t], {"h": h}

    return step


def heads(x: Any, weights: Any, count: int) -> Any:
    """A product with weights, in heads."""
    y = affine(x, weights)
    return y.reshape(*y.shape[:-1], count, -1)


def joined(o: Any, w: Any, gate: Any = None) -> Any:
    """The norm of each head, the gate, the output."""
    normal = (o * torch.rsqrt((o**2).mean(-1, keepdim=True) + 1e-6) * w["output_norm"]).flatten(-2)
    return (normal if gate is None else normal * gate) @ w["output"]


def read(q: Any, memory: Any) -> Any:
    """``Sᵀ q``."""
    return (q[..., None, :] @ memory)[..., 0, :]


def memories(w: Any, decay: Callable[[int], Any], k: Any, v: Any, q: Any, gate: Any = None) -> Step:
    """``S ← a ⊙ S + k vᵀ``, with a decay that broadcasts to S."""

    def step(t: int, s: Any) -> Any:
        memory = decay(t) * s["S"] + k[t][..., None] * v[t][..., None, :]
        return joined(read(q[t], memory), w, None if gate is None else gate[t]), {"S": memory}

    return step


def retention(x: Any, s: Any, w: Any) -> Step:
    count = s["S"].shape[1]
    q, k, v = (heads(x, w[name], count) for name in ("query", "key", "value"))
    decay = (1 - 2.0 ** (-5 - torch.arange(count, dtype=x.dtype)))[:, None, None]
    return memories(w, lambda t: decay, k / math.sqrt(k.shape[-1]), v, q, f.silu(x @ w["gate"]))


def gated_linear_attention(x: Any, s: Any, w: Any) -> Step:
    count = s["S"].shape[1]
    q, k, v = (heads(x, w[name], count) for name in ("query", "key", "value"))
    alpha = torch.exp(f.logsigmoid(heads(x @ w["decay_low"], w["decay"], count)) / 16)[..., None]
    return memories(w, lambda t: alpha[t], k, v, q, f.silu(affine(x, w["gate"])))


def hgrn2(x: Any, s: Any, w: Any) -> Step:
    count = s["S"].shape[1]
    keep = torch.sigmoid(heads(x, w["forget_gate"], count))
    q = f.silu(heads(x, w["query"], count))
    return memories(w, lambda t: keep[t][..., None], 1 - keep, heads(x, w["value"], count), q)


def rwkv6(x: Any, s: Any, w: Any) -> Step:
    count, size = s["S"].shape[1:3]
    last = torch.cat([s["previous"][None], x[:-1]])
    base = x + (last - x) * w["mix"]

    def low_rank(value: Any, name: str) -> Any:
        return torch.tanh(value @ w[f"{name}_low"]) @ w[f"{name}_high"]

    def mixed(name: str) -> Any:
        return torch.lerp(x, last, w[f"{name}_mix"] + low_rank(base, name))

    r, k, v = (heads(mixed(name), w[name], count) for name in ("receptance", "key", "value"))
    rate = torch.exp(w["decay"] + low_rank(mixed("decay_input"), "decay"))
    decay = torch.exp(-rate).unflatten(-1, (count, size))[..., None]
    gate, bonus = f.silu(mixed("gate") @ w["gate"]), w["bonus"].reshape(count, size)[..., None]

    def step(t: int, s: Any) -> Any:
        update = k[t][..., None] * v[t][..., None, :]
        y = joined(read(r[t], s["S"] + bonus * update), w, gate[t])
        return y, {"S": decay[t] * s["S"] + update, "previous": x[t]}

    return step


def mlstm(x: Any, s: Any, w: Any) -> Step:
    count = s["S"].shape[1]
    q, k, v = (heads(x, w[name], count) for name in ("query", "key", "value"))
    k = k / math.sqrt(k.shape[-1])
    i, keep = affine(x, w["input_gate"]), f.logsigmoid(affine(x, w["forget_gate"]))
    o = torch.sigmoid(affine(x, w["output_gate"]))

    def step(t: int, s: Any) -> Any:
        kept = keep[t] + s["m"]
        m = torch.maximum(kept, i[t])
        a, b = torch.exp(kept - m)[..., None], torch.exp(i[t] - m)[..., None]
        memory = a[..., None] * s["S"] + (b * k[t])[..., None] * v[t][..., None, :]
        n = a * s["n"] + b * k[t]
        size = torch.maximum((n * q[t]).sum(-1).abs(), torch.exp(-m))[..., None]
        return o[t] * (read(q[t], memory) / size).flatten(-2), {"S": memory, "n": n, "m": m}

    return step


def unit(v: Any) -> Any:
    """Divided by its length."""
    return v * torch.rsqrt((v**2).sum(-1, keepdim=True) + 1e-6)


def delta_net(x: Any, s: Any, w: Any, alpha: Any = None, gate: Any = None) -> Step:
    count = s["S"].shape[1]
    q, k, v = (f.silu(heads(x, w[name], count)) for name in ("query", "key", "value"))
    q, k, beta = unit(q), unit(k), torch.sigmoid(affine(x, w["rate_of_writing"]))[..., None]

    def step(t: int, s: Any) -> Any:
        memory = s["S"] if alpha is None else alpha[t] * s["S"]
        change = beta[t] * (v[t] - read(k[t], memory))
        memory = memory + k[t][..., None] * change[..., None, :]
        return joined(read(q[t], memory), w, None if gate is None else gate[t]), {"S": memory}

    return step


def gated_delta_net(x: Any, s: Any, w: Any) -> Step:
    alpha = torch.exp(-torch.exp(w["rate"]) * f.softplus(x @ w["decay"] + w["step"]))
    return delta_net(x, s, w, alpha[..., None, None], f.silu(x @ w["gate"]))


LOOPS: dict[str, Loop] = {
    "minGRU": min_gru,
    "minLSTM": min_lstm,
    "RG-LRU": rg_lru,
    "QRNN": qrnn,
    "LRU": lru,
    "S5": s5,
    "SRU": sru,
    "CfC": cfc,
    "sLSTM": slstm,
    "Mamba": mamba,
    "RetNet": retention,
    "GLA": gated_linear_attention,
    "HGRN2": hgrn2,
    "RWKV-6": rwkv6,
    "mLSTM": mlstm,
    "DeltaNet": delta_net,
    "Gated DeltaNet": gated_delta_net,
}
