"""Finds the linear recurrences of a cell: which states are, of which class, and what breaks the linearity of others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from graphnet.core.compile.plan import Call, Loop, Shapes
from graphnet.core.compile.recurrences import forms
from graphnet.core.compile.recurrences.classes import Found, classified, matrix_class, sum_of_products
from graphnet.core.compile.recurrences.components import Cell, Component
from graphnet.core.compile.recurrences.expressions import Expression, RowsMix, Sizes
from graphnet.core.compile.recurrences.forms import Form, Linear, NotLinear
from graphnet.core.compile.recurrences.narrowing import narrow
from graphnet.core.compile.recurrences.rules import CellRules
from graphnet.core.compile.recurrences.split import Verdict
from graphnet.core.compile.recurrences.symbols import Unreadable
from graphnet.core.describe.layer import Layer
from graphnet.core.phase import Phase

#: A rule that symbols cannot be run through.
REFUSED = (NotLinear, RowsMix, Unreadable)


@dataclass
class MatrixState:
    """A matrix state that is read by products with vectors only.

    Attributes
    ----------
    state : int
    reads : dict of int to Linear
        The values that are computed from products, by slot; its states are 0 before the step and 1 after it.
    """

    state: int
    reads: dict[int, Linear]


@dataclass
class Analysis:
    """What was found in a cell.

    Attributes
    ----------
    cell : Cell
    rules : CellRules
    found : list of Found
        The linear recurrences.
    rest : list of Component
        What is not linear.
    matrices : list of MatrixState
    verdicts : list of Verdict
        One for each component, in the order of the components.
    """

    cell: Cell
    rules: CellRules
    found: list[Found] = field(default_factory=list)
    rest: list[Component] = field(default_factory=list)
    matrices: list[MatrixState] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)


class Computed:
    """How values that do not depend on the states are computed."""

    def __init__(self, cell: Cell, rules: CellRules) -> None:
        self.cell, self.rules = cell, rules
        self._known: dict[int, Expression | None] = {}

    def value(self, slot: int) -> Expression | None:
        """The value of a slot in terms of the inputs of its node; None where that is not known."""
        if slot not in self._known:
            number, self._known[slot] = self.cell.producer.get(slot), None
            if number is not None:
                call = self.cell.calls[number]
                try:
                    form = self.rules.run(call, {})[call.outputs.index(slot)]
                except REFUSED:
                    form = None
                self._known[slot] = form if isinstance(form, Expression) else None
        return self._known[slot]

    def expand(self, slot: int) -> Expression | None:
        """The same, if it can be computed in another way."""
        value = self.value(slot)
        if value is None or not value.known or not self.rules.derives(self.cell.calls[self.cell.producer[slot]]):
            return None
        return value

    def fixed(self, slot: int) -> bool:
        """Whether a value depends on weights alone."""
        value = self.value(slot)
        return value is not None and all(self.fixed(i) for i in value.reads)

    def products(self, call: Call, chain: Mapping[int, Form], size: Sizes) -> dict[int, Form]:
        """The inputs of a node that are matrices of the size of the state and sums of products of vectors, as such."""
        found: dict[int, Form] = {}
        for slot in call.inputs:
            if slot is None or slot in chain or self.rules.shapes[slot] is None or self.rules.sizes(slot) != size:
                continue
            parts = sum_of_products(self.rules.slot(slot), self.expand, 8)
            if any(len(m.factors) > 1 for m in parts):
                found[slot] = Linear(self.rules.sizes(slot), (), tuple(parts))
        return found


def analyse(loop: Loop, shapes: Shapes, layers: Mapping[str, Layer], phase: Phase, dtype: str) -> Analysis:
    """Find the linear recurrences of a Scan whose cell has these shapes."""
    cell = Cell(loop)
    analysis = Analysis(cell, CellRules(shapes, layers, phase, dtype))
    for component in cell.components():
        names = tuple(loop.states[s] for s in component.states)
        try:
            found = _component(analysis, component)
        except REFUSED as reason:
            analysis.rest.append(component)
            analysis.verdicts.append(Verdict(names, None, str(reason).removeprefix(f"{loop.path}/")))
        else:
            analysis.found.append(found)
            analysis.verdicts.append(Verdict(names, found.kind))
    return analysis


def _component(analysis: Analysis, component: Component) -> Found:
    """The class of one component.

    Raises
    ------
    NotLinear, RowsMix, Unreadable
    """
    cell, rules = analysis.cell, analysis.rules
    given: dict[int, Form] = {}
    sizes = {s: rules.sizes(cell.entering[s]) for s in component.states}
    for s in component.states:
        given[cell.entering[s]] = forms.state(s, sizes[s])
    for number in component.steps:
        call = cell.calls[number]
        if rules.layers[call.layer].draws and rules.phase is Phase.train:
            raise NotLinear(f"{call.path}: it draws random numbers")
        outputs = zip(call.outputs, rules.run(call, given), strict=True)
        if not rules.derives(call):
            raise NotLinear(f"{call.path}: its backward rule is not the derivative of its forward rule")
        # What reads nothing of a state but the number of its rows is a value like any other.
        given.update((slot, form) for slot, form in outputs if not isinstance(form, Expression))
    following = {s: given.get(cell.leaving[s]) or rules.slot(cell.leaving[s]) for s in component.states}
    if any(form.shape != sizes[s] for s, form in following.items()):
        raise NotLinear("the next state has another shape than the state")
    if len(component.states) == 1 and len(sizes[component.states[0]]) > 2:
        try:
            return _matrix(analysis, component.states[0], following[component.states[0]])
        except REFUSED as reason:
            if any(t.summed for t in getattr(following[component.states[0]], "terms", ())):
                raise NotLinear(str(reason)) from None
    return classified(component.states, following, sizes)


def _matrix(analysis: Analysis, state: int, following: Form) -> Found:
    """The class of a matrix state that is read by products with vectors only.

    Raises
    ------
    NotLinear, RowsMix, Unreadable
    """
    cell, rules = analysis.cell, analysis.rules
    entering, leaving = cell.entering[state], cell.leaving[state]
    size = rules.sizes(entering)
    chain: dict[int, Form] = {entering: forms.state(0, size)}
    if leaving != entering:
        chain[leaving] = forms.state(1, size)
    if leaving in cell.emitted or leaving in [cell.leaving[s] for s in range(len(cell.leaving)) if s != state]:
        raise NotLinear("the state itself is read, not only its products with vectors")
    computed = Computed(cell, rules)
    demanded = _follow(cell, computed, chain, leaving)
    reads: dict[int, Linear] = {}
    for slot in demanded:
        form = chain[slot]
        assert isinstance(form, Linear)
        if any(not t.summed for t in form.terms):
            raise NotLinear("the state itself is read, not only its products with vectors")
        reads[slot] = form

    found = matrix_class(state, following, size, list(reads.values()), computed.expand, computed.fixed)
    analysis.matrices.append(MatrixState(state, reads))
    reads.update({slot: narrow(form, computed.expand) for slot, form in reads.items()})
    return found


def _follow(cell: Cell, computed: Computed, chain: dict[int, Form], leaving: int) -> list[int]:
    """Follow a state through what reads it, as long as that is linear; the slots that others read."""
    demanded: list[int] = []
    for call in cell.calls:
        mine = [i for i in call.inputs if i is not None and i in chain]
        if not mine or leaving in call.outputs:
            continue
        if any(_contracted(chain[i]) for i in mine) and not _matrices(chain, mine):
            demanded += mine  # vectors: what is computed from them needs no state
            continue
        outputs = _linear(computed, call, chain, chain[leaving].shape)
        if outputs is not None and all(isinstance(form, Expression) for form in outputs):
            continue  # it reads the number of the rows
        if outputs is None:
            demanded += mine
        else:
            chain.update(zip(call.outputs, outputs, strict=True))
    read = {*cell.emitted, *cell.leaving} - {leaving}
    demanded += [slot for slot in chain if slot in read]
    return list(dict.fromkeys(demanded))


def _contracted(form: Form) -> bool:
    return isinstance(form, Linear) and all(t.summed for t in form.terms)


def _matrices(chain: Mapping[int, Form], slots: list[int]) -> bool:
    return any(not _contracted(chain[i]) for i in slots)


def _linear(computed: Computed, call: Call, chain: Mapping[int, Form], size: Sizes) -> tuple[Form, ...] | None:
    """The forms of the outputs of a node that is linear in what is followed; None for another node."""
    try:
        outputs = computed.rules.run(call, {**computed.products(call, chain, size), **chain})
    except REFUSED:
        return None
    if not computed.rules.derives(call):
        return None
    if all(isinstance(form, Expression) for form in outputs):
        return outputs
    for form in outputs:
        if not isinstance(form, Linear):
            return None
        factors = [f for t in form.terms for f in (*t.inner, *t.outer)] + [f for m in form.offset for f in m.factors]
        if any(not f.known for f in factors):
            return None
    return outputs
