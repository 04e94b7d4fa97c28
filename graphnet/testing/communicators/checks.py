"""The checks of communicators."""

from __future__ import annotations

import pickle
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np

from graphnet.core.describe.parameter import Array
from graphnet.core.errors import ConfigError, GraphnetError, WorkerError
from graphnet.testing.communicators import program
from graphnet.testing.communicators.groups import PATIENCE, Groups, command, expect, members, settled
from graphnet.training.distributed import Message

#: Seconds of the time-out in the check of a rank that does not contribute, and for how long it does not.
SHORT, HANGING = 1.5, 5.0
#: The numbers of one sum of 8 MB.
LARGE = 1 << 20


@dataclass(frozen=True)
class CommunicatorCheck:
    """One check.

    Attributes
    ----------
    name : str
    run : callable
        Takes the groups; raises Fault.
    """

    name: str
    run: Callable[[Groups], None]

    @property
    def description(self) -> str:
        """What it verifies, in one sentence."""
        return " ".join((self.run.__doc__ or "").split())


#: Every check by name, in the order in which they run.
COMMUNICATOR_CHECKS: dict[str, CommunicatorCheck] = {}


def _check(run: Callable[[Groups], None]) -> Callable[[Groups], None]:
    COMMUNICATOR_CHECKS[run.__name__] = CommunicatorCheck(run.__name__, run)
    return run


def _sum_of(seed: int, size: int, dtype: str = "float64") -> dict[str, Any]:
    return {"seed": seed, "size": size, "dtype": dtype}


def _expect_sums(
    groups: Groups, ranks: int, sums: list[Any], *, backwards: bool = False, everywhere: bool = True
) -> None:
    """Compare sums on all ranks with additions in the order of ranks, to the bit."""
    group = groups.of(ranks)
    digests, *results = command(group, "sums", sums=sums, backwards=backwards, everywhere=everywhere)
    for each, result in zip(sums, results, strict=True):
        expected = reduce(np.add, [program.part(rank, each) for rank in range(ranks)])
        same = result.dtype == expected.dtype and result.tobytes() == expected.tobytes()
        expect(same, f"a sum of {each['size']} numbers of {each['dtype']} on {ranks} ranks differs from rank order")
    empty = [np.zeros(0) for _ in sums]
    there = program.digest(*results)
    for rank, received in enumerate(digests):
        expected = there if everywhere or rank == 0 else program.digest(*empty)
        expect(received.any(), f"rank {rank}: a buffer was modified, or a result changed with a buffer afterwards")
        expect(np.array_equal(received, expected), f"rank {rank} has the wrong results")


@_check
def one_rank(groups: Groups) -> None:
    """A group of one rank does every operation."""
    group = groups.of(1)
    expect((group.rank, group.size) == (0, 1), "rank and size of a group of one are not 0 and 1")
    _expect_sums(groups, 1, [_sum_of(1, 5)])
    group.barrier()
    expect(group.regroup() == [] and not group.changed, "a group of one changes")


@_check
def ranks_and_sizes(groups: Groups) -> None:
    """Ranks are numbered from 0 without gaps, and all know the size and the generation, for 2, 3 and 4 ranks."""
    for size in (2, 3, 4):
        group = groups.of(size)
        expected = [[rank, size, group.generation] for rank in range(size)]
        received = members(group).tolist()
        expect(received == expected, f"ranks, sizes and generations are {received}; expected {expected}")
        health = group.health()
        expect(sorted(health) == list(range(size)), f"health() lists {sorted(health)} of {size} ranks")
        expect(all(each.alive for each in health.values()), "health() says that a rank is lost in a new group")


@_check
def sums_in_rank_order(groups: Groups) -> None:
    """Sums are equal to the bit on all ranks, to additions in the order of ranks, and in each run."""
    for ranks in (2, 3, 4):
        for dtype in ("float32", "float64", "int64"):
            for _ in range(2):
                _expect_sums(groups, ranks, [_sum_of(ranks, 1000, dtype)])


@_check
def sums_on_rank_0_only(groups: Groups) -> None:
    """With ``everywhere=False``, rank 0 has the sum and the others an empty array."""
    for ranks in (2, 4):
        _expect_sums(groups, ranks, [_sum_of(3, 500), _sum_of(4, 7, "float32")], everywhere=False)


@_check
def several_sums_under_way(groups: Groups) -> None:
    """Several sums of different sizes and dtypes may be under way, and their results be asked for in any order."""
    sums = [_sum_of(seed, 10 + 997 * seed, dtype) for seed, dtype in enumerate(("float64", "float32", "int64") * 4)]
    for backwards in (False, True):
        _expect_sums(groups, 3, sums, backwards=backwards)
        _expect_sums(groups, 3, sums, backwards=backwards, everywhere=False)


