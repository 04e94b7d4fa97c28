"""The outcome of one check of one case, and the summary of many."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from graphnet.core.errors import GraphnetDeprecationWarning

#: What the message of a check begins with that a layer skips because of its capabilities.
WITHOUT = "without "
#: The number of reasons that a summary gives.
REASONS = 2


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
    """Return ``ran N of M, skipped K: reasons`` on one line, the most frequent reasons first.

    Checks for other kinds of layers are only counted.
    """
    other = [outcome for outcome in skipped if outcome.message.startswith(WITHOUT)]
    reasons = Counter(outcome.message for outcome in skipped if not outcome.message.startswith(WITHOUT)).most_common()
    listed = [f"{len(other)} for other kinds of layers"] if other else []
    listed += [f"{count} because {reason}" for reason, count in reasons[:REASONS]]
    if len(reasons) > REASONS:
        listed.append(f"{sum(count for _, count in reasons[REASONS:])} for other reasons")
    return f"ran {total - len(skipped)} of {total}, skipped {len(skipped)}{': ' + ', '.join(listed) if listed else ''}"
