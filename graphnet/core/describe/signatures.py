"""The inputs and keywords that the rules of a layer class accept, read from their signatures once."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import cache
from typing import Any

from graphnet.core.errors import RuleError
from graphnet.core.records import record

#: Keywords that ``apply`` may ask for besides its weights, buffers and random draws; ``pull`` and ``grad`` may ask for
#: ``operations`` besides weights.
CONTEXT = ("phase", "lengths", "shapes", "operations")


@record
class Ports:
    """The named inputs of a node: which may be left out, and whether the last name may repeat."""

    names: tuple[str, ...]
    optional: frozenset[str] = frozenset()
    variadic: bool = False

    def accepts(self, count: int) -> bool:
        """Whether ``count`` inputs, in order, are accepted."""
        required = sum(name not in self.optional for name in self.names)
        if self.variadic:
            return count >= max(1, required)
        last = max((i + 1 for i, name in enumerate(self.names) if name not in self.optional), default=0)
        return last <= count <= len(self.names)

    def for_given(self, pulled: Any, count: int) -> tuple[Any, ...]:
        """Return what a ``pull`` returned as a tuple with an error for each of the ``count`` inputs that were passed.

        Errors for optional inputs that were left out at the end are dropped.
        """
        errors = pulled if isinstance(pulled, tuple) else (pulled,)
        return errors[:count] if not self.variadic and len(errors) == len(self.names) else errors

    def __str__(self) -> str:
        shown = [f"{name} (optional)" if name in self.optional else name for name in self.names]
        return ", ".join(shown) + (", …" if self.variadic else "")


@record
class Keywords:
    """The keyword arguments that a rule takes; ``everything`` if it has ``**kwargs``."""

    names: frozenset[str]
    everything: bool

    def pick(self, available: dict[str, Any]) -> dict[str, Any]:
        """Return the items of ``available`` that the rule takes."""
        names = self.names
        if self.everything:
            return {name: value for name, value in available.items() if name not in CONTEXT or name in names}
        return {name: value for name, value in available.items() if name in names} if names else {}


def _parameters(rule: Callable[..., Any]) -> list[inspect.Parameter]:
    return [p for p in inspect.signature(rule).parameters.values() if p.name != "self"]


@cache
def keywords(rule: Callable[..., Any]) -> Keywords:
    """The keywords of an unbound rule: its keyword-only parameters."""
    parameters = _parameters(rule)
    names = frozenset(p.name for p in parameters if p.kind is p.KEYWORD_ONLY)
    return Keywords(names, any(p.kind is p.VAR_KEYWORD for p in parameters))


@cache
def ports(apply: Callable[..., Any]) -> Ports:
    """The inputs of an unbound ``apply``: its positional parameters; those with a default are optional.

    Raises
    ------
    RuleError
        If ``apply`` takes no input.
    """
    names, optional, variadic = [], set(), False
    for p in _parameters(apply):
        if p.kind is p.VAR_POSITIONAL:
            variadic = True
        elif p.kind not in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD):
            continue
        elif p.default is not p.empty:
            optional.add(p.name)
        names.append(p.name)
    if not names:
        raise RuleError(
            "apply takes no input",
            where=getattr(apply, "__qualname__", "apply"),
            expected="apply(self, x, …, *, weights…)",
            received=str(inspect.signature(apply)),
            remedy="Name each input as a positional parameter and each weight as a keyword-only one.",
        )
    return Ports(tuple(names), frozenset(optional), variadic)
