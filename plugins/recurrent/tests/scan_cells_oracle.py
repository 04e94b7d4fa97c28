"""Oracles of the cells with linear recurrences and exponential gates: whole rows in plain loops, complex numbers as such.

Each function takes one row ``x`` (time, features), its first states by name, and the weights by node; it returns the
outputs and the last states. Heads are loops, matrices of a state are (value, key), decays are powers, and nothing is
stabilized.
"""

try:  # the same functions, with derivatives
    import autograd.numpy as np
except ImportError:  # without autograd, values are compared but not derivatives
    import numpy as np


def sigma(v):
    return 1.0 / (1.0 + np.exp(-v))


def soft(v):
    return np.log(1.0 + np.exp(v))


def silu(v):
    return v / (1.0 + np.exp(-v))


def affine(v, w):
    """A row of weights for each input, and the bias, if there is one row more."""
    return np.dot(w[: v.shape[-1]].T, v) + (w[-1] if len(w) > v.shape[-1] else 0.0)


def loop(step, x, states):
    outputs = []
    for t in range(len(x)):
        y, states = step(x[t], states)
        outputs.append(y)
    return np.stack(outputs), states


def min_gru(x, s, w):
    def step(v, s):
        z = sigma(affine(v, w["update_gate"]))
        h = s["h"] + z * (affine(v, w["candidate"]) - s["h"])
        return h, {"h": h}

    return loop(step, x, s)


def min_lstm(x, s, w):
    def step(v, s):
        a, b = np.exp(-affine(v, w["forget_gate"])), np.exp(-affine(v, w["input_gate"]))
        h = ((1 + b) * s["h"] + (1 + a) * affine(v, w["candidate"])) / (2 + a + b)
        return h, {"h": h}

    return loop(step, x, s)


def rg_lru(x, s, w):
    def step(v, s):
        a = (1.0 + np.exp(w["decay"])) ** (-8.0 * sigma(affine(v, w["recurrence_gate"])))
        h = a * s["h"] + np.sqrt((1 - a) * (1 + a)) * v * sigma(affine(v, w["input_gate"]))
        return h, {"h": h}

    return loop(step, x, s)


def qrnn(x, s, w):
    count = len(s)  # one state is c, the others are inputs

    def step(v, s):
        last = [v, *[s[f"past_{i}"] for i in range(1, count)]]
        wide = np.concatenate(last)
        f = sigma(affine(wide, w["forget_gate"]))
        c = f * s["c"] + (1 - f) * np.tanh(affine(wide, w["candidate"]))
        following = {f"past_{i}": last[i - 1] for i in range(1, count)}
        return sigma(affine(wide, w["output_gate"])) * c, {"c": c, **following}

    return loop(step, x, s)


def complex_scan(x, s, w, decay, scale, factor):
    """Complex numbers, and the sum over all earlier steps instead of a loop over them."""
    inputs = (np.dot(x, w["input_re"]) + 1j * np.dot(x, w["input_im"])) * scale
    first = s["re"] + 1j * s["im"]
    states = [decay ** (t + 1) * first + sum(decay ** (t - i) * inputs[i] for i in range(t + 1)) for t in range(len(x))]
    y = [factor * (np.dot(np.real(v), w["output_re"]) - np.dot(np.imag(v), w["output_im"])) for v in states]
    return np.stack(y) + x * w["skip"], {"re": np.real(states[-1]), "im": np.imag(states[-1])}


def lru(x, s, w):
    decay = np.exp(-np.exp(w["rate"]) + 1j * np.exp(w["angle"]))
    return complex_scan(x, s, w, decay, np.exp(w["scale"]), 1.0)


def s5(x, s, w):
    pole = -np.exp(w["rate"]) + 1j * w["frequency"]
    decay = np.exp(pole * np.exp(w["step"]))
    return complex_scan(x, s, w, decay, (decay - 1) / pole, 2.0)


def sru(x, s, w):
    def step(v, s):
        f = sigma(affine(v, w["forget_gate"]) + w["forget_peephole"] * s["c"])
        r = sigma(affine(v, w["highway_gate"]) + w["highway_peephole"] * s["c"] + w["highway_bias"])
        c = f * s["c"] + (1 - f) * affine(v, w["candidate"])
        straight = affine(v, w["highway"]) if "highway" in w else v
        return r * c + (1 - r) * straight * np.sqrt(1 + 2 * np.exp(-0.5)), {"c": c}

    return loop(step, x, s)


