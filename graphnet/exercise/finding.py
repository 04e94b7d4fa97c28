"""What the checker says about a student's file."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

#: Severities: a fault makes the exit status 1; a note does not.
FAULT, NOTE = "fault", "note"


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, or worth knowing, in one class.

    Attributes
    ----------
    component : str
        The class, such as ``RNN``.
    code : str
        A short name of the fault, such as ``memory-not-reset``.
    message : str
        What is wrong, in the terms of the exercise.
    severity : 'fault' or 'note'
    method : str
        Where: ``forward``, ``backward``, ``gradient of the weights``, …
    file : str, optional
        Relative to the checked folder.
    line : int, optional
        The line in which an exception arose, or which did not end.
    """

    component: str
    code: str
    message: str
    severity: str = FAULT
    method: str = ""
    file: str | None = None
    line: int | None = None

    def as_dict(self) -> dict[str, Any]:
        """The attributes by name."""
        return asdict(self)

    def __str__(self) -> str:
        place = self.file or self.component
        place = f"{place}:{self.line}" if self.line is not None else place
        where = f"{self.component}, {self.method}" if self.method else self.component
        return f"{place}: {self.severity}: {where}: {self.message} [{self.code}]"
