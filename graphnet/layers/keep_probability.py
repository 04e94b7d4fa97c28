"""The probability of keeping a unit, given as such or by that of dropping it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from graphnet.core.describe.layer import Layer, require
from graphnet.core.errors import ConfigError
from graphnet.layers.checks import finite

#: The fields that give it.
NAMES = ("probability", "keep", "drop")


class KeepProbability:
    """Gives a layer with the fields ``probability``, ``keep`` and ``drop`` one probability from exactly one of them.

    After construction ``probability`` is that of *keeping*, and ``keep`` and ``drop`` are None. The configuration has
    the name that was given.
    """

    elsewhere: ClassVar[Mapping[str, str]] = {
        **Layer.elsewhere,
        "rate": "Keras' rate is the probability of dropping: write drop=.",
        "p": "PyTorch's p is the probability of dropping: write drop=.",
    }

    probability: float | None
    keep: float | None
    drop: float | None

    _given: tuple[str, float]

    def settle(self) -> None:
        """Set ``probability``; for ``check`` of the layer.

        Raises
        ------
        ConfigError
            Unless exactly one of the three is given, and in its range.
        """
        values = {name: getattr(self, name) for name in NAMES}
        given = [name for name, value in values.items() if value is not None]
        if len(given) != 1:
            kind = type(self).__name__
            raise ConfigError(
                "give the probability exactly once",
                where=kind,
                expected="one of probability or keep, the probability of keeping a unit, and drop, that of dropping it",
                received=", ".join(f"{name}={values[name]!r}" for name in given) or "none of them",
                remedy=f"Write {kind}(…, keep=0.8), or {kind}(…, drop=0.2), which is the same.",
                key_path=tuple(given[1:2]),
            )
        (name,) = given
        value, layer = values[name], self
        if name == "drop":
            require(finite(value) and 0 <= value < 1, layer, name, "the probability of dropping, in [0, 1)")  # type: ignore[arg-type]
        else:
            require(finite(value) and 0 < value <= 1, layer, name, "the probability of keeping, in (0, 1]")  # type: ignore[arg-type]
        self._given = name, value
        self.probability, self.keep, self.drop = self._kept(), None, None

    def _kept(self) -> float:
        name, value = self._given
        return 1.0 - value if name == "drop" else value

    def config(self) -> dict[str, Any]:
        config: dict[str, Any] = super().config()  # type: ignore[misc]
        if self.probability != self._kept():  # assigned since
            return config
        name, value = self._given
        return {
            name if key == "probability" else key: value if key == "probability" else v for key, v in config.items()
        }