@_check
def empty_and_large_sums(groups: Groups) -> None:
    """Sums of no number, of one, and of 8 MB."""
    for everywhere in (True, False):
        _expect_sums(groups, 3, [_sum_of(1, 0), _sum_of(2, 1), _sum_of(3, LARGE)], everywhere=everywhere)


@_check
def messages(groups: Groups) -> None:
    """Headers and arrays of all kinds reach every rank as they are; receivers cannot write to the arrays."""
    group = groups.of(3)
    draw = np.random.default_rng(0)
    values = {"text": "grün", "number": 0.1, "none": None, "nested": [1, (2, {"three": b"\0"})]}
    large = draw.standard_normal((300, 1000))
    several: list[Any] = [
        draw.integers(0, 9, 5),
        np.float32(1.5).reshape(()),
        np.zeros((0, 3)),
        large[:, ::2].T,
        large > 0,
        large,
    ]
    for arrays in ([], several[:3], several):
        before = [each.copy() for each in arrays]
        (received,) = command(group, "echo", arrays, values=values)
        text = np.frombuffer(repr(values).encode(), np.uint8)
        expected = program.digest(text, *before)
        for rank, digest in enumerate(received):
            expect(rank == 0 or digest.any(), f"rank {rank} can write to an array that it has received")
            expect(np.array_equal(digest, expected), f"rank {rank} has received another message")
        changed = any(not np.array_equal(each, old) for each, old in zip(arrays, before, strict=True))
        expect(not changed and large.flags.writeable, "an array was changed, or made read-only, on rank 0")


@_check
def messages_in_order(groups: Groups) -> None:
    """Messages arrive in the order in which they were sent, each of them once."""
    group = groups.of(2)
    for number in range(50):
        array = np.full(1 + number % 7 * 3000, number)
        (received,) = command(group, "echo", [array], values=number)
        expected = program.digest(np.frombuffer(repr(number).encode(), np.uint8), array)
        expect(all(np.array_equal(each, expected) for each in received), f"message {number} is not the one sent")


@_check
def message_is_returned(groups: Groups) -> None:
    """``broadcast`` returns the message on rank 0."""
    message = Message({"do": "who"})
    group = groups.of(2)
    returned = group.broadcast(message)
    program.run(group, returned)
    expect(returned.header == message.header, "broadcast returns another message on rank 0")


@_check
def barriers(groups: Groups) -> None:
    """No rank leaves a barrier before the last one has come."""
    for late in range(3):
        (table,) = command(groups.of(3), "barrier", late=late, seconds=0.3)
        waited = np.ascontiguousarray(table[:, :8]).view(np.int64)[:, 0]
        early = [rank for rank in range(3) if rank != late and waited[rank] < 100]
        expect(not early, f"rank {early} did not wait at a barrier for rank {late}, which came 0.3 s late")


@_check
def pickles(groups: Groups) -> None:
    """What ``dumps`` writes is read by ``pickle.loads`` on every rank, with its arrays as buffers."""
    group = groups.of(2)
    things = [np.arange(6.0).reshape(2, 3), np.arange(20_000, dtype=np.float32)]
    buffers: list[Any] = []
    pickled = group.dumps(things, buffers)
    expect(len(buffers) == len(things), f"dumps has left {len(buffers)} buffers of {len(things)} arrays")
    arrays = [np.frombuffer(each, np.uint8) for each in buffers]
    (received,) = command(group, "unpickle", arrays, pickled=pickled)
    expected = program.digest(*pickle.loads(pickled, buffers=arrays))  # noqa: S301 - written above
    expect(all(np.array_equal(each, expected) for each in received), "a rank has read other arrays from a pickle")


@_check
def options(groups: Groups) -> None:
    """Unknown options, and numbers of workers below 1, are a ConfigError that names them."""
    for arguments, named in (((2, {"no_such_option": 1}), "no_such_option"), ((0, {}), "worker")):
        workers, extra = arguments
        try:
            group = groups.launch(workers, program.obey, **extra)
        except ConfigError as error:
            expect(named in str(error), f"the error does not name {named!r}: {error}")
        else:
            group.close()
            expect(False, f"a group was launched with {workers} workers and the options {extra}")


@_check
def regroup_without_change(groups: Groups) -> None:
    """Without a loss, a failure or a process that waits, ``regroup`` changes nothing."""
    group = groups.of(3)
    before = members(group)
    expect(not group.changed, "changed is true in a group without losses")
    expect(group.regroup() == [], "regroup has sentences about a group without losses")
    expect(np.array_equal(members(group), before), "regroup has begun a new generation without a reason")


