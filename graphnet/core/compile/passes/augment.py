"""Move small products back into the loop: one product of ``[x, h, 1]`` replaces a sum computed outside.

``(x @ V + b) + h @ W`` costs a product and an addition in the loop, and the same before it. If all of that is small,
``[x, h, 1] @ [V; W; b]`` is one call, and the gradients of ``V``, ``W`` and ``b`` are one sum over rows. Applied if the
multiply-adds that move into each step take less time than one call; not to values with other users, nor to inputs that
are not sequences. Costs those multiply-adds at every step, and a transposed copy of the input.
"""

from __future__ import annotations

from graphnet.core.compile.notes import Note, unchanged
from graphnet.core.compile.trace.ir import FIXED, ROWS, Operation, Trace, rebuild

#: Multiply-adds that take about as long as one call of numpy.
CHEAPER_THAN_A_CALL = 20_000


def augment(trace: Trace, rows: int) -> tuple[Trace, Note]:
    """Return the trace with small sums of products as one operation ``dots``."""
    candidates = _candidates(trace) if trace.has("state") else {}
    if not candidates:
        return trace, unchanged("the loop has no sum of a product with the state and one with a sequence")
    if sum(rows * (size + 1) * trace[v].width for v, (_, size) in candidates.items()) > CHEAPER_THAN_A_CALL:
        return trace, unchanged("the products with sequences are too large to move into the loop")

    def build(new: Trace, operation: Operation, args: tuple[int, ...], number: int) -> int:
        if number in candidates:
            position, _ = candidates[number]
            product, rest = new[args[position]], args[1 - position]
            pairs = _ones_last(new, (*_pairs(new, rest, operation.width), *product.args))
            return new.add(Operation("dots", pairs, None, ROWS, operation.shape))
        if operation.name == "rowsum":
            one = new.leaf("ones", 0, ROWS, (1,))
            return new.fixed("reshape", (new.outer(one, args[0]),), operation.shape, operation.shape)
        return rebuild(new, operation, args)

    count = len(candidates)
    return trace.rewrite(build), lambda: f"{count} sums with the input and the bias became one product in the loop"


def _candidates(trace: Trace) -> dict[int, tuple[int, int]]:
    """Sums of a product in the forward loop and terms known before it: the position of the product, and the width of
    the rows that the other terms read.
    """
    use_counts = trace.use_counts()
    on_state, on_error = trace.depends_on(["state"]), trace.depends_on(["carried_error", "emitted_error"])
    feeds_state = trace.ancestors(trace.roles.next_states)
    candidates: dict[int, tuple[int, int]] = {}
    for number, operation in enumerate(trace.values):
        if operation.name != "add" or operation.kind != ROWS or on_error[number] or number not in feeds_state:
            continue
        for i, arg in enumerate(operation.args):
            other = operation.args[1 - i]
            product = trace[arg].name in ("dot", "dots") and on_state[arg] and use_counts[arg] == 1
            size = _input_width(trace, other, use_counts, operation.width)
            if product and not on_state[other] and size is not None and arg != other:
                candidates[number] = (i, size)
    return candidates


def _input_width(trace: Trace, value: int, use_counts: list[int], width: int) -> int | None:
    """The width of the rows that a sum of products of sequences and weights reads; None for anything else."""
    total, terms = 0, [value]
    while terms:
        value = terms.pop()
        operation = trace[value]
        if operation.kind == FIXED:
            if operation.shape != (width,):
                return None
            total += 1
        elif use_counts[value] != 1:
            return None
        elif operation.name == "add":
            terms += operation.args
        elif operation.name == "dot" and trace[operation.args[0]].name == "sequence":
            total += trace[operation.args[0]].width
        else:
            return None
    return total


def _pairs(new: Trace, value: int, width: int) -> tuple[int, ...]:
    """Alternating rows and weights of a sum; a vector of weights is multiplied by rows of ones."""
    pairs: list[int] = []
    terms = [value]
    while terms:
        value = terms.pop()
        operation = new[value]
        if operation.kind == FIXED:
            pairs += new.leaf("ones", 0, ROWS, (1,)), new.fixed("reshape", (value,), (1, width), (1, width))
        elif operation.name == "dot":
            pairs += operation.args
        else:
            terms += reversed(operation.args)
    return tuple(pairs)


def _ones_last(new: Trace, pairs: tuple[int, ...]) -> tuple[int, ...]:
    """The pairs with rows of ones last, so that biases follow the weights, in the gradient too."""
    ordered = sorted(zip(pairs[::2], pairs[1::2], strict=True), key=lambda pair: new[pair[0]].name == "ones")
    return tuple(v for pair in ordered for v in pair)
