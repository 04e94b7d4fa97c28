"""Oracles: one step of every cell for one row, from its equations, with separate matrices of x and the state.

Each function takes ``x`` (features,), the states by name, the weights by node, and the index of the step; it returns the
output and the next states.
"""

try:  # the same functions, with derivatives
    import autograd.numpy as np
except ImportError:  # without autograd, values are compared but not derivatives
    import numpy as np

PERIODS = (2, 1, 4, 2)


def sigma(v):
    return 1.0 / (1.0 + np.exp(-v))


def affine(w, x, h):
    """x · W + h · U + b of one array: rows of x, rows of h, bias."""
    n = len(x)
    return np.dot(w[:n].T, x) + np.dot(w[n:-1].T, h) + w[-1]


def elman(x, s, w, t):
    h = np.tanh(affine(w["hidden"], x, s["h"]))
    return h, {"h": h}


def gru(x, s, w, t):
    r, z = sigma(affine(w["reset_gate"], x, s["h"])), sigma(affine(w["update_gate"], x, s["h"]))
    h = z * s["h"] + (1 - z) * np.tanh(affine(w["candidate"], x, r * s["h"]))
    return h, {"h": h}


def gru_after(x, s, w, t):
    r, z = sigma(affine(w["reset_gate"], x, s["h"])), sigma(affine(w["update_gate"], x, s["h"]))
    w_in, w_state = w["candidate_input"], w["candidate_state"]
    n = np.tanh(np.dot(x, w_in[:-1]) + w_in[-1] + r * (np.dot(s["h"], w_state[:-1]) + w_state[-1]))
    h = n + z * (s["h"] - n)
    return h, {"h": h}


def lstm(x, s, w, t):
    i, f, o = (sigma(affine(w[f"{gate}_gate"], x, s["h"])) for gate in ("input", "forget", "output"))
    c = i * np.tanh(affine(w["candidate"], x, s["h"])) + f * s["c"]
    h = np.tanh(c) * o
    return h, {"h": h, "c": c}


def peephole(x, s, w, t):
    def gate(name, c):
        return sigma(affine(w[f"{name}_gate"], x, s["h"]) + np.dot(np.diag(w[f"{name}_peephole"]), c))

    c = gate("input", s["c"]) * np.tanh(affine(w["candidate"], x, s["h"])) + gate("forget", s["c"]) * s["c"]
    h = np.tanh(c) * gate("output", c)
    return h, {"h": h, "c": c}


def coupled(x, s, w, t):
    i = sigma(affine(w["input_gate"], x, s["h"]))
    c = s["c"] + i * (np.tanh(affine(w["candidate"], x, s["h"])) - s["c"])
    h = np.tanh(c) * sigma(affine(w["output_gate"], x, s["h"]))
    return h, {"h": h, "c": c}


def layer_norm(x, s, w, t):
    def norm(v, name):
        deviation = np.sqrt(np.mean(v**2) - np.mean(v) ** 2 + 1e-5)
        return w[f"{name}/weights"] * (v - np.mean(v)) / deviation + w[f"{name}/bias"]

    n = len(s["c"])
    a = norm(np.dot(w["input_product"].T, x), "input_norm") + norm(np.dot(w["state_product"].T, s["h"]), "state_norm")
    c = sigma(a[n : 2 * n]) * s["c"] + sigma(a[:n]) * np.tanh(a[2 * n : 3 * n])
    h = sigma(a[3 * n :]) * np.tanh(norm(c, "cell_norm"))
    return h, {"h": h, "c": c}


def projected(x, s, w, t):
    m, states = lstm(x, s, w, t)
    h = np.dot(w["projection"].T, m)
    return h, {"h": h, "c": states["c"]}


def minimal_gated(x, s, w, t):
    f = sigma(affine(w["forget_gate"], x, s["h"]))
    h = s["h"] + f * (np.tanh(affine(w["candidate"], x, f * s["h"])) - s["h"])
    return h, {"h": h}


def clockwork(x, s, w, t):
    """Uses t; the phase is computed only for comparison."""
    n = len(s["h"]) // len(PERIODS)
    parts, phases = [], []
    for i, period in enumerate(PERIODS):
        own = s["h"][i * n : (i + 1) * n]
        slower = [s["h"][j * n : (j + 1) * n] for j in range(len(PERIODS)) if PERIODS[j] >= period]
        parts.append(np.tanh(affine(w[f"module_{i}"], x, np.concatenate(slower))) if t % period == 0 else own)
        phases.append(s["phase"][i : i + 1] + float((t + 1) % period - t % period))
    h = np.concatenate(parts)
    return h, {"h": h, "phase": np.concatenate(phases)}


def attention(x, s, w, t):
    units, slots = len(w["hidden"][0]), len(s["filled"])
    past = [s["past"][k * units : (k + 1) * units] for k in range(slots)]
    count = sum(1 for flag in s["filled"] if flag == 1.0)
    query = np.dot(w["query"][:-1].T, x) + w["query"][-1]
    powers = [np.exp(np.dot(np.tanh(np.dot(w["key_0"].T, p) + query), w["score_0"][:, 0])) for p in past[:count]]
    mean = sum((a * p for a, p in zip(powers, past, strict=False)), 0.0 * past[0]) / (sum(powers) or 1.0)
    h = np.tanh(affine(w["hidden"], x, mean))
    filled = np.concatenate([np.array([1.0]), s["filled"][:-1]])
    return h, {"past": np.concatenate([h, *past[:-1]]), "filled": filled}


def run(step, x, states, w, t=0):
    """Outputs (time, width) of one row, and its final states."""
    outputs = []
    for k, row in enumerate(x):
        y, states = step(row, states, w, t + k)
        outputs.append(y)
    return np.stack(outputs), states
