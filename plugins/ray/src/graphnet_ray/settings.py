"""The options of a group."""

from __future__ import annotations

import dataclasses
import math
import os
from dataclasses import dataclass
from numbers import Real
from typing import Any

from graphnet import ConfigError
from graphnet_ray.session import OBJECT_STORE

WHERE = "communicator 'ray'"


@dataclass(frozen=True)
class Settings:
    """The options of :meth:`RayCommunicator.launch`.

    Attributes
    ----------
    address : str or None
        Of a cluster; None for the variable RAY_ADDRESS, else for a Ray of this machine.
    timeout : float, default 60
        Seconds that rank 0 waits for a contribution of a rank that lives, and after which a rank without rank 0 ends.
    silence : float, default 5
        Seconds without a sign of life after which a rank is lost.
    start_timeout : float, default 120
        Seconds that a process may take to start.
    cpus : int or None
        The cores of each worker, and the number of threads of its computations; None for 1 in a cluster, and for an
        equal share of the cores of this machine.
    object_store : int
        Bytes of memory for arrays, if Ray is started here.
    replace : bool, default True
        Whether a new process is started for one that was lost.
    """

    address: str | None = None
    timeout: float = 60.0
    silence: float = 5.0
    start_timeout: float = 120.0
    cpus: int | None = None
    object_store: int = OBJECT_STORE
    replace: bool = True

    def __post_init__(self) -> None:
        for name in ("timeout", "silence", "start_timeout"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, Real) or not 0 < float(value) < math.inf:
                raise _refused(name, "a number of seconds above 0", value)
        if not isinstance(self.replace, bool):
            raise _refused("replace", "true or false", self.replace)
        if self.address is not None and (not isinstance(self.address, str) or not self.address):
            raise _refused("address", "text such as host:port", self.address)
        for name, least in (("cpus", 1), ("object_store", 80 << 20)):
            value = getattr(self, name)
            whole = isinstance(value, int) and not isinstance(value, bool) and value >= least
            if not whole and not (name == "cpus" and value is None):
                raise _refused(name, f"an integer of at least {least}", value)

    @classmethod
    def checked(cls, options: dict[str, Any]) -> Settings:
        """The settings of a call.

        Raises
        ------
        ConfigError
            If an option is unknown or invalid.
        """
        known = [field.name for field in dataclasses.fields(cls)]
        for name in options:
            if name not in known:
                expected = f"one of {', '.join(known)}"
                raise ConfigError(f"unknown option {name!r}", where=WHERE, expected=expected, key_path=(name,))
        return cls(**options)

    def cores(self, workers: int, local: bool) -> int:
        """The cores of each worker."""
        share = (os.cpu_count() or 1) // workers if local else 1
        return self.cpus or max(1, share)


def _refused(name: str, expected: str, received: object) -> ConfigError:
    return ConfigError(
        f"invalid option {name!r}", where=WHERE, expected=expected, received=repr(received), key_path=(name,)
    )
