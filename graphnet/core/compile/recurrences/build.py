"""Takes a cell apart at the linear recurrences that were found in it."""

from __future__ import annotations

from collections.abc import Mapping

from graphnet.core.compile.plan import Call, Loop, Shapes
from graphnet.core.compile.recurrences import expressions as ex
from graphnet.core.compile.recurrences import forms
from graphnet.core.compile.recurrences.analysis import REFUSED, Analysis, MatrixState, analyse
from graphnet.core.compile.recurrences.classes import Axes, Found
from graphnet.core.compile.recurrences.components import Component
from graphnet.core.compile.recurrences.derived import derived
from graphnet.core.compile.recurrences.expressions import Expression, Sizes
from graphnet.core.compile.recurrences.forms import Monomial, Term
from graphnet.core.compile.recurrences.order import NotSplit, ordered
from graphnet.core.compile.recurrences.split import Operand, Piece, Recurrence, Rest, SplitCell, Verdict
from graphnet.core.describe.axes import BATCH
from graphnet.core.describe.layer import Layer
from graphnet.core.describe.shapes import Shape
from graphnet.core.phase import Phase


def split_cell(
    loop: Loop, shapes: Shapes, layers: Mapping[str, Layer], phase: Phase, dtype: str
) -> tuple[SplitCell | None, list[Verdict], str]:
    """Take a cell apart.

    Parameters
    ----------
    loop : Loop
    shapes : Shapes
        Of its cell.
    layers : mapping of path to Layer
    phase : Phase
    dtype : str

    Returns
    -------
    SplitCell or None
        None where it runs in one loop.
    verdicts : list of Verdict
    reason : str
        Why it runs in one loop although something in it is linear.
    """
    if any(isinstance(step, Loop) for step in loop.cell.steps):
        return None, [], "it has a Scan inside"
    analysis = analyse(loop, shapes, layers, phase, dtype)
    if not analysis.found:
        return None, analysis.verdicts, ""
    try:
        return _Building(analysis).run(), analysis.verdicts, ""
    except (NotSplit, *REFUSED) as reason:
        return None, analysis.verdicts, str(reason).removeprefix(f"{loop.path}/")


#: Operands that have the axes of the key and of the value.
DECAYS = ("decay", "logs", "scale")


