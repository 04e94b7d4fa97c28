"""Runs the rules of a cell's nodes on symbols."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from graphnet.core.compile.plan import Call, Shapes
from graphnet.core.compile.recurrences import expressions as ex
from graphnet.core.compile.recurrences import products as products  # registers the functions of numpy
from graphnet.core.compile.recurrences.derivatives import pulls_derivative
from graphnet.core.compile.recurrences.expressions import Expression, RowsMix
from graphnet.core.compile.recurrences.forms import Form, NonlinearFunction, NotLinear
from graphnet.core.compile.recurrences.symbols import Symbolic, Unreadable
from graphnet.core.compile.trace.symbol import RowLengths
from graphnet.core.compile.trace.untraceable import Untraceable
from graphnet.core.describe import signatures
from graphnet.core.describe.layer import Layer
from graphnet.core.describe.shapes import Shape
from graphnet.core.operations import NO_OPERATIONS
from graphnet.core.phase import Phase

#: Numbers of rows that rules see; the first one that no other axis has.
ROWS = (31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101, 103, 107, 109, 113)


class CellRules:
    """The rules of a cell.

    Parameters
    ----------
    shapes : Shapes
        Of the cell, with all sizes known.
    layers : mapping of path to Layer
    phase : Phase
    dtype : str

    Attributes
    ----------
    rows : int
        The size of the axis of the rows.
    """

    def __init__(self, shapes: Shapes, layers: Mapping[str, Layer], phase: Phase, dtype: str) -> None:
        self.layers, self.phase, self.dtype = layers, phase, np.dtype(dtype)
        #: By node, the slots on which the saved values depend.
        self.kept: dict[str, frozenset[int]] = {}
        self._derives: dict[str, bool] = {}
        used = {n for shape in shapes.slots if shape is not None for n in shape.sizes[1:]}
        self.rows = next((n for n in ROWS if n not in used), 1009)
        self.shapes = [
            None if s is None or not s.rank else replace(s, sizes=(self.rows, *s.sizes[1:])) for s in shapes.slots
        ]

    def sizes(self, slot: int) -> ex.Sizes:
        """The shape of a slot as rules see it."""
        shape = self.shapes[slot]
        if shape is None or not shape.known:
            raise Unreadable("the shape of a value is not known")
        return tuple(n or 0 for n in shape.sizes)

    def slot(self, number: int) -> ex.Expression:
        """The value of a slot as something that is known."""
        return ex.slot(number, self.sizes(number))

    def run(self, call: Call, given: Mapping[int, Form]) -> tuple[Form, ...]:
        """The forms of the outputs of a node.

        Parameters
        ----------
        call : Call
        given : mapping of slot to Form
            Those of the inputs that are not simply their own values.

        Raises
        ------
        NotLinear
            With the path of the node.
        RowsMix, Unreadable
            Likewise.
        """
        layer = self.layers[call.layer]
        arguments: list[Symbolic | None] = [
            None
            if i is None or self.shapes[i] is None
            else Symbolic(given[i] if i in given else self.slot(i), self.dtype)
            for i in call.inputs
        ]
        try:
            output, saved = layer.apply(*arguments, **self._keywords(call, layer))
        except NonlinearFunction as error:
            # A layer may compute its function by another one, such as the logistic function by tanh.
            name = type(layer).__name__ if len(call.inputs) == 1 and not layer.params else str(error)
            raise NotLinear(f"{call.path}: it applies {name} to the state") from None
        except (NotLinear, RowsMix, Unreadable) as error:
            raise type(error)(f"{call.path}: {error}") from None
        except Untraceable as error:
            raise Unreadable(f"{call.path}: {error}") from None
        except Exception as error:  # any that a rule may raise when it gets symbols
            kind = NotLinear if any(i in given for i in call.inputs) else Unreadable
            raise kind(f"{call.path}: its rule cannot be followed ({type(error).__name__}: {error})") from None
        # What a backward rule may read counts as read, even if the output does not depend on it.
        self.kept[call.path] = frozenset().union(*(form.reads for form in _expressions(saved)))
        return self._forms(call, output)

    def derives(self, call: Call) -> bool:
        """Whether the backward rule of a node is the derivative of its forward rule."""
        if call.path not in self._derives:
            shapes = [None if i is None else self.shapes[i] for i in call.inputs]
            try:
                self._derives[call.path] = pulls_derivative(self.layers[call.layer], shapes, self.phase)
            except Exception:  # any that a rule may raise for these numbers
                self._derives[call.path] = False
        return self._derives[call.path]

    def _forms(self, call: Call, output: Any) -> tuple[Form, ...]:
        outputs = output if len(call.outputs) > 1 else (output,)
        if not isinstance(outputs, (tuple, list)) or len(outputs) != len(call.outputs):
            raise Unreadable(f"{call.path}: it does not return {len(call.outputs)} outputs")
        found = []
        for value, slot in zip(outputs, call.outputs, strict=True):
            if not isinstance(value, Symbolic) or value.shape != self.sizes(slot):
                raise Unreadable(f"{call.path}: it does not return an array of shape {self.sizes(slot)}")
            found.append(value.form)
        return tuple(found)

    def _keywords(self, call: Call, layer: Layer) -> dict[str, Any]:
        inputs = [None if i is None else self.shapes[i] for i in call.inputs]
        available: dict[str, Any] = {
            name: self._array(parameter.value.shape) for name, parameter in layer.params.items()
        }
        available |= {name: self._array(np.shape(value)) for name, value in layer.buffer_values.items()}
        available |= {name: self._array(np.shape(value)) for name, value in layer.constants().items()}
        available |= dict.fromkeys(layer.draws)
        if layer.draws and self.phase is Phase.train:
            available |= {name: self._drawn(np.shape(a)) for name, a in self._draws(layer, inputs).items()}
        available |= {
            "phase": self.phase,
            "lengths": RowLengths(),
            "shapes": tuple(inputs),
            "operations": NO_OPERATIONS,
        }
        return signatures.keywords(type(layer).apply).pick(available)

    def _draws(self, layer: Layer, inputs: Sequence[Shape | None]) -> dict[str, Any]:
        return layer.draw(np.random.default_rng(0), *inputs)

    def _array(self, shape: Sequence[int]) -> Symbolic:
        return Symbolic(ex.array(tuple(shape)), self.dtype)

    def _drawn(self, shape: Sequence[int]) -> Symbolic:
        shape = tuple(shape)
        return Symbolic(ex.opaque("drawn", (), shape, shape[:1] == (self.rows,)), self.dtype)


def _expressions(saved: Any) -> Iterator[Expression]:
    """The values among what a rule saves."""
    if isinstance(saved, Symbolic):
        if isinstance(saved.form, Expression):
            yield saved.form
    elif isinstance(saved, Mapping):
        for item in saved.values():
            yield from _expressions(item)
    elif isinstance(saved, (tuple, list)):
        for item in saved:
            yield from _expressions(item)
