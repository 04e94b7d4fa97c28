"""What this machine's processor can execute, in levels, and the one that code is compiled for.

The processor is asked what it has (cpuid and the operating system's word, through LLVM); its name is not used, because
virtual machines hide features that the name promises. Code generation gets an explicit list for a generic processor:
the features of one level, and every other one that LLVM knows as absent. So code is the same on every machine of a
level.
"""

from __future__ import annotations

import os
import platform
import sys
from functools import cache

from graphnet.core.records import record

#: Lowers the level: ``avx512``, ``avx2`` or ``baseline``; the highest one that may be used.
VARIABLE = "GRAPHNET_NATIVE_FEATURES"
#: From the highest to the lowest.
LEVELS = ("avx512", "avx2", "baseline")
AUTO = "auto"

#: x86-64: what every processor has, what a level needs besides the levels below it, and what is used where it is there.
X86_BASE = frozenset(("64bit", "cmov", "cx8", "fxsr", "mmx", "sse", "sse2"))
X86_NEEDED = {
    "avx512": frozenset(("avx512f", "avx512cd", "avx512dq", "avx512bw", "avx512vl")),
    "avx2": frozenset(("sse3", "ssse3", "sse4.1", "sse4.2", "avx", "avx2", "fma")),
}
X86_USED = frozenset(("popcnt", "cx16", "sahf", "bmi", "bmi2", "f16c", "lzcnt", "movbe", "xsave", "crc32"))
#: 64-bit Arm: every processor has vectors of 128 bits and fused multiply-adds.
ARM_BASE = frozenset(("fp-armv8", "neon"))


@record
class Features:
    """A level of features.

    Attributes
    ----------
    level : {'avx512', 'avx2', 'baseline'}
    flags : str
        As LLVM reads them: ``+avx,-avx2,…``.
    vector_bytes : int
        The width of vectors.
    fused : bool
        Whether there is an instruction for ``a * b + c`` with one rounding.
    """

    level: str
    flags: str
    vector_bytes: int
    fused: bool


def host() -> dict[str, bool]:
    """Every feature that LLVM knows for this architecture, and whether this processor has it; nothing if unknown."""
    try:
        import llvmlite.binding as llvm

        return {str(name): bool(there) for name, there in llvm.get_host_cpu_features().items()}
    except Exception:  # an old kernel, an unknown processor: what is raised depends on the platform
        return {}


def requested(setting: str | None = None) -> tuple[str, ...]:
    """The levels that the user allows, from the highest to the lowest.

    Raises
    ------
    UnknownNameError
        If GRAPHNET_NATIVE_FEATURES, or ``setting`` in its place, is not the name of a level.
    """
    name = (os.environ.get(VARIABLE, "") if setting is None else setting).strip().lower() or AUTO
    if name == AUTO:
        return LEVELS
    if name not in LEVELS:
        from graphnet.core.errors import unknown

        raise unknown("level of processor features", name, (AUTO, *LEVELS), where=VARIABLE)
    return LEVELS[LEVELS.index(name) :]


def levels(known: dict[str, bool], machine: str, allowed: tuple[str, ...] = LEVELS) -> list[Features]:
    """The levels that a processor has, from the highest to the lowest; there is always at least the baseline.

    Parameters
    ----------
    known : dict
        As :func:`host` returns it.
    machine : str
        The architecture, as ``platform.machine()`` names it.
    allowed : tuple of str
        Other levels are left out.
    """
    machine = machine.lower()
    if machine in ("aarch64", "arm64"):
        return [Features("baseline", _flags(ARM_BASE, known), 16, True)]
    if machine not in ("x86_64", "amd64"):
        return [Features("baseline", "", 16, True)]
    found = []
    used = {name for name in X86_USED if known.get(name)}
    for level, width in (("avx512", 64), ("avx2", 32)):
        needed = frozenset().union(*(X86_NEEDED[each] for each in LEVELS[LEVELS.index(level) : -1]))
        if level in allowed and all(known.get(name) for name in needed):
            found.append(Features(level, _flags(X86_BASE | needed | used, known), width, True))
    return [*found, Features("baseline", _flags(X86_BASE, known), 16, False)]


def _flags(wanted: frozenset[str] | set[str], known: dict[str, bool]) -> str:
    """A list for LLVM: the wanted features, and all others as absent."""
    return ",".join(("+" if name in wanted else "-") + name for name in sorted(wanted | known.keys()))


@cache
def available() -> tuple[Features, ...]:
    """The levels of this machine that the user allows, from the highest to the lowest."""
    return tuple(levels(host(), platform.machine(), requested()))


#: How many levels of this machine have failed, and a level that replaces them all.
_failed = 0
_forced: Features | None = None


def selected() -> Features:
    """The level that code is compiled for."""
    return available()[_failed] if _forced is None else _forced


def lower() -> bool:
    """Select the next level; whether there is one."""
    global _failed
    if _failed + 1 >= len(available()):
        return False
    _failed += 1
    return True


def lower_to(level: str) -> None:
    """Select a level of this machine by its name."""
    global _failed
    _failed = [each.level for each in available()].index(level)


def force(level: Features) -> None:
    """Select a level, whatever this machine has: for the process that tries it."""
    global _forced
    _forced = level


def addresses_fit() -> bool:
    """Whether this is a process of 64 bits, for which code is emitted."""
    return sys.maxsize > 2**32
