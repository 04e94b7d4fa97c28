"""Automatic names of nodes."""

from __future__ import annotations

import re
from collections.abc import Container


class Numbering:
    """Names that are unused so far, numbered by stem; a number that was returned once is not tried again.

    Examples
    --------
    >>> numbering = Numbering()
    >>> taken = {"tanh_2"}
    >>> for _ in range(3):
    ...     taken.add(numbering.name("tanh", taken))
    >>> sorted(taken)
    ['tanh', 'tanh_2', 'tanh_3', 'tanh_4']
    """

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}

    def name(self, stem: str, *taken: Container[str]) -> str:
        """Return ``stem``, or ``stem_2``, ``stem_3``, … if it is in one of ``taken``."""
        number = self._counts.get(stem, 1)
        name = stem if number == 1 else f"{stem}_{number}"
        while any(name in names for names in taken):
            number += 1
            name = f"{stem}_{number}"
        self._counts[stem] = number
        return name


def snake_case(name: str) -> str:
    """``FullyConnected`` as ``fully_connected``, ``ReLU`` as ``relu``.

    Examples
    --------
    >>> snake_case("FullyConnected"), snake_case("LeakyReLU"), snake_case("LSTM"), snake_case("TanH")
    ('fully_connected', 'leaky_relu', 'lstm', 'tanh')
    """
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z][a-z])", "_", name).lower()
