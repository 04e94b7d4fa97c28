"""The names of axes, and the roles in which layers read axes."""

from __future__ import annotations

from collections.abc import Sequence

TIME, BATCH, CHANNEL, FEATURE = "time", "batch", "channel", "feature"
#: Roles that are not axis names: rows that are computed independently, and an axis that windows move along.
ROWS, SPACE = "batch or time", "a spatial axis"

_SPATIAL = frozenset({"x", "y", "z", TIME})
#: For each role in which a layer reads an axis, the known names that fit; names not in any of these fit everywhere.
FITTING: dict[str, frozenset[str]] = {
    TIME: _SPATIAL,
    BATCH: frozenset({BATCH}),
    ROWS: frozenset({BATCH, TIME}),
    CHANNEL: frozenset({CHANNEL, FEATURE}),
    FEATURE: frozenset({FEATURE, CHANNEL}) | _SPATIAL,
    SPACE: _SPATIAL,
}
KNOWN = frozenset().union(*FITTING.values())

#: The default names of axes: batch first, images as (batch, channel, y, x).
DEFAULT_NAMES: dict[int, tuple[str, ...]] = {
    0: (),
    1: (BATCH,),
    2: (BATCH, FEATURE),
    3: (BATCH, CHANNEL, "x"),
    4: (BATCH, CHANNEL, "y", "x"),
    5: (BATCH, CHANNEL, "z", "y", "x"),
}


def fits_role(name: str, role: str, names: Sequence[str], roles: Sequence[str | None]) -> bool:
    """Whether an axis called ``name`` can be read as ``role``, among axes ``names`` that are read as ``roles``."""
    if name in KNOWN and name not in FITTING[role]:
        return False
    role_name = BATCH if role == ROWS else role
    others = (axis for axis, other in enumerate(names) if other == role_name)
    return all(axis < len(roles) and roles[axis] == role for axis in others)


def listed(roles: Sequence[str | None], rank: int) -> str:
    """``(time, batch, …)`` for the roles of the first axes."""
    words = ["…" if role is None else role for role in roles] + ["…"] * (rank > len(roles))
    return f"({', '.join(word for i, word in enumerate(words) if word != '…' or words[i - 1 : i] != ['…'])})"
