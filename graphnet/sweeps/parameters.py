"""The parameters of a sweep: ranges and choices, as plain data and as values for a model file."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from graphnet.core.errors import ConfigError, unknown
from graphnet.io.values import Unfit, bare, scalar

RANGE = ("low", "high", "log", "step", "integer")
#: Values of a grid: more than anybody trains, and few enough to list.
MAX_GRID = 100_000


def invalid(problem: str, keys: tuple[str, ...], expected: object = None, received: object = None,
            remedy: str | None = None) -> ConfigError:  # fmt: skip
    """The error for a value of a sweep."""
    return ConfigError(problem, where=f"Sweep.{'.'.join(keys)}", expected=expected, received=received, remedy=remedy,
                       key_path=keys)  # fmt: skip


@dataclass(frozen=True)
class Range:
    """Numbers from ``low`` to ``high``, both included.

    Attributes
    ----------
    low, high : int or float
    log : bool
        Whether they are drawn uniformly by their logarithm.
    step : int or float, optional
        Only ``low + k·step`` are drawn.
    integer : bool
    """

    low: float
    high: float
    log: bool = False
    step: float | None = None
    integer: bool = False

    @property
    def values(self) -> tuple[Any, ...] | None:
        """All values, in order; None if there are infinitely many."""
        if self.low == self.high:
            return (self.low,)
        step = self.step or (1 if self.integer and not self.log else None)
        if step is None:
            return None
        count = self.steps(step)
        return tuple(self.low + k * step for k in range(min(count, MAX_GRID) + 1))

    def steps(self, step: float) -> int:
        """How many steps fit into the range; a rounding error of the division does not count."""
        return math.floor((self.high - self.low) / step * (1 + 1e-12) + 1e-9)

    def __str__(self) -> str:
        steps = "" if self.step is None else f" in steps of {self.step:g}"
        return f"{self.low:g} to {self.high:g}{steps}" + ", logarithmic" * self.log


@dataclass(frozen=True)
class Choices:
    """Some values: numbers, text, truth values, null, or the description of an object."""

    values: tuple[Any, ...]

    @property
    def labels(self) -> tuple[Any, ...]:
        """The values as Optuna and tables have them: text stands for lists, mappings, and values that look alike."""
        simple = all(value is None or isinstance(value, (bool, int, float, str)) for value in self.values)
        if not simple:
            return tuple(map(_text, self.values))
        alike = len({*map(_comparable, self.values)}) < len(self.values)  # 1, 1.0 and true
        return tuple(map(json.dumps, self.values)) if alike else self.values

    def __str__(self) -> str:
        return ", ".join(map(_text, self.values))


def _comparable(value: Any) -> Any:
    return float(value) if isinstance(value, (bool, int)) and abs(value) < 2**53 else value


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


@dataclass(frozen=True)
class Parameter:
    """What varies between the trials.

    Attributes
    ----------
    name : str
    paths : tuple of str
        The places in the model file that have its value.
    domain : Range or Choices
    """

    name: str
    paths: tuple[str, ...]
    domain: Range | Choices

    @classmethod
    def of(cls, name: str, value: Any) -> Parameter:
        """The parameter with a name that is a path, or with ``paths``.

        Raises
        ------
        ConfigError
        """
        keys = ("parameters", name)
        if isinstance(value, Parameter):
            return value
        if isinstance(value, Sequence) and not isinstance(value, str):
            return cls(name, (name,), _choices(value, keys))
        if not isinstance(value, Mapping):
            raise invalid("not a range or choices", keys, "{low: …, high: …}, or a list of choices", repr(value)[:80])
        fields = dict(value)
        paths = _paths(fields.pop("paths", name), (*keys, "paths"))
        if "choices" in fields:
            choices = fields.pop("choices")
            for key in fields:
                raise invalid("choices have no other keys", (*keys, key), "choices, paths", key)
            return cls(name, paths, _choices(choices, (*keys, "choices")))
        for key in fields:
            if key not in RANGE:
                raise unknown("key", key, ["choices", "paths", *RANGE], where=f"Sweep.{'.'.join(keys)}",
                              key_path=(*keys, key), error=ConfigError)  # fmt: skip
        return cls(name, paths, _range(fields, keys))

    def values(self) -> dict[str, Any]:
        """As plain data."""
        if isinstance(self.domain, Choices):
            return {"choices": list(self.domain.values), "paths": list(self.paths)}
        fields = {name: value for name, value in vars(self.domain).items() if value is not None}
        return {**fields, "paths": list(self.paths)}

    def value(self, label: Any) -> Any:
        """The value for the model file of what Optuna has."""
        if isinstance(self.domain, Range):
            return int(label) if self.domain.integer else float(label)
        for value, known in zip(self.domain.values, self.domain.labels, strict=True):
            if type(known) is type(label) and known == label:
                return value
        return self.domain.values[self.domain.labels.index(label)]


def _paths(value: Any, keys: tuple[str, ...]) -> tuple[str, ...]:
    paths = (value,) if isinstance(value, str) else tuple(value) if isinstance(value, (list, tuple)) else ()
    if not paths or not all(isinstance(path, str) and path for path in paths):
        raise invalid("not paths in the model file", keys, "text, such as training.batch_size", repr(value)[:80])
    return paths


def _choices(value: Any, keys: tuple[str, ...]) -> Choices:
    if not isinstance(value, Sequence) or isinstance(value, str) or not value:
        raise invalid("not choices", keys, "a list with at least one value", repr(value)[:80])
    plain = tuple(plain_value(each) for each in value)
    try:
        texts = [json.dumps(each, sort_keys=True, allow_nan=False) for each in plain]
    except (TypeError, ValueError):
        raise invalid("a choice that a file cannot have", keys, "text, finite numbers, lists, mappings",
                      repr(value)[:80]) from None  # fmt: skip
    repeated = next((text for text in texts if texts.count(text) > 1), None)
    if repeated is not None:
        raise invalid("a choice is repeated", keys, "different values", repeated)
    return Choices(plain)


def plain_value(value: Any) -> Any:
    """A value as a model file has it: without the places in a file, and 1e-3 as a number."""
    value = bare(value)
    if isinstance(value, Mapping):
        return {str(key): plain_value(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain_value(part) for part in value]
    try:
        return scalar(value, float) if isinstance(value, str) else value  # 1e-3, which YAML 1.1 reads as text
    except Unfit:
        return value


def number_at(value: Any, keys: tuple[str, ...]) -> float:
    """A finite number; an integer stays one."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    try:
        result = scalar(value, float)
    except Unfit:
        result = math.nan
    if not isinstance(result, float) or not math.isfinite(result):
        raise invalid("not a number", keys, "a finite number", repr(value)[:80])
    return result


