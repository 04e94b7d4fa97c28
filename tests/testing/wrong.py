"""The record of a wrong layer."""

from __future__ import annotations

from dataclasses import dataclass

from graphnet.testing import Case

ROWS, SEQUENCE = "batch=4, feature=3", "time=5, batch=2, feature=3"


@dataclass(frozen=True)
class Wrong:
    """A case of a layer with one fault, which its docstring describes."""

    case: Case

    @property
    def name(self) -> str:
        return self.case.layer.__name__

    @property
    def fault(self) -> str:
        text = (self.case.layer.__doc__ or "Has no docstring.").strip()
        return text.split(": ")[-1]
