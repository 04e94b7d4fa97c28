"""Names that nodes get automatically."""

from __future__ import annotations

import re
from collections.abc import Container


def numbered(stem: str, taken: Container[str]) -> str:
    """``stem``, or ``stem_2``, ``stem_3``, … where it is taken.

    Examples
    --------
    >>> numbered("tanh", ["tanh", "tanh_3"])
    'tanh_2'
    """
    name, number = stem, 2
    while name in taken:
        name, number = f"{stem}_{number}", number + 1
    return name


def snake_case(name: str) -> str:
    """``FullyConnected`` as ``fully_connected``, ``ReLU`` as ``relu``.

    Examples
    --------
    >>> snake_case("FullyConnected"), snake_case("LeakyReLU"), snake_case("LSTM"), snake_case("TanH")
    ('fully_connected', 'leaky_relu', 'lstm', 'tanh')
    """
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z][a-z])", "_", name).lower()
