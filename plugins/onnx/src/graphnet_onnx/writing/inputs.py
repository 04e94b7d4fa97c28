"""The inputs of a graph as inputs of a file, with their free axes, row lengths and states."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from graphnet.core.compile import Shapes, infer
from graphnet.core.compile.infer import ragged
from graphnet.core.compile.plan import Call, Loop, Plan
from graphnet.core.describe.axes import BATCH
from graphnet.core.describe.graph import Graph
from graphnet.core.describe.layer import Layer
from graphnet.core.describe.shapes import Shape
from graphnet.core.errors import ShapeError
from graphnet_onnx.writing.sizes import numbers_for


@dataclass(frozen=True)
class Inferred:
    """The shapes of a plan at two choices of its free sizes.

    Attributes
    ----------
    shapes : (Shapes, Shapes)
    names : dict of int to str
        The name of each free axis, by its number in the first choice.
    """

    shapes: tuple[Shapes, Shapes]
    names: dict[int, str] = field(default_factory=dict)


def inferred(graph: Graph, plan: Plan, layers: dict[str, Layer], absent: Sequence[str], distinct: bool) -> Inferred:
    """Infer the shapes of a plan with numbers for the free axes, one number for each name.

    Parameters
    ----------
    absent : sequence of str
        Optional inputs that the file does not have.
    distinct : bool
        Whether free axes of one name, except the batch, may differ in size between inputs; the second input's is then
        ``input_axis``.

    Raises
    ------
    ShapeError
        If an input has no declared axes, or the shapes do not fit.
    """
    declared = [None if name in absent else _declared(graph, name) for name in plan.inputs]
    known = _known_sizes(layers, [s for s in declared if s])
    names = _names(plan, declared, distinct)
    free = {
        name: None
        for shape, own in zip(declared, names, strict=True)
        for name, size in zip(own, shape.sizes if shape else (), strict=True)
        if size is None
    }
    choices = [numbers_for(free, known, variant) for variant in (0, 1)]
    both = [
        infer(plan, layers, [s and _numbered(s, own, numbers) for s, own in zip(declared, names, strict=True)])
        for numbers in choices
    ]
    return Inferred((both[0], both[1]), {number: name for name, number in choices[0].items()})


def _names(plan: Plan, declared: Sequence[Shape | None], distinct: bool) -> list[tuple[str, ...]]:
    """The names of the axes of each input in the file."""
    names: list[tuple[str, ...]] = []
    for name, shape in zip(plan.inputs, declared, strict=True):
        taken = {axis for own in names for axis in own if axis != BATCH}
        own = () if shape is None else shape.names
        names.append(tuple([f"{name}_{axis}" if distinct and axis in taken else axis for axis in own]))
    return names


def _declared(graph: Graph, name: str) -> Shape:
    shape = graph.inputs[name].shape
    if shape is None:
        raise ShapeError(
            "the axes of an input are not known",
            where=f"graph {graph.name!r}, input {name!r}",
            expected="declared axes, such as 'batch, feature=4'",
            remedy="Declare them, pass shapes='batch, feature=4' to export, or run the model once.",
        )
    return shape


def _numbered(shape: Shape, names: Sequence[str], numbers: dict[str, int]) -> Shape:
    sizes = [numbers[name] if size is None else size for name, size in zip(names, shape.sizes, strict=True)]
    return Shape(shape.names, tuple(sizes), shape.declared)


def _known_sizes(layers: dict[str, Layer], declared: list[Shape]) -> set[int]:
    """Every size that a file has for certain: of inputs, and of arrays of layers."""
    known = {size for shape in declared for size in shape.sizes if size is not None}
    for layer in layers.values():
        arrays = [*[p.value for p in layer.params.values()], *layer.buffer_values.values(), *layer.constants().values()]
        known.update(size for array in arrays for size in array.shape)
        known.update(value for value in layer.config().values() if type(value) is int)
    return known


def states_of(plan: Plan) -> list[tuple[Loop, int, str]]:
    """The states of the Scans of a graph: the Scan, the number of the state, and its name in a file."""
    found = []
    for step in plan.steps:
        if isinstance(step, Loop):
            place = step.path.removesuffix("scan").removesuffix("/")
            found += [(step, i, f"{place}/{name}" if place else name) for i, name in enumerate(step.states)]
    return found


def only_initial(plan: Plan, slot: int) -> bool:
    """Whether an input is read as the initial state of Scans only, so that zeros stand for one that is left out."""
    as_state = False
    for step in plan.steps:
        if isinstance(step, Call):
            read = slot in step.inputs
        else:
            read = slot in (*step.sequences, *step.contexts)
            as_state |= slot in step.initial
        if read:
            return False
    return as_state and slot not in [output for _, output in plan.outputs]


def ragged_inputs(plan: Plan, shapes: Shapes) -> list[int]:
    """The inputs whose rows may differ in length, and for which that matters: a Scan or a layer asks for it."""
    found = []
    for slot in range(len(plan.inputs)):
        shape = shapes.slots[slot]
        if shape is not None and ragged(shape):
            found.append(slot)
    return found
