"""Which columns of a table are inputs, targets, time and group, and how the table becomes examples."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from graphnet.core.checks import flag, integer, number
from graphnet.core.errors import ConfigError, unknown
from graphnet.data.settings import record_of

SPLITS = ("share", "time")
TOKENS = ("words", "characters")
MISSING = ("refuse", "drop", "mean")
PER = ("sequence", "step")


@dataclass(frozen=True, kw_only=True)
class TableSchema:
    """How the columns of a table become examples.

    What an example is follows from the columns that are named:

    =========================  =====================================================================================
    named                      examples
    =========================  =====================================================================================
    neither                    each row: features ``(n, features)``
    ``group``                  the rows of one group, in the order of ``time`` (or of the table): a sequence
                               ``(steps, features)``, all of which may differ in length
    ``window``                 every ``window`` consecutive rows (of one group, if there are groups), in the order of
                               ``time``, with the targets of the ``horizon`` rows that follow
    ``tokens``                 each row: the token ids ``(steps,)`` of its text
    =========================  =====================================================================================

    Numbers and booleans are one feature each; text and categories are one indicator (0 or 1) for each category, in
    sorted order.

    Parameters
    ----------
    target : str or several
        Columns of the target. Text, booleans and categories are class labels: their names, sorted, are the classes.
        Numbers are predicted as numbers unless ``labels`` is True.
    inputs : str or several, optional
        Columns of the features. Default: all that are not named otherwise; with ``window`` also the target, whose past
        is known.
    time, group : str, optional
        Columns with the order of rows, and with what keeps rows together.
    ignore : str or several
        Columns that are not read.
    input : str, optional
        The name of the graph's input. Default: ``x``.
    labels : bool, optional
        Whether targets are class labels. Default: unless they are numbers.
    per : {'sequence', 'step'}, optional
        With ``group``: whether there is one target for each sequence, or for each step. Default: one for each sequence
        if the target is the same in all rows of every group.
    window, horizon : int, at least 1
    tokens : {'words', 'characters'}, optional
        How the text of the only input column is divided. Words are lower-cased runs of letters, digits and
        apostrophes, and single other characters.
    vocabulary : int, optional
        The largest number of tokens: the most frequent ones of the training rows. Id 0 is any other token.
    split : {'share', 'time'}, optional
        Whether held-out examples are drawn at random, or are the last ones in time. Default: ``time`` with ``window``.
    split_by : str, optional
        A column: rows with the same value are on the same side of the split.
    test : float in [0, 1), or str
        The share of the test split; or the path of another table, which is the test split.
    validation : float in [0, 1)
        The share of all examples that selects the best epoch, held out by the same rule.
    seed : int, at least 0
        Of the random split.
    missing : {'refuse', 'drop', 'mean'}
        What is done about missing values: an error; rows without them are used; or numbers get the mean of the
        training rows, and categories no indicator. Missing targets and times are never filled.
    standardize : bool
        Whether numbers are shifted and scaled to mean 0 and standard deviation 1 in the training rows, by a layer at
        the input of the model. Indicators, booleans and constant columns are left as they are. Targets that are numbers
        are scaled back by a layer at its output, so that the model predicts them in their own units.
    separator, decimal : str, optional
        Of a CSV file. Default: the most frequent of comma, semicolon, tab and ``|`` in the first line; a point.

    Raises
    ------
    ConfigError
        If a value is invalid, or two of them contradict each other.
    """

    target: tuple[str, ...] = ()
    inputs: tuple[str, ...] | None = None
    time: str | None = None
    group: str | None = None
    ignore: tuple[str, ...] = ()
    input: str = "x"
    labels: bool | None = None
    per: str | None = None
    window: int | None = None
    horizon: int = 1
    tokens: str | None = None
    vocabulary: int | None = None
    split: str | None = None
    split_by: str | None = None
    test: float | str = 0.2
    validation: float = 0.0
    seed: int = 0
    missing: str = "refuse"
    standardize: bool = False
    separator: str | None = None
    decimal: str = "."

    def __post_init__(self) -> None:
        where = "TableSchema"
        for name in ("target", "inputs", "ignore"):
            object.__setattr__(self, name, _columns(name, getattr(self, name)))
        for name in ("time", "group", "split_by", "separator"):
            _text(name, getattr(self, name))
        for name, choices in (("per", PER), ("tokens", TOKENS), ("split", SPLITS), ("missing", MISSING)):
            _choice(name, getattr(self, name), choices)
        for name, low in (("window", 1), ("horizon", 1), ("vocabulary", 2), ("seed", 0)):
            integer(where, name, getattr(self, name), low, optional=name in ("window", "vocabulary"))
        if not isinstance(self.test, str):
            number(where, "test", self.test, 0.0, 1.0, below=True)
        number(where, "validation", self.validation, 0.0, 1.0, below=True)
        flag(where, "standardize", self.standardize)
        if self.labels is not None:
            flag(where, "labels", self.labels)
        self._check_together()

    def _check_together(self) -> None:
        if not isinstance(self.test, str) and self.test + self.validation >= 1.0:
            received = f"{self.test:g} and {self.validation:g}"
            raise _invalid("test and validation leave no training rows", "test", "less than 1 together", received)
        if self.tokens is not None and (self.group is not None or self.window is not None):
            raise _invalid("tokens are read row by row", "tokens", "neither group nor window", "both")
        if self.horizon != 1 and self.window is None:
            raise _invalid("a horizon needs a window", "horizon", "window, such as 24", "no window")
        if self.per is not None and (self.group is None or self.window is not None):
            raise _invalid("per is for sequences", "per", "group, without window", "rows")
        if self.split == "time" and self.time is None:
            raise _invalid("a split by time needs the column", "split", "time: COLUMN", "no time column")
        if self.split == "time" and self.split_by is not None:
            raise _invalid("one split or the other", "split_by", "split: share", "split: time")

    @property
    def by_time(self) -> bool:
        """Whether the last examples in time are held out."""
        return self.split == "time" or (self.split is None and self.window is not None and self.split_by is None)

    def values(self) -> dict[str, Any]:
        """The values that differ from the defaults, as plain lists, text and numbers."""
        result: dict[str, Any] = {}
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if value != field.default:
                result[field.name] = list(value) if isinstance(value, tuple) else value
        return result

    @classmethod
    def of(cls, values: Mapping[str, Any], where: str = "training.data") -> TableSchema:
        """The schema with these values by name.

        Raises
        ------
        ConfigError
            If a name is unknown, or a value is invalid.
        """
        return record_of(cls, values, "setting of a table", where)


def _columns(name: str, value: Any) -> tuple[str, ...] | None:
    if value is None:
        return None if name == "inputs" else ()
    if isinstance(value, str):
        return (value,)
    if isinstance(value, Iterable):
        names = tuple(value)
        if all(isinstance(each, str) for each in names) and len(set(names)) == len(names):
            return names
    raise _invalid(f"{name} must name columns", name, "text, or a list of different names", repr(value)[:80])


def _text(name: str, value: Any) -> None:
    if value is not None and (not isinstance(value, str) or not value):
        raise _invalid(f"{name} must be text", name, "text", repr(value)[:80])


def _choice(name: str, value: Any, choices: tuple[str, ...]) -> None:
    if value is None and name != "missing":
        return
    if not isinstance(value, str) or value not in choices:
        raise unknown(name, value, choices, where="TableSchema", error=ConfigError, key_path=(name,))


def _invalid(problem: str, name: str, expected: str, received: str) -> ConfigError:
    return ConfigError(problem, where="TableSchema", expected=expected, received=received, key_path=(name,))
