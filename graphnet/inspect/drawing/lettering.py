"""The widths of texts in pictures, without a font: those of DejaVu Sans, which is wider than most."""

from __future__ import annotations

import unicodedata

FAMILY = "'DejaVu Sans', Verdana, 'Noto Sans', 'Liberation Sans', Arial, Helvetica, sans-serif"
#: Sizes of names and of all other texts.
FONT, SMALL = 12.0, 10.0
#: Names are shown up to this length.
LONGEST = 36
#: Widths in units of the font size; other letters are 0.65, wide ones 1.05.
WIDTHS = dict.fromkeys("ijl'|.,:;!I ()[]ft/-", 0.40) | dict.fromkeys("mwMW@%—", 0.98) | dict.fromkeys("rsz_", 0.56)


def width(text: str, size: float, *, bold: bool = False) -> float:
    """The width of a text, rounded up rather than down.

    Examples
    --------
    >>> width("will", 10) < width("wool", 10) < width("wool", 10, bold=True)
    True
    """
    units = sum(WIDTHS.get(c, 1.05 if unicodedata.east_asian_width(c) in "WF" else 0.65) for c in text)
    return units * size * (1.1 if bold else 1.0)


def shortened(text: str) -> str:
    """A name on one line, without characters that cannot be shown, and cut in the middle if it is long.

    Examples
    --------
    >>> shortened("a" * 50)
    'aaaaaaaaaaaaaaaaa…aaaaaaaaaaaaaaaaaa'
    >>> shortened("a\\nb\\x00")
    'a b '
    """
    shown = "".join(c if c.isprintable() else " " for c in text)
    half = LONGEST // 2
    return shown if len(shown) <= LONGEST else f"{shown[: half - 1]}…{shown[-half:]}"