def cfc(x, s, w):
    def step(v, s):
        b = np.tanh(affine(np.concatenate([v, s["h"]]), w["backbone"]))
        late, early = np.tanh(affine(b, w["late"])), np.tanh(affine(b, w["early"]))
        h = late + (early - late) / (1.0 + np.exp(affine(b, w["rate"])))
        return h, {"h": h}

    return loop(step, x, s)


def slstm(x, s, w):
    """Without m: the sums of c and n are exp(m) times those of the cell."""
    heads = sum(1 for name in w if name.startswith("candidate_")) or 1

    def gate(name, v, h):
        if heads == 1:
            return affine(np.concatenate([v, h]), w[name])
        parts = np.split(h, heads)
        return affine(v, w[name]) + np.concatenate([np.dot(p, w[f"{name}_{i}"]) for i, p in enumerate(parts)])

    start = np.exp(s["m"])
    h, c, n, m, outputs = s["h"], s["c"] * start, s["n"] * start, s["m"], []
    for v in x:
        i, f = np.exp(gate("input_gate", v, h)), sigma(gate("forget_gate", v, h))
        m = np.maximum(np.log(f) + m, np.log(i))
        c, n = f * c + i * np.tanh(gate("candidate", v, h)), f * n + i
        h = sigma(gate("output_gate", v, h)) * c / n
        outputs.append(h)
    return np.stack(outputs), {"h": h, "c": c * np.exp(-m), "n": n * np.exp(-m), "m": m}


def per_head(v, w, heads):
    return np.split(affine(v, w), heads)


def joined(parts, w, gate=1.0):
    """The norm of each head, the gate, the output."""
    normal = [w["output_norm"] * p / np.sqrt(np.dot(p, p) / len(p) + 1e-6) for p in parts]
    return np.dot(np.concatenate(normal) * gate, w["output"])


def mlstm(x, s, w):
    heads, key = s["n"].shape
    memories = [s["S"][i].T * np.exp(s["m"][i]) for i in range(heads)]
    sums = [s["n"][i] * np.exp(s["m"][i]) for i in range(heads)]
    m, outputs = s["m"], []
    for v in x:
        i, f = np.exp(affine(v, w["input_gate"])), sigma(affine(v, w["forget_gate"]))
        q, k, u = (per_head(v, w[name], heads) for name in ("query", "key", "value"))
        m = np.maximum(np.log(f) + m, np.log(i))
        memories = [f[j] * memories[j] + i[j] * np.outer(u[j], k[j]) / np.sqrt(key) for j in range(heads)]
        sums = [f[j] * sums[j] + i[j] * k[j] / np.sqrt(key) for j in range(heads)]
        reads = [np.dot(memories[j], q[j]) / np.maximum(np.abs(np.dot(sums[j], q[j])), 1.0) for j in range(heads)]
        outputs.append(np.concatenate(reads) * sigma(affine(v, w["output_gate"])))
    scale = np.exp(-m)
    last = {"S": np.stack([memories[j].T * scale[j] for j in range(heads)]), "m": m}
    return np.stack(outputs), {**last, "n": np.stack([sums[j] * scale[j] for j in range(heads)])}


def mamba(x, s, w):
    def step(v, s):
        delta = soft(np.dot(np.dot(v, w["step_low"]), w["step"]) + w["step_bias"])
        b, c = np.dot(v, w["input"]), np.dot(v, w["output"])
        rows = [np.exp(-np.exp(w["decay"][d]) * delta[d]) * s["h"][d] + delta[d] * v[d] * b for d in range(len(v))]
        y = np.stack([np.dot(row, c) for row in rows]) + w["skip"] * v
        return y, {"h": np.stack(rows)}

    return loop(step, x, s)


def memories(x, s, w, parts, output):
    """A loop over heads with memories (value, key): ``parts`` gives decay, key, value and query of each head."""
    heads = len(s["S"])

    def step(v, s):
        reads, after = [], []
        for j in range(heads):
            decay, k, u, q = parts(v, j, heads)
            memory = s["S"][j].T * decay + np.outer(u, k)
            reads.append(np.dot(memory, q))
            after.append(memory.T)
        return output(reads, v), {"S": np.stack(after)}

    return loop(step, x, s)