def _range(fields: Mapping[str, Any], keys: tuple[str, ...]) -> Range:
    for key in ("low", "high"):
        if key not in fields:
            raise invalid(f"{key} is missing", keys, "low and high, or choices", ", ".join(fields) or "nothing")
    for key in ("log", "integer"):
        if not isinstance(fields.get(key, False), bool):
            raise invalid("wrong value", (*keys, key), "true or false", repr(fields[key])[:80])
    low, high = (number_at(fields[key], (*keys, key)) for key in ("low", "high"))
    step = None if fields.get("step") is None else number_at(fields["step"], (*keys, "step"))
    whole = all(isinstance(each, int) for each in (low, high, 1 if step is None else step))
    integer = bool(fields.get("integer", whole))
    if integer and not all(float(each).is_integer() for each in (low, high, step or 1)):
        raise invalid("a range of integers has integer ends and steps", keys, received=f"{low:g}, {high:g}, {step}")
    log = bool(fields.get("log", False))
    if high < low:
        raise invalid("high is below low", (*keys, "high"), f"at least {low:g}", f"{high:g}")
    if log and low <= 0:
        raise invalid("a logarithmic range begins above 0", (*keys, "low"), "above 0", f"{low:g}")
    if log and step is not None:
        raise invalid("a logarithmic range has no step", (*keys, "step"), "log or step", f"{step:g}")
    if step is not None and step <= 0:
        raise invalid("not a step", (*keys, "step"), "above 0", f"{step:g}")
    kind: Any = int if integer else float
    return Range(kind(low), kind(high), log, None if step is None else kind(step), integer)