@_check
def failing_rank(groups: Groups) -> None:
    """A rank whose program fails is a WorkerError that names it within the time-out; the others go on after
    ``regroup``, in a new generation, with sums of the ranks that are left."""
    with closing(groups.launch(3, program.obey)) as group:
        generation = group.generation
        start = time.monotonic()
        problem = _worker_error(group, "fail", failing=2)
        expect(time.monotonic() - start < PATIENCE, "the error took more than a minute")
        expect("2" in problem and "asked to fail" in problem, f"the error names neither rank nor reason: {problem}")
        health = group.health()
        expect(not health[2].alive and health[2].reason, f"health() says of the lost rank: {health[2]}")
        expect(all(health[rank].alive for rank in (0, 1)), f"health() says that others are lost: {health}")
        expect(group.changed, "changed is false after a loss")
        sentences = group.regroup()
        expect(any("asked to fail" in each for each in sentences), f"regroup does not say who has left: {sentences}")
        expect(group.size in (2, 3), f"the group has {group.size} ranks after the loss of one of 3")
        _expect_new_generation(group, generation)


@_check
def silent_rank(groups: Groups) -> None:
    """A rank that does not contribute within the time-out is a WorkerError, and what it sends later is ignored."""
    with closing(groups.launch(3, program.obey, timeout=SHORT)) as group:
        generation = group.generation
        start = time.monotonic()
        problem = _worker_error(group, "hang", hanging=1, seconds=HANGING)
        expect(time.monotonic() - start < HANGING, f"the error came after {HANGING} s, with a time-out of {SHORT} s")
        expect("1" in problem, f"the error does not name the rank: {problem}")
        expect(not group.health()[1].alive, "health() says that the silent rank lives")
        group.regroup()
        _expect_new_generation(group, generation)


@_check
def dropped_rank(groups: Groups) -> None:
    """``regroup`` drops a rank that rank 0 names, says why, and numbers the others again."""
    with closing(groups.launch(3, program.obey)) as group:
        generation = group.generation
        sentences = group.regroup({1: "its hash differs"})
        expect(any("its hash differs" in each for each in sentences), f"the reason is missing: {sentences}")
        expect(group.generation > generation, "a rank was dropped without a new generation")
        _expect_new_generation(group, generation)


@_check
def sums_of_an_earlier_generation(groups: Groups) -> None:
    """Sums that other ranks have begun are void after ``regroup``: these find out, and the next sums are right."""
    with closing(groups.launch(3, program.obey)) as group:
        generation = group.generation
        command(group, "alone")
        group.regroup({1: "a test"})
        _expect_new_generation(group, generation)


@_check
def generation_after_a_failure(groups: Groups) -> None:
    """After a WorkerError, there is a new generation also if all have been replaced, and an old sum has no result."""
    with closing(groups.launch(2, program.obey)) as group:
        generation = group.generation
        old = None
        try:
            group.broadcast(Message({"do": "fail", "failing": 1}))
            old = group.begin_sum(np.ones(3))
            old.result()
        except WorkerError:
            pass
        group.regroup()
        expect(group.generation > generation, "the generation is the same after a WorkerError")
        _expect_new_generation(group, generation)


@_check
def closed_group(groups: Groups) -> None:
    """A group can be closed twice; any other operation is an error of graphnet afterwards."""
    group = groups.launch(2, program.obey)
    members(group)
    group.close()
    group.close()
    for name, call in {"a sum": lambda: group.sum(np.ones(2)), "a barrier": group.barrier}.items():
        try:
            call()
        except GraphnetError:
            continue
        expect(False, f"{name} of a closed group does not raise")


def _worker_error(group: Any, do: str, **arguments: Any) -> str:
    """Run a command that a rank cannot do; return the text of the error."""
    try:
        command(group, do, **arguments)
    except WorkerError as error:
        return str(error)
    expect(False, "a sum without the contribution of a rank does not raise")
    return ""


def _expect_new_generation(group: Any, before: int) -> None:
    """Check members and sums of a group that has changed."""
    expect(group.generation > before, f"generation {group.generation} follows {before}")
    settled(group, group.size)
    received = members(group).tolist()
    expected = [[rank, group.size, group.generation] for rank in range(group.size)]
    expect(received == expected, f"ranks, sizes and generations are {received}; expected {expected}")
    each = _sum_of(5, 100)
    digests, total = command(group, "sums", sums=[each], backwards=False, everywhere=True)
    expected_total: Array = reduce(np.add, [program.part(rank, each) for rank in range(group.size)])
    expect(total.tobytes() == expected_total.tobytes(), "the first sum of the new generation is wrong")
    expect((digests == program.digest(total)).all(), "ranks of the new generation have other sums than rank 0")