def retention(x, s, w):
    def parts(v, j, heads):
        q, k, u = (per_head(v, w[name], heads)[j] for name in ("query", "key", "value"))
        return 1 - 1 / 2 ** (5 + j), k / np.sqrt(len(k)), u, q

    return memories(x, s, w, parts, lambda reads, v: joined(reads, w, silu(affine(v, w["gate"]))))


def gated_linear_attention(x, s, w):
    def parts(v, j, heads):
        q, k, u = (per_head(v, w[name], heads)[j] for name in ("query", "key", "value"))
        low = np.dot(v, w["decay_low"])
        return sigma(per_head(low, w["decay"], heads)[j]) ** (1 / 16), k, u, q

    return memories(x, s, w, parts, lambda reads, v: joined(reads, w, silu(affine(v, w["gate"]))))


def hgrn2(x, s, w):
    def parts(v, j, heads):
        f = 1 - 0.8 * sigma(-per_head(v, w["forget_gate"], heads)[j])
        return f, 1 - f, per_head(v, w["value"], heads)[j], silu(per_head(v, w["query"], heads)[j])

    return memories(x, s, w, parts, lambda reads, v: joined(reads, w))


def rwkv6(x, s, w):
    heads = len(s["S"])
    last, states, outputs = s["previous"], [s["S"][j].T for j in range(heads)], []
    for v in x:

        def low_rank(value, name):
            return np.dot(np.tanh(np.dot(value, w[f"{name}_low"])), w[f"{name}_high"])

        def mixed(name, v=v, last=last):
            amount = w[f"{name}_mix"] + low_rank(w["mix"] * last + (1 - w["mix"]) * v, name)
            return amount * last + (1 - amount) * v

        r, k, u = (per_head(mixed(name), w[name], heads) for name in ("receptance", "key", "value"))
        rate = np.split(np.exp(w["decay"] + low_rank(mixed("decay_input"), "decay")), heads)
        bonus = np.split(w["bonus"], heads)
        reads = [np.dot(states[j], r[j]) + u[j] * np.sum(bonus[j] * k[j] * r[j]) for j in range(heads)]
        states = [states[j] * np.exp(-rate[j]) + np.outer(u[j], k[j]) for j in range(heads)]
        outputs.append(joined(reads, w, silu(np.dot(mixed("gate"), w["gate"]))))
        last = v
    return np.stack(outputs), {"S": np.stack([a.T for a in states]), "previous": last}


def unit(v):
    return v / np.sqrt(np.sum(v**2) + 1e-6)


def delta_net(x, s, w, gated=False):
    heads = len(s["S"])
    states, outputs = [s["S"][j].T for j in range(heads)], []
    for v in x:
        q, k, u = (per_head(silu(affine(v, w[name])), np.eye(w[name].shape[1]), heads) for name in
                   ("query", "key", "value"))  # fmt: skip
        beta = sigma(affine(v, w["rate_of_writing"]))
        if gated:
            alpha = np.exp(-np.exp(w["rate"]) * soft(np.dot(v, w["decay"]) + w["step"]))
            states = [alpha[j] * states[j] for j in range(heads)]
        keys = [unit(k[j]) for j in range(heads)]
        states = [  # S (I - β k kᵀ) + β v kᵀ
            np.dot(states[j], np.eye(len(keys[j])) - beta[j] * np.outer(keys[j], keys[j]))
            + beta[j] * np.outer(u[j], keys[j])
            for j in range(heads)
        ]
        reads = [np.dot(states[j], unit(q[j])) for j in range(heads)]
        outputs.append(joined(reads, w, silu(affine(v, w["gate"])) if gated else 1.0))
    return np.stack(outputs), {"S": np.stack([a.T for a in states])}


def gated_delta_net(x, s, w):
    return delta_net(x, s, w, gated=True)


def causal_convolution(x, s, w):
    taps = np.stack([w[f"tap_{i}"] for i in range(len(s) + 1)])
    padded = np.concatenate([np.stack([s[f"past_{i}"] for i in range(len(s), 0, -1)]), x])
    y = [sum(taps[i] * padded[t + len(s) - i] for i in range(len(taps))) + w["bias"] for t in range(len(x))]
    return np.stack(y), {f"past_{i}": padded[-i] for i in range(1, len(s) + 1)}


def time_shift(x, s, w):
    return np.concatenate([s["past"][None], x[:-1]]), {"past": x[-1]}
