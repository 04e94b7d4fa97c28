"""The embedded Reber grammar: experiment 1 (section 5.1) of Hochreiter & Schmidhuber 1997."""

import numpy as np
from sequences import Batch, one_hot

ALPHABET = "BTPSXVE"
#: The Reber grammar (Reber 1967) as in figure 3 of the paper: for each state the edges (symbol, next state); 7 ends it.
REBER: dict[int, tuple[tuple[str, int], ...]] = {
    0: (("B", 1),),
    1: (("T", 2), ("P", 3)),
    2: (("S", 2), ("X", 4)),
    3: (("T", 3), ("V", 5)),
    4: (("X", 3), ("S", 6)),
    5: (("P", 4), ("V", 6)),
    6: (("E", 7),),
}
END = 7


def reber(rng: np.random.Generator) -> tuple[str, list[str]]:
    """One string of the Reber grammar, and for each of its symbols all symbols that the grammar allows there."""
    state, string, possible = 0, "", []
    while state != END:
        edges = REBER[state]
        possible.append("".join(symbol for symbol, _ in edges))
        symbol, state = edges[rng.integers(len(edges))]
        string += symbol
    return string, possible


def embedded(rng: np.random.Generator) -> tuple[str, list[str]]:
    """One string of the embedded grammar, ``B t <Reber string> t E`` with t either T or P; see ``reber``."""
    inner, possible = reber(rng)
    t = "TP"[rng.integers(2)]
    return f"B{t}{inner}{t}E", ["B", "TP", *possible, t, "E"]


class Strings:
    """A set of strings with the symbols to predict.

    Attributes
    ----------
    strings : list of str
    batch : Batch
        Inputs ``(time, strings, 7)``: all symbols of each string but the last, one-hot. Targets: the next symbol at
        every step, one-hot.
    possible : bool array (time, strings, 7)
        All symbols that the grammar allows next; none after the end of a string.
    """

    def __init__(self, drawn: list[tuple[str, list[str]]]) -> None:
        self.strings = [string for string, _ in drawn]
        lengths = np.array([len(string) - 1 for string in self.strings])
        symbols = one_hot(self.strings, ALPHABET, int(lengths.max()) + 1)
        inputs, targets = one_hot([string[:-1] for string in self.strings], ALPHABET, len(symbols) - 1), symbols[1:]
        self.batch = Batch(inputs, lengths, targets)
        self.possible = np.zeros(targets.shape, bool)
        for row, (_, steps) in enumerate(drawn):
            for step, allowed in enumerate(steps[1:]):
                self.possible[step, row, [ALPHABET.index(symbol) for symbol in allowed]] = True


def sets(rng: np.random.Generator, size: int = 256) -> tuple[Strings, Strings]:
    """A training set of random strings, and a test set of random strings that are not in it."""
    train = [embedded(rng) for _ in range(size)]
    known = {string for string, _ in train}
    test: list[tuple[str, list[str]]] = []
    while len(test) < size:
        drawn = embedded(rng)
        if drawn[0] not in known:
            test.append(drawn)
    return Strings(train), Strings(test)
