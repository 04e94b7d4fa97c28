"""The outcome of one check of one case, and the summary of many."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from graphnet.core.errors import GraphnetDeprecationWarning


@dataclass(frozen=True)
class Outcome:
    """The outcome of one check of one case.

    Attributes
    ----------
    case, check : str
        The names of both.
    status : str
        'passed', 'failed' or 'skipped'.
    message : str
        Why it failed or was skipped.
    """

    case: str
    check: str
    status: str
    message: str = ""

    @property
    def told(self) -> str:
        """Deprecated alias of :attr:`message`."""
        warnings.warn("Outcome.told is deprecated; use Outcome.message", GraphnetDeprecationWarning, stacklevel=2)
        return self.message

    def as_dict(self) -> dict[str, str]:
        """Return the outcome as plain data; ``told`` repeats ``message`` for readers of the former format."""
        return {
            "case": self.case,
            "check": self.check,
            "status": self.status,
            "message": self.message,
            "told": self.message,
        }


def summarize(total: int, skipped: Sequence[Outcome]) -> str:
    """Return ``ran N of M, skipped K: reasons``, the most frequent reason first."""
    reasons = Counter(outcome.message for outcome in skipped)
    listed = "; ".join(f"{count} {reason}" for reason, count in reasons.most_common())
    return f"ran {total - len(skipped)} of {total}, skipped {len(skipped)}{': ' + listed if listed else ''}"
