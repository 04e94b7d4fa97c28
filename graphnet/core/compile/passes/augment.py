"""Small products go back into the loop: one product of ``[x, h, 1]`` instead of a sum made outside.

``(x @ V + b) + h @ W`` costs a product in the loop, an addition there, and a product and an addition before it. Where
all of that is small, ``[x, h, 1] @ [V; W; b]`` is one call and nothing else, and the gradients of ``V``, ``W`` and
``b`` are one sum over rows. Applied where the multiply-adds that it moves into each step take less time than one call;
never to values that somebody else uses, nor to inputs that are not sequences. Costs those multiply-adds in every step,
and a copy of the input, units first.
"""

from __future__ import annotations

from graphnet.core.compile.trace.ir import FIXED, ROWS, Operation, Trace, same

#: Multiply-adds that take about as long as a call of numpy.
CHEAPER_THAN_A_CALL = 20_000


def augment(trace: Trace, rows: int) -> Trace:
    """The trace with small sums of products as one operation ``dots``."""
    found = _candidates(trace) if trace.has("state") else {}
    if sum(rows * (size + 1) * trace[v].width for v, (_, size) in found.items()) > CHEAPER_THAN_A_CALL or not found:
        return trace

    def build(new: Trace, operation: Operation, args: tuple[int, ...], number: int) -> int:
        if number in found:
            product = new[args[found[number][0]]]
            rest = args[1 - found[number][0]]
            pairs = _ordered(new, (*_pairs(new, rest, operation.width), *product.args))
            return new.add(Operation("dots", pairs, None, ROWS, operation.shape))
        if operation.name == "rowsum":
            one = new.leaf("ones", 0, ROWS, (1,))
            return new.fixed("reshape", (new.outer(one, args[0]),), operation.shape, operation.shape)
        return same(new, operation, args)

    return trace.rewritten(build)


def _candidates(trace: Trace) -> dict[int, tuple[int, int]]:
    """Sums of a product in the forward loop and what is made before it: which operand the product is, and its size."""
    uses = [0] * len(trace)
    alive = trace.ancestors(trace.roles.all())
    for number in alive:
        for arg in trace[number].args:
            uses[arg] += 1
    for value in trace.roles.all():
        uses[value] += 1
    state, carried = trace.depends(["state"]), trace.depends(["carried_error", "emitted_error"])
    feeding = trace.ancestors(trace.roles.next)
    found: dict[int, tuple[int, int]] = {}
    for number, operation in enumerate(trace.values):
        if operation.name != "add" or operation.kind != ROWS or carried[number] or number not in feeding:
            continue
        for i, arg in enumerate(operation.args):
            other = operation.args[1 - i]
            product = trace[arg].name in ("dot", "dots") and state[arg] and uses[arg] == 1
            size = _size(trace, other, uses, operation.width)
            if product and not state[other] and size is not None and arg != other:
                found[number] = (i, size)
    return found


def _size(trace: Trace, value: int, uses: list[int], width: int) -> int | None:
    """How wide the rows are that a sum of products of sequences and weights reads; None for anything else."""
    operation = trace[value]
    if operation.kind == FIXED:
        return 1 if operation.shape == (width,) else None
    if uses[value] != 1:
        return None
    if operation.name == "dot":
        return trace[operation.args[0]].width if trace[operation.args[0]].name == "sequence" else None
    if operation.name == "add":
        sizes = [_size(trace, a, uses, width) for a in operation.args]
        return None if None in sizes else sum(s or 0 for s in sizes)
    return None


def _pairs(new: Trace, value: int, width: int) -> tuple[int, ...]:
    """The rows and weights of a sum in turn; a vector of weights belongs to rows of ones."""
    operation = new[value]
    if operation.kind == FIXED:
        return new.leaf("ones", 0, ROWS, (1,)), new.fixed("reshape", (value,), (1, width), (1, width))
    if operation.name == "dot":
        return operation.args
    return (*_pairs(new, operation.args[0], width), *_pairs(new, operation.args[1], width))


def _ordered(new: Trace, pairs: tuple[int, ...]) -> tuple[int, ...]:
    """The pairs with the rows of ones last, where biases usually stand: neighbours in the gradient, too."""
    split = list(zip(pairs[::2], pairs[1::2], strict=True))
    split.sort(key=lambda pair: new[pair[0]].name == "ones")
    return tuple(v for pair in split for v in pair)
