"""A value that changes at every so many steps."""

from typing import Any

import numpy as np

from graphnet import Layer, Shape, ShapeError
from graphnet.authoring import positive


class Clocked(Layer):
    """``new`` in every ``period``-th step, ``old`` in the others; the phase tells which step it is.

    A phase is one of 0, 1, …, ``period - 1``, of the values' dtype. The output is ``new`` where it is 0, else ``old``;
    the next phase is ``phase + 1``, less ``period`` where that reaches it; its derivative is 1 on both sides of the
    jump. ``new`` and ``old`` are ``(…, feature)``, the phase and the next one ``(…, 1)``.

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
    >>> value, following = Clocked(3).forward(new, old, phase)
    >>> value[:, 0], following[:, 0]
    (array([1., 0., 0.]), array([1., 2., 0.]))
    """

    period: int

    def check(self) -> None:
        positive(self, "period")

    def output_ports(self) -> tuple[str, ...]:
        return ("output", "phase")

    def infer(self, new: Shape, old: Shape, phase: Shape) -> tuple[Shape, Shape]:
        if not new.fits(old) or not phase.fits(new.resized(-1, 1)):
            given = f"{new}, {old}, {phase}"
            raise ShapeError("inputs do not fit", where=repr(self), expected="(…, n), (…, n), (…, 1)", received=given)
        return new, phase.resized(-1, 1)

    def apply(self, new: Any, old: Any, phase: Any) -> tuple[Any, Any]:
        now = phase < 0.5
        later = phase + 1.0
        following = np.where(later > self.period - 0.5, later - self.period, later)
        return (np.where(now, new, old), following), now

    def pull(self, now: Any, errors: Any) -> Any:
        error, following = errors
        return np.where(now, error, 0.0), np.where(now, 0.0, error), following
