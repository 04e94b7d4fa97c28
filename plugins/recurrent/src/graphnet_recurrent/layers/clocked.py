"""A value that changes once per period."""

from typing import Any

import numpy as np

from graphnet import Layer, Shape, ShapeError
from graphnet.authoring import positive


class Clocked(Layer):
    """Return ``new`` in every ``period``-th step and ``old`` in the others; ``phase`` counts the steps.

    The phase is one of 0, 1, …, ``period - 1``, of the values' dtype. The output is ``new`` where the phase is 0 and
    ``old`` elsewhere. The next phase is ``(phase + 1) mod period``; its derivative is 1 on both sides of the jump.
    ``new`` and ``old`` are ``(…, feature)``, both phases are ``(…, 1)``.

    Parameters
    ----------
    period : int
        At least 1.

    Raises
    ------
    ShapeError
        If ``new`` and ``old`` differ in shape, or the phase is not 1 wide.

    Examples
    --------
    >>> import numpy as np
    >>> new, old, phase = np.ones((3, 2)), np.zeros((3, 2)), np.array([[0.0], [1.0], [2.0]])
    >>> value, next_phase = Clocked(3).forward(new, old, phase)
    >>> value[:, 0], next_phase[:, 0]
    (array([1., 0., 0.]), array([1., 2., 0.]))
    """

    period: int

    def check(self) -> None:
        positive(self, "period")

    def output_ports(self) -> tuple[str, ...]:
        return ("output", "phase")

    def infer(self, new: Shape, old: Shape, phase: Shape) -> tuple[Shape, Shape]:
        if not new.fits(old) or not phase.fits(new.resized(-1, 1)):
            received = f"{new}, {old}, {phase}"
            raise ShapeError(
                "inputs do not fit together", where=repr(self), expected="(…, n), (…, n), (…, 1)", received=received
            )
        return new, phase.resized(-1, 1)

    def apply(self, new: Any, old: Any, phase: Any) -> tuple[Any, Any]:
        is_due = phase < 0.5
        incremented = phase + 1.0
        next_phase = np.where(incremented > self.period - 0.5, incremented - self.period, incremented)
        return (np.where(is_due, new, old), next_phase), is_due

    def pull(self, is_due: Any, errors: Any) -> Any:
        error, phase_error = errors
        return np.where(is_due, error, 0.0), np.where(is_due, 0.0, error), phase_error