class _Building:
    """Builds one SplitCell."""

    def __init__(self, analysis: Analysis) -> None:
        self.analysis, self.cell, self.rules = analysis, analysis.cell, analysis.rules
        self.shapes = list(self.rules.shapes)
        self.layers: dict[str, Layer] = {}
        #: The pieces that may be needed, by the slots that they write.
        self.producer: dict[int, Piece] = {}
        self.recurrences: list[Recurrence] = []
        self.rests: list[Rest] = []

    def run(self) -> SplitCell:
        """Build it.

        Raises
        ------
        NotSplit
        """
        for slot, shape in enumerate(self.shapes):
            if shape is not None and (BATCH in shape.names[1:] or not shape.known):
                raise NotSplit(f"{self.cell.plan.slot_paths[slot]} is {shape}")
        for call in self.cell.calls:
            self._writes(call)
        for component in self.analysis.rest:
            self.rests.append(self._rest(component))
        for found in self.analysis.found:
            self._recurrence(found)
        return ordered(self)

    def _writes(self, piece: Piece) -> None:
        self.producer.update(dict.fromkeys(piece.outputs, piece))

    # ------------------------------------------------------------------ slots
    def slot(self, sizes: Sizes) -> int:
        """A further slot."""
        self.shapes.append(Shape.of(sizes, (BATCH, *(f"axis{i}" for i in range(1, len(sizes))))))
        return len(self.shapes) - 1

    def sizes(self, slot: int) -> Sizes:
        """The shape of a slot."""
        shape = self.shapes[slot]
        assert shape is not None
        return tuple(n or 0 for n in shape.sizes)

    def operand(self, e: Expression, path: str) -> Operand:
        """The slot of an expression, or the number that it is."""
        if e.op == "number":
            return float(e.attr)
        return int(e.attr) if e.op == "slot" else self.computed(e, path, self.slot(e.shape))

    def computed(self, e: Expression, path: str, slot: int) -> int:
        """Let a further layer compute an expression, and write its slot."""
        layer, slots = derived(e)
        if not slots:
            raise NotSplit(f"{path} depends on no input of the cell and on no weights")
        self.layers[path] = layer
        self._writes(Call(path, path, slots, (slot,)))
        return slot

    # ------------------------------------------------------------------ recurrences
    def _recurrence(self, found: Found) -> None:
        """Add a recurrence, and what computes its operands."""
        path = f"{self.cell.loop.path}/{found.kind} {'_'.join(self.cell.loop.states[s] for s in found.states)}"
        entering = tuple(self.cell.entering[s] for s in found.states)
        leaving = tuple(self.cell.leaving[s] for s in found.states)
        operands: dict[str, Operand] = {}
        for name, e in found.operands.items():
            laid = e if found.axes is None else _laid(e, name, found.axes, len(self.sizes(entering[0])))
            operands[name] = self.operand(laid, f"{path} {name}")
        none = (None,) * len(entering)
        if found.axes is not None:
            matrix = next(m for m in self.analysis.matrices if m.state == found.states[0])
            reads = self._reads(matrix, found.axes, path)
            piece = Recurrence(found.kind, found.states, operands, none, none, reads, found.axes, entering)
        else:
            given = {*self.cell.entering, *(o for o in operands.values() if isinstance(o, int))}
            after = tuple(None if slot in given else slot for slot in leaving)
            piece = Recurrence(found.kind, found.states, operands, entering, after, entering=entering)
        self._writes(piece)
        self.recurrences.append(piece)

    def _reads(self, matrix: MatrixState, axes: Axes, path: str) -> tuple[tuple[int, bool, int], ...]:
        """Add the read-outs, and what computes values from them."""
        reads: dict[tuple[Expression, bool], int] = {}
        size = self.sizes(self.cell.entering[matrix.state])
        for slot, form in matrix.reads.items():
            parts = list(form.offset)
            for term in form.terms:
                if not term.inner or any(f.op != "number" and f.shape[axes.value] != 1 for f in term.inner):
                    raise NotSplit("a state is read by something else than a vector")
                key = _laid(ex.product(term.inner), "query", axes, len(size)), term.state == 0
                if key not in reads:
                    reads[key] = self.slot(tuple(size[i] for i in (0, *axes.heads, axes.value)))
                value = ex.slot(reads[key], self.sizes(reads[key]))
                parts.append(Monomial(term.scale, (_placed(value, term, axes), *term.outer)))
            e = forms.sum_of(parts)
            self.computed(ex.ufunc("add", e, ex.number(0.0)) if e.op == "slot" else e, f"{path} read {slot}", slot)
        found = []
        for (query, before), slot in reads.items():
            operand = self.operand(query, f"{path} query {slot}")
            assert isinstance(operand, int)
            found.append((operand, before, slot))
        return tuple(found)

    # ------------------------------------------------------------------ what is not linear
    def _rest(self, component: Component) -> Rest:
        """A Scan of the states that are not linear."""
        cell = self.cell
        calls = tuple(cell.calls[n] for n in component.steps)
        written = [slot for call in calls for slot in call.outputs]
        entering = tuple(cell.entering[s] for s in component.states)
        leaving = tuple(cell.leaving[s] for s in component.states)
        reads = [i for call in calls for i in call.inputs if i is not None and self.shapes[i] is not None]
        outside = [i for i in dict.fromkeys((*reads, *leaving)) if i not in written and i not in entering]
        rest = Rest(component.states, calls, entering, leaving, tuple(outside), (*entering, *written))
        self._writes(rest)
        return rest


def _laid(e: Expression, name: str, axes: Axes, rank: int) -> Expression:
    """An operand of a matrix state as the operation takes it: heads, key, value, or without the value or the key."""
    e = forms.aligned(e, rank) if e.op != "number" else e
    if e.op == "number":
        if name in DECAYS:
            return e
        raise NotSplit("a vector of the state is the same number everywhere")
    gone = None if name in DECAYS else (axes.key if name in ("values", "w") else axes.value)
    shape = tuple(e.shape[i] for i in axes.order if i != gone)
    return ex.view(e, axes.order, shape)


def _placed(read: Expression, term: Term, axes: Axes) -> Expression:
    """A read-out with the axes of the value that is made of it."""
    places = {axis: i for i, axis in enumerate((0, *axes.heads, axes.value))}
    present = [axis for axis in term.layout if axis in places]
    order = tuple(places[axis] for axis in present)
    rest = tuple(i for i in range(read.ndim) if i not in order)
    shape = tuple(read.shape[places[axis]] if axis in places else 1 for axis in term.layout)
    return ex.view(read, (*order, *rest), shape)
