"""Which factor of a cell's error is wrong? A search over what the chain rule multiplies, for faults that no list names.

The errors before the activations are recovered from the gradient of the weights: with an error in one step only, those of
two steps are the solution of a small linear system. Each is a product by the chain rule; a fault in one factor is found by
putting everything that the cell knows in its place, of each step.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from graphnet.exercise import cells
from graphnet.exercise.matching import Diagnosis, near

Array = npt.NDArray[Any]

#: Steps of the sequence, and the step whose output has an error.
STEPS, AT = 5, 2
#: Names of steps, as seen from the step whose error it is.
OTHER_STEPS = ("the first step", "the step before", "its own step", "the step after", "the last step")
NAMES = {"i": "the input gate", "f": "the forget gate", "g": "the candidate", "o": "the output gate",
         "h": "the hidden state", "c": "the cell state", "tanh c": "TanH of the cell state",
         "c before": "the old cell state", "h before": "the old hidden state"}  # fmt: skip


def listed(words: list[str]) -> str:
    """``a, b and c``."""
    return ", ".join(words[:-1]) + " and " + words[-1] if len(words) > 1 else "".join(words)


class Factor(NamedTuple):
    """One factor: its words, its code if it stands in a wrong place, and its value in each step."""

    words: str
    values: list[Array]


def quantities(kind: str, trace: cells.Trace) -> dict[str, list[Array]]:
    """Everything that a cell computes in a step, by a short name."""
    steps = range(len(trace.h))
    found = {"h": [trace.h[t][0] for t in steps], "h before": [trace.h_before[t][0] for t in steps]}
    if kind == "LSTM":
        found |= {name: [trace.gates[t][name][0] for t in steps] for name in "ifgo"}
        found |= {"c": [trace.c[t][0] for t in steps], "c before": [trace.c_before[t][0] for t in steps],
                  "tanh c": [np.tanh(trace.c[t][0]) for t in steps]}  # fmt: skip
    return found


def factors(kind: str, trace: cells.Trace) -> dict[str, Factor]:
    """All that may stand as a factor: quantities, the derivatives of activations, those of their inputs, 1 and 0."""
    known = quantities(kind, trace)
    result = {name: Factor(NAMES[name], values) for name, values in known.items()}
    raws = {"h": [gate["raw"][0] for gate in trace.gates]} if kind == "RNN" else {
        name: [np.split(gate["raw"][0], 4)[k] for gate in trace.gates] for k, name in enumerate("ifgo")}  # fmt: skip
    for name in [*raws, "tanh c"][: None if kind == "LSTM" else 1]:
        y, of = known[name], NAMES[name]
        x = known["c"] if name == "tanh c" else raws[name]
        what = "x" if name == "tanh c" else "y"
        result |= {
            f"{name} s": Factor(f"y · (1 - y) of {of}", [v * (1 - v) for v in y]),
            f"{name} t": Factor(f"1 - y² of {of}", [1 - v * v for v in y]),
            f"{name} 1-": Factor(f"1 - y of {of}", [1 - v for v in y]),
            f"{name} 1+": Factor(f"1 + y² of {of}", [1 + v * v for v in y]),
            f"{name} 2": Factor(f"y² of {of}", [v * v for v in y]),
            f"{name} s2": Factor(f"y² · (1 - y) of {of}", [v * v * (1 - v) for v in y]),
            f"{name} s3": Factor(f"y · (1 - y)² of {of}", [v * (1 - v) ** 2 for v in y]),
            f"{name} s4": Factor(f"y · (1 - y²) of {of}", [v * (1 - v * v) for v in y]),
            f"{name} -s": Factor(f"y · (y - 1) of {of}", [v * (v - 1) for v in y]),
            f"{name} +s": Factor(f"y · (1 + y) of {of}", [v * (1 + v) for v in y]),
            f"{name} -t": Factor(f"y² - 1 of {of}", [v * v - 1 for v in y]),
            f"{name} tt": Factor(f"(1 - y)² of {of}", [(1 - v) ** 2 for v in y]),
            f"{name} again t": Factor(f"1 - tanh(y)² of {of}: TanH is applied again", [1 - np.tanh(v) ** 2 for v in y]),
            f"{name} again s": Factor(f"the Sigmoid's derivative at {of}, its Sigmoid applied again",
                                      [cells.sigmoid(v) * (1 - cells.sigmoid(v)) for v in y]),
            f"{name} twice t": Factor(f"(1 - y²)² of {of}", [(1 - v * v) ** 2 for v in y]),
            f"{name} twice s": Factor(f"(y · (1 - y))² of {of}", [(v * (1 - v)) ** 2 for v in y]),
            f"{name} raw": Factor(f"the sum before the activation of {of}" if what == "y" else of, x),
            f"{name} raw s": Factor(f"x · (1 - x) of the sum x before the activation of {of}", [v * (1 - v) for v in x]),
            f"{name} raw t": Factor(f"1 - x² of the sum x before the activation of {of}", [1 - v * v for v in x]),
        }  # fmt: skip
    ones = [np.ones_like(v) for v in known["h"]]
    result["one"] = Factor("1", ones)
    result["zero"] = Factor("0", [0 * v for v in ones])
    result["two"] = Factor("2", [2 * v for v in ones])
    result["minus"] = Factor("-1", [-v for v in ones])
    return result


#: The factors of each gate's error, as the chain rule has them, from the error of the hidden state.
CHAIN: dict[str, dict[str, tuple[str, ...]]] = {
    "RNN": {"h": ("h t",)},
    "LSTM": {"i": ("o", "tanh c t", "g", "i s"), "f": ("o", "tanh c t", "c before", "f s"),
             "g": ("o", "tanh c t", "i", "g t"), "o": ("tanh c", "o s")},
}  # fmt: skip
#: Factors that the errors of several gates share: those of the cell state's error.
SHARED = ("o", "tanh c t")
RIGHT_WORDS = {"h t": "the derivative 1 - h²", "tanh c t": "the derivative 1 - tanh(c)²", "i s": "the derivative i · (1 - i)",
               "f s": "the derivative f · (1 - f)", "o s": "the derivative o · (1 - o)", "g t": "the derivative 1 - g²"}  # fmt: skip


class Search:
    """The recovered errors of one backward pass, and the search in them.

    Parameters
    ----------
    kind : 'RNN' or 'LSTM'
    weights : tuple
        ``(W_x, W_h, b)``.
    trace : Trace
        The right forward pass of ``STEPS`` steps.
    hidden : array
        The error of the hidden state in step ``AT``, from the output.
    blocks : tuple of array
        The gradient of the student, as ``(x, h, b)``; ``b`` is None where there is none.
    error : array
        The student's error for the input, ``(STEPS, inputs)``.
    rows : str
        The order of the rows in the student's weights.
    """

    def __init__(
        self, kind: str, weights: cells.Weights, trace: cells.Trace, hidden: Array, blocks: tuple[Array, Array, Any],
        error: Array, rows: str = "xhb",
    ) -> None:  # fmt: skip
        self.kind, self.weights, self.trace, self.hidden, self.error = kind, weights, trace, hidden, error
        self.names = "h" if kind == "RNN" else "ifgo"
        self.factors = factors(kind, trace)
        self.raw = self._recover(blocks)
        self.joined = np.zeros(0)
        if self.raw is not None:
            whole = np.concatenate([self.raw[AT][name] for name in self.names])
            parts = {name: np.atleast_2d(weights["xhb".index(name)]) @ whole for name in rows}
            self.joined = np.concatenate([parts[name] for name in rows])

    def _recover(self, blocks: tuple[Array, Array, Any]) -> list[dict[str, Array]] | None:
        """The errors before the activations in the steps up to ``AT``, by gate; None if the gradient is not made of them."""
        used = range(AT + 1)
        rows = np.stack([self.trace.x[t][0] for t in used], axis=1)
        wanted = blocks[0]
        if blocks[2] is not None:
            rows, wanted = np.vstack([rows, np.ones(AT + 1)]), np.vstack([wanted, blocks[2]])
        solution = np.linalg.lstsq(rows, wanted, rcond=None)[0]
        if not near(rows @ solution, wanted):
            return None
        return [dict(zip(self.names, np.split(row, len(self.names)), strict=True)) for row in solution]

    # ------------------------------------------------------------------ what the chain rule multiplies
    def product(self, names: tuple[str, ...], step: int) -> Array:
        """Factors of one step, multiplied."""
        result = np.ones_like(self.hidden)
        for name in names:
            result = result * self.factors[name].values[step]
        return result

    def diagnoses(self) -> list[Diagnosis]:
        """The faults that explain the errors; empty if nothing was found."""
        if self.raw is None:
            return []
        wrong = {gate: self._factor(gate) for gate in self.names if not near(self.raw[AT][gate], self._expected(gate))}
        if wrong:
            return self._gates(wrong)
        result = [*self._carried(), *self._inputs()]
        if (
            len(result) == 2
            and result[0].message.partition("leaves out")[2] == result[1].message.partition("leaves out")[2] != ""
        ):
            words = f"the error of input and old hidden state leaves out{result[0].message.partition('leaves out')[2]}"
            return [Diagnosis(result[0].code, words)]
        return result

    def _expected(self, gate: str) -> Array:
        return self.hidden * self.product(CHAIN[self.kind][gate], AT)

    def _factor(self, gate: str) -> Diagnosis | tuple[str, Diagnosis] | None:
        """Put every factor of every step in the place of each of a gate's own."""
        assert self.raw is not None
        found, chain = self.raw[AT][gate], CHAIN[self.kind][gate]
        for place, right in enumerate(chain):
            others = self.hidden * self.product(chain[:place] + chain[place + 1 :], AT)
            for step in (AT, AT - 1, AT + 1, STEPS - 1, 0):
                for name, factor in self.factors.items():
                    if near(found, others * factor.values[step]):
                        return right, self._words(gate, right, name, step)
        return self._two_factors(gate)

    def _two_factors(self, gate: str) -> tuple[str, Diagnosis] | None:
        """Two factors that are missing, or for which one stands."""
        assert self.raw is not None
        found, chain = self.raw[AT][gate], CHAIN[self.kind][gate]
        for pair in itertools.combinations(chain, 2):
            others = self.hidden * self.product(tuple(name for name in chain if name not in pair), AT)
            should = listed([RIGHT_WORDS.get(name, NAMES.get(name, name)) for name in pair])
            for step in (AT, AT - 1, AT + 1, STEPS - 1, 0):
                for name, factor in self.factors.items():
                    if not near(found, others * factor.values[step]):
                        continue
                    if pair == SHARED and name == "one":
                        words = f"the error of {NAMES[gate]} is computed from the hidden state's error; it must be from the cell state's"
                        return gate, Diagnosis("wrong-error", words)
                    if name == "one":
                        return gate, Diagnosis(
                            "missing-factor", f"the error of {NAMES[gate]} lacks two factors: {should}"
                        )
                    when = "" if step == AT else f" of {OTHER_STEPS[step]}"
                    words = (
                        f"the error of {NAMES[gate]} is multiplied by {factor.words}{when}; it should be by {should}"
                    )
                    return gate, Diagnosis("wrong-factor", words)
        return None

    def _words(self, gate: str, right: str, name: str, step: int) -> Diagnosis:
        owner = f"the error of {NAMES['c'] if right in SHARED and gate != 'o' else NAMES[gate]}"
        should = RIGHT_WORDS.get(right, NAMES.get(right, right))
        factor = self.factors[name]
        if name == "zero":
            return Diagnosis("missing-sum", f"{owner} gets nothing of the hidden state's error")
        if name == "minus" and len(CHAIN[self.kind][gate]) == 1:
            return Diagnosis("derivative-missing", f"{owner} has the wrong sign and lacks {should}")
        if name == "one":
            derivative = right in RIGHT_WORDS
            return Diagnosis(
                "derivative-missing" if derivative else "missing-factor", f"{owner} lacks its factor: {should}"
            )
        if step != AT:
            when = OTHER_STEPS[step]
            code = "state-not-stored" if step == STEPS - 1 else "wrong-step"
            if name == right:
                return Diagnosis(code, f"{owner} uses {should} of {when}; it needs that of its own step")
            return Diagnosis(
                code, f"{owner} is multiplied by {factor.words} of {when}; it should be by {should} of its own step"
            )
        return Diagnosis("wrong-factor", f"{owner} is multiplied by {factor.words}; it should be by {should}")

    def _gates(self, wrong: dict[str, Any]) -> list[Diagnosis]:
        """One diagnosis for what all gates of the cell state share; the others gate by gate."""
        named = {}
        for found in wrong.values():
            if found is not None:
                named[found[1].message] = found[1]
        unknown = [gate for gate, found in wrong.items() if found is None]
        result = list(named.values())
        if unknown:
            names = listed([NAMES[gate] for gate in unknown])
            words = (
                f"the error of {names} is wrong in its own step already, before anything is passed from step to step"
            )
            result.append(Diagnosis("wrong-error", words))
        return result

    # ------------------------------------------------------------------ from step to step
    def _passed(self, which: int, gates: str) -> Array:
        """The error of the input (0) or of the hidden state before (1), from some gates of step ``AT``."""
        assert self.raw is not None
        total = np.zeros(self.weights[which].shape[0])
        for name, block in zip(self.names, np.split(self.weights[which], len(self.names), axis=1), strict=True):
            if name in gates:
                total = total + block @ self.raw[AT][name]
        return total

    def _subsets(self) -> Iterator[str]:
        for size in range(len(self.names) - 1, 0, -1):
            for gates in itertools.combinations(self.names, size):
                yield "".join(gates)

    def _inputs(self) -> Iterator[Diagnosis]:
        """The error for the input: the sum over the gates."""
        found, right = self.error[AT], self._passed(0, self.names)
        if not near(found, right):
            yield self._sum(found, right, 0, "the error for the input")

    def _sum(self, found: Array, right: Array, which: int, name: str) -> Diagnosis:
        for gates in self._subsets():
            if near(found, self._passed(which, gates)):
                missing = listed([NAMES[gate] for gate in self.names if gate not in gates])
                return Diagnosis(
                    "missing-sum", f"{name} leaves out that of {missing}: the errors of all gates must be added"
                )
        if near(found, 0 * right):
            return Diagnosis("missing-sum", f"{name} is zero")
        if near(found, -right):
            return Diagnosis("sign", f"{name} has the wrong sign")
        for size in (2.0, 3.0, 0.5, 1 / 3, AT + 1.0, 1 / (AT + 1), float(STEPS), 1 / STEPS):
            if near(found, size * right) and size != 1 / len(self.names):
                return Diagnosis("factor", f"{name} is {size:.3g} times the right one")
        if near(found, right / len(self.names)):
            return Diagnosis("mean", f"{name} is the mean of those of the gates; it is their sum")
        for start in range(len(self.joined) - len(right) + 1):
            if near(found, self.joined[start : start + len(right)]):
                words = f"{name} is cut out of the wrong place of the joined error: from its number {start} on"
                return Diagnosis("wrong-part", words)
        named = self._scaled(found, right, name) if which == 1 else None
        if named is not None:
            return named
        words = f"{name} is wrong, although the errors of the gates are right: it is the gates' errors times the transposed weights"
        return Diagnosis("wrong-error", words)

    def _scaled(self, found: Array, right: Array, name: str) -> Diagnosis | None:
        """The error of the hidden state before, with a factor that does not belong there, or of something else."""
        assert self.raw is not None
        before = AT - 1
        own = self.product(CHAIN[self.kind]["h" if self.kind == "RNN" else "o"], before)
        for step in (AT, before, 0, AT + 1, STEPS - 1):
            for key, factor in self.factors.items():
                value = factor.values[step]
                when = {AT: "the step it comes from", before: "the step it goes to", 0: "the step before that one"}.get(
                    step, OTHER_STEPS[step]
                )
                if near(found, right * value):
                    return Diagnosis("wrong-factor", f"{name} is also multiplied by {factor.words} of {when}")
                if self.kind == "RNN" and near(found * own, right * value):
                    if key == "one":
                        return Diagnosis("derivative-missing", f"{name} is not multiplied by the derivative there")
                    words = f"{name} is multiplied by {factor.words} of {when}; it should be by 1 - h² of the step it goes to"
                    return Diagnosis("wrong-step", words)
        if self.kind == "RNN":
            block = self.weights[1]
            for matrix, how in ((block, ""), (block.T, ", and the recurrent weights are not transposed")):
                for step in (AT, before, AT + 1, STEPS - 1, 0):
                    for key, factor in self.factors.items():
                        if near(found, matrix @ (self.hidden * factor.values[step])):
                            if how and key == "h t" and step == AT:
                                return Diagnosis(
                                    "transposed",
                                    f"{name} goes through the recurrent weights without their transposition",
                                )
                            what = (
                                "without the derivative of TanH"
                                if key == "one"
                                else f"times {factor.words} of {OTHER_STEPS[step]}"
                            )
                            words = f"{name} is computed from the error of the hidden state {what}{how}"
                            return Diagnosis("derivative-missing" if key == "one" else "wrong-factor", words)
        return None

    def _carried(self) -> Iterator[Diagnosis]:
        """What reaches the step before: the error of its hidden state, and of its cell state."""
        assert self.raw is not None
        before, raw = AT - 1, self.raw[AT - 1]
        right = self._passed(1, self.names)
        gate = "h" if self.kind == "RNN" else "o"
        hidden = raw[gate] / self.product(CHAIN[self.kind][gate], before)
        if not near(hidden, right):
            yield self._sum(hidden, right, 1, "the error that goes to the hidden state of the step before")
        if self.kind != "LSTM":
            return
        cell = self.hidden * self.product(SHARED, AT)
        found = raw["g"] / self.product(("i", "g t"), before) - hidden * self.product(SHARED, before)
        if near(found, cell * self.factors["f"].values[AT]):
            for name in "if":
                chain = CHAIN["LSTM"][name][2:]
                if not near(raw[name], (found + hidden * self.product(SHARED, before)) * self.product(chain, before)):
                    yield Diagnosis(
                        "wrong-error", f"the error of {NAMES[name]} leaves out what comes from the step after"
                    )
            return
        for step in (AT, AT - 1, AT + 1, STEPS - 1, 0):
            for name, factor in self.factors.items():
                if near(found, cell * factor.values[step]):
                    yield self._cell_words(name, step)
                    return
                if near(found, cell * self.factors["f"].values[AT] * factor.values[step]):
                    words = f"the cell state's error goes to the step before with one factor too many: {factor.words}"
                    if name == "minus":
                        yield Diagnosis("sign", "the cell state's error from the next step has the wrong sign")
                        return
                    yield Diagnosis("wrong-factor", words)
                    return
        yield Diagnosis("wrong-error", "the error that goes to the cell state of the step before is wrong: it is the cell "
                        "state's error times the forget gate")  # fmt: skip

    def _cell_words(self, name: str, step: int) -> Diagnosis:
        words = "the cell state's error goes to the step before"
        if name == "zero":
            return Diagnosis("missing-sum", "the error of the cell state from the next step is missing")
        if name == "one":
            return Diagnosis("gate-missing", f"{words} without the forget gate")
        when = "the same step" if step == AT else OTHER_STEPS[step]
        return Diagnosis(
            "wrong-factor",
            f"{words} with {self.factors[name].words} of {when}; it should be with the forget gate of its own",
        )
