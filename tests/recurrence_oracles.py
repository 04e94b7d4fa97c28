"""Linear recurrences row by row and step by step, and derivatives by complex steps: the oracles of their tests."""

from __future__ import annotations

import numpy as np

#: A complex step: so small that its square vanishes.
TINY = 1e-30


def slope(function, arrays, name, direction):
    """The derivative of a real function of named arrays in a direction of one of them, without cancellation."""
    moved = {key: None if a is None else np.asarray(a, complex) for key, a in arrays.items()}
    moved[name] = moved[name] + 1j * TINY * direction
    return function(moved).imag / TINY


def whole(array, batch, steps):
    """An argument with the whole batch and all steps."""
    return None if array is None else np.broadcast_to(array, (batch, steps, *array.shape[2:]))


def walk(steps, length, reverse):
    """The valid steps of a row in the order of processing."""
    return range(length)[::-1] if reverse else range(length)


def linear(step, state, inputs, lengths, reverse, steps):
    """Run ``step(state, inputs of one row and step)`` over all rows; returns the states before and after each, and last.

    ``state(row)`` is the state before the first step.
    """
    rows = []
    for row, length in enumerate(lengths):
        here = state(row)
        before, after = [np.zeros_like(here)] * steps, [np.zeros_like(here)] * steps
        for t in walk(steps, length, reverse):
            before[t] = here
            here = step(here, {k: None if a is None else a[row, t] for k, a in inputs.items()})
            after[t] = here
        rows.append((before, after, here))
    return tuple(np.array([row[i] for row in rows]) for i in range(3))


def matrix_outputs(arguments, queries, lengths, reverse, batch, steps):
    """The read-outs and the final state of a matrix recurrence.

    ``arguments`` has any of keys, values, u, w, p, a, logs, scale, initial, and the queries as q0, q1, …; ``queries``
    says for each whether it reads before the step.
    """
    names = [n for n in arguments if n not in ("initial", "scale") and arguments[n] is not None]
    inputs = {n: whole(arguments[n], batch, steps) for n in names}
    scale, initial = (
        arguments.get("scale"),
        np.broadcast_to(arguments["initial"], (batch, *arguments["initial"].shape[1:])),
    )

    def step(s, at):
        a = at.get("a")
        if at.get("logs") is not None:
            a = np.exp(at["logs"] if scale is None else at["logs"] * scale)
        new = s if a is None else a * s
        if "keys" in at:
            new = new + np.einsum("...k,...v->...kv", at["keys"], at["values"])
        if "u" in at:
            lack = at.get("w", 0) - np.einsum("...kv,...k->...v", s, at["p"])
            new = new + np.einsum("...k,...v->...kv", at["u"], lack)
        return new

    before, after, last = linear(step, lambda row: initial[row], inputs, lengths, reverse, steps)
    read = [
        np.einsum("bt...kv,bt...k->bt...v", before if early else after, whole(arguments[f"q{i}"], batch, steps))
        for i, early in enumerate(queries)
    ]
    return read, last


def close(found, expected, tolerance=1e-11):
    """Whether two arrays, or numbers, agree relative to the largest one."""
    found, expected = np.asarray(found), np.asarray(expected)
    assert found.shape == expected.shape
    return np.abs(found - expected).max(initial=0) <= tolerance * max(1.0, np.abs(expected).max(initial=0))
