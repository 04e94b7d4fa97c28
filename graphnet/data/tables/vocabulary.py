"""Text as token ids."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from graphnet.core.array_types import Array

#: The text of token 0: any token that is not in the vocabulary.
UNKNOWN = "<unknown>"
#: Runs of letters, digits and apostrophes, or any other character that is not white space.
WORD = re.compile(r"\w+(?:['\N{RIGHT SINGLE QUOTATION MARK}]\w+)*|[^\w\s]")


@dataclass(frozen=True)
class Vocabulary:
    """The tokens of some text by id; id 0 is any other token.

    Attributes
    ----------
    level : {'words', 'characters'}
    tokens : tuple of str
        ``tokens[0]`` is ``'<unknown>'``.

    Examples
    --------
    >>> vocabulary = Vocabulary.fit(["The cat, the dog"], "words")
    >>> vocabulary.tokens
    ('<unknown>', 'the', ',', 'cat', 'dog')
    >>> vocabulary.encode("The cow").tolist()
    [1, 0]
    """

    level: str
    tokens: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.tokens)

    @classmethod
    def fit(cls, texts: Iterable[str], level: str, size: int | None = None) -> Vocabulary:
        """The tokens of some texts, most frequent first, equally frequent ones in order; at most ``size`` with 0."""
        counts = Counter(token for text in texts for token in divide(text, level))
        counts.pop(UNKNOWN, None)
        ranked = sorted(counts, key=lambda token: (-counts[token], token))
        return cls(level, (UNKNOWN, *(ranked if size is None else ranked[: size - 1])))

    def encode(self, text: str) -> Array:
        """The ids of a text, ``(steps,)`` int64."""
        ids = {token: i for i, token in enumerate(self.tokens)}
        return np.array([ids.get(token, 0) for token in divide(text, self.level)], np.int64)

    def encode_all(self, texts: Iterable[str]) -> list[Array]:
        """The ids of several texts."""
        ids = {token: i for i, token in enumerate(self.tokens)}
        return [np.array([ids.get(token, 0) for token in divide(text, self.level)], np.int64) for text in texts]


def divide(text: str, level: str) -> list[str]:
    """The tokens of a text."""
    return list(text) if level == "characters" else WORD.findall(text.lower())
