"""Batch equal calls: one call on neighbouring units replaces several.

The ``tanh`` of four gates becomes one call on four times as many units; three of them become sigmoids in one call if
they are neighbours. Values belong to one *group* if they are computed by the same operation, in the same phase, from
values of the same groups. Not applied to calls that share an operand, which numpy would have to broadcast at a higher
cost than that of the calls. Costs a search for the order of units (see ``layout``).
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Sequence

from graphnet.core.compile.notes import Note
from graphnet.core.compile.program import BACK_LOOP, BACKWARD, FORWARD, LOOP, STATIC
from graphnet.core.compile.trace.ir import CONSTANT, FIXED, LEAVES, ROWS, VIEWS, Trace

#: Up to this number of pairs that block each other, they are separated one by one, so that most remain.
MANY_BLOCKED = 8
#: Phases whose values are computed by instructions.
EXECUTED = (STATIC, *FORWARD, *BACKWARD)


def batch_calls(
    trace: Trace, phase_of: Sequence[str], enabled: bool = True, wide: bool = True, pairs: bool = False
) -> tuple[dict[str, list[list[int]]], Note]:
    """Return the values of each phase in groups, in execution order.

    With ``pairs``, also two equal calls of a loop on unrelated values, such as ``f · c`` and ``i · g``, which become
    one call if the layout makes ``f i`` and ``c g`` neighbours. ``wide`` groups products of one value.
    """
    labels = _labels(trace, phase_of)
    alike: dict[tuple[str, int], list[int]] = defaultdict(list)
    for number, operation in enumerate(trace.values):
        if operation.kind == ROWS and phase_of[number] in EXECUTED and operation.name not in VIEWS:
            together = wide if operation.name in ("dot", "dots") else enabled
            alike[phase_of[number], labels[number] if together else -1 - number].append(number)
    groups: dict[str, list[list[int]]] = {phase: [] for phase in EXECUTED}
    for (phase, _), members in alike.items():
        joined = trace[members[0]].name in ("dot", "dots") or _share_no_operand(trace, members)
        groups[phase] += [members] if joined else [[m] for m in members]
    if pairs:
        for phase in (LOOP, BACK_LOOP):
            groups[phase] = _unblocked(trace, groups[phase], _paired(trace, phase_of, groups[phase]))
    groups = {phase: _scheduled(trace, members) for phase, members in groups.items()}
    return groups, lambda: _note(groups, enabled)


def _note(groups: dict[str, list[list[int]]], enabled: bool) -> str:
    operations = sum(len(group) for members in groups.values() for group in members)
    before, after = (sum(count(groups[phase]) for phase in (LOOP, BACK_LOOP)) for count in (_operations, len))
    if operations == sum(map(len, groups.values())) and enabled:
        return "no change: no two calls can be one"
    change = f"{operations} operations -> {sum(map(len, groups.values()))} groups; in the loops {before} -> {after}"
    return change if enabled else f"left out; {change}"


def _operations(groups: list[list[int]]) -> int:
    return sum(map(len, groups))


def _unblocked(trace: Trace, single: list[list[int]], paired: list[list[int]]) -> list[list[int]]:
    """The pairs without those that block each other: no member needs its partner, but two pairs may need each other."""
    unpaired = {tuple(group) for group in single}
    while True:
        scheduled = {value for group in _scheduled(trace, paired) for value in group}
        blocked = [i for i, group in enumerate(paired) if group[0] not in scheduled and tuple(group) not in unpaired]
        if not blocked:
            return paired
        separated = set(blocked if len(blocked) > MANY_BLOCKED else blocked[-1:])
        parts = ([[v] for v in group] if i in separated else [group] for i, group in enumerate(paired))
        paired = [part for group in parts for part in group]


def _paired(trace: Trace, phase_of: Sequence[str], groups: list[list[int]]) -> list[list[int]]:
    """The groups of a loop with single calls of one kind in pairs, where neither depends on the other."""
    result: list[list[int]] = []
    unpaired: dict[tuple[str, int], int] = {}
    for group in _scheduled(trace, groups):
        operation = trace[group[0]]
        binary = len(group) == 1 and operation.elementwise and len(operation.args) == 2 and operation.name != "copy"
        if not binary or any(
            trace[a].kind != ROWS or trace[a].width != operation.width or trace[a].name == "expand"
            for a in operation.args
        ):
            result.append(group)
            continue
        key = (operation.name, operation.width)
        partner = unpaired.get(key)
        if partner is not None:
            other = result[partner][0]
            shared = set(trace[other].args) & set(operation.args)
            if not shared and not _depends_on(trace, phase_of, group[0], other):
                result[partner] = [other, *group]
                del unpaired[key]
                continue
        unpaired[key] = len(result)
        result.append(group)
    return result


def _depends_on(trace: Trace, phase_of: Sequence[str], value: int, other: int) -> bool:
    """Whether a value of a loop depends on another value of the same loop, within one step."""
    stack, seen = [value], {value}
    while stack:
        for arg in trace[stack.pop()].args:
            if arg == other:
                return True
            if arg > other and arg not in seen and phase_of[arg] == phase_of[other]:
                seen.add(arg)
                stack.append(arg)
    return False


def _labels(trace: Trace, phase_of: Sequence[str]) -> list[int]:
    """A number for each value, shared by the values of one group."""
    numbers: dict[object, int] = {}
    labels: list[int] = []
    widths = [operation.width for operation in trace.values]
    for number, operation in enumerate(trace.values):
        key: object
        if operation.kind == CONSTANT:
            key = ("constant", operation.attr)
        elif operation.kind == FIXED:
            key = ("fixed", widths[number] == 1)
        elif operation.name == "dot":
            key = ("dot", operation.args[0], phase_of[number])
        elif operation.name == "dots":
            key = ("dots", operation.args[::2], phase_of[number])
        elif (
            operation.kind != ROWS
            or operation.name in LEAVES
            or not operation.elementwise
            or (operation.name == "copy" and operation.attr is not None)
            or any(trace.values[a].name == "expand" for a in operation.args)
        ):
            key = ("ungrouped", number)
        else:
            # A broadcast operand cannot be one of several side by side: each of its units belongs to many results.
            width = widths[number]
            broadcast = tuple([None if widths[a] == width else a for a in operation.args])
            key = (operation.name, phase_of[number], broadcast, tuple([labels[a] for a in operation.args]))
        labels.append(numbers.setdefault(key, len(numbers)))
    return labels


def _share_no_operand(trace: Trace, members: list[int]) -> bool:
    """Whether no two members share an operand of rows."""
    if len(members) == 1:
        return True
    for operands in zip(*(trace[m].args for m in members), strict=True):
        rows = [a for a in operands if trace[a].kind == ROWS]
        if len(set(rows)) < len(rows):
            return False
    return True


def _scheduled(trace: Trace, groups: list[list[int]]) -> list[list[int]]:
    """The groups in topological order, ties by their first value; without those that block each other."""
    group_of = {value: i for i, group in enumerate(groups) for value in group}
    needs = [set[int]() for _ in groups]
    users: list[list[int]] = [[] for _ in groups]
    values = trace.values
    for i, group in enumerate(groups):
        for value in group:
            for arg in values[value].args:
                while values[arg].name in VIEWS:
                    arg = values[arg].args[0]
                operand = group_of.get(arg)
                if operand is not None and operand != i and operand not in needs[i]:
                    needs[i].add(operand)
                    users[operand].append(i)
    ready = [(min(group), i) for i, group in enumerate(groups) if not needs[i]]
    heapq.heapify(ready)
    order: list[list[int]] = []
    while ready:
        _, i = heapq.heappop(ready)
        order.append(groups[i])
        for j in users[i]:
            needs[j].discard(i)
            if not needs[j]:
                heapq.heappush(ready, (min(groups[j]), j))
    return order
