"""What the ranks other than 0 run in the checks: commands that rank 0 broadcasts."""

from __future__ import annotations

import hashlib
import pickle
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from graphnet.core.describe.parameter import Array
from graphnet.training.distributed import Communicator, GroupChanged, GroupClosed, Message

#: Bytes of what a rank reports.
REPORT = 32


def obey(communicator: Communicator) -> None:
    """Run the commands of rank 0 until it closes the group; a change of the group begins with the next message."""
    while True:
        try:
            run(communicator, communicator.broadcast())
        except GroupChanged:
            continue
        except GroupClosed:
            return


def run(communicator: Communicator, message: Message) -> list[Array]:
    """Run a command on this rank.

    Returns
    -------
    list of array
        The results on rank 0.
    """
    header = message.header
    command: Callable[..., list[Array]] = COMMANDS[header["do"]]
    return command(communicator, message, **{key: value for key, value in header.items() if key != "do"})


def part(rank: int, sum_of: Mapping[str, Any]) -> Array:
    """What a rank contributes to a sum: numbers of many magnitudes, so that the order of additions shows."""
    draw = np.random.default_rng([sum_of["seed"], rank])
    size, dtype = sum_of["size"], np.dtype(sum_of["dtype"])
    if dtype.kind == "i":
        return draw.integers(-(2**40), 2**40, size).astype(dtype)
    return (draw.standard_normal(size) * 10.0 ** draw.integers(-3, 4, size)).astype(dtype)


def digest(*arrays: Array) -> Array:
    """A digest of values, dtypes and shapes, as :data:`REPORT` bytes."""
    text = hashlib.sha256()
    for array in arrays:
        text.update(f"{array.dtype} {array.shape}".encode())
        text.update(np.ascontiguousarray(array).tobytes())
    return np.frombuffer(text.digest(), np.uint8)


def report(communicator: Communicator, mine: Array) -> Array:
    """Give rank 0 what each rank reports, one row each; the other ranks receive nothing."""
    table = np.zeros((communicator.size, REPORT), np.uint8)
    table[communicator.rank, : mine.size] = mine
    total = communicator.sum(table.reshape(-1), everywhere=False)
    return total.reshape(-1, REPORT)


def _who(communicator: Communicator, message: Message) -> list[Array]:
    """Report rank, size and generation."""
    who = np.array([communicator.rank, communicator.size, communicator.generation], np.int64)
    return [report(communicator, who.view(np.uint8))]


def _sums(
    communicator: Communicator, message: Message, sums: list[Any], backwards: bool, everywhere: bool
) -> list[Array]:
    """Begin several sums, ask for their results, and report a digest of these, or of zeros if a buffer has changed."""
    buffers = [part(communicator.rank, each) for each in sums]
    before = digest(*buffers)
    under_way = [communicator.begin_sum(buffer, everywhere=everywhere) for buffer in buffers]
    order = range(len(sums))[:: -1 if backwards else 1]
    totals = {index: under_way[index].result() for index in order}
    results = [totals[index] for index in range(len(sums))]
    if communicator.rank and not everywhere:  # the dtype of the empty arrays is free
        results = [each if each.size else np.zeros(0) for each in results]
    before_zeros = digest(*results)
    unchanged = np.array_equal(digest(*buffers), before)
    for buffer in buffers:
        buffer[...] = 0  # which must not reach a result
    stable = np.array_equal(digest(*results), before_zeros)
    mine = digest(*results) if unchanged and stable else np.zeros(REPORT, np.uint8)
    return [report(communicator, mine), *results]


def _echo(communicator: Communicator, message: Message, values: Any) -> list[Array]:
    """Report a digest of header and arrays; of zeros if an array can be written to on a rank other than 0."""
    arrays = [np.asarray(each) for each in message.arrays]
    locked = not communicator.rank or not any(each.flags.writeable for each in arrays)
    text = np.frombuffer(repr(values).encode(), np.uint8)
    return [report(communicator, digest(text, *arrays) if locked else np.zeros(REPORT, np.uint8))]


def _barrier(communicator: Communicator, message: Message, late: int, seconds: float) -> list[Array]:
    """Come late to a barrier on one rank, and report how many milliseconds each rank has waited."""
    if communicator.rank == late:
        time.sleep(seconds)
    start = time.monotonic()
    communicator.barrier()
    waited = np.array([int(1000 * (time.monotonic() - start))], np.int64)
    return [report(communicator, waited.view(np.uint8))]


def _fail(communicator: Communicator, message: Message, failing: int) -> list[Array]:
    """Fail on one rank, and add on the others."""
    if communicator.rank == failing:
        raise RuntimeError("the program was asked to fail")
    return [communicator.sum(np.ones(3))]


def _hang(communicator: Communicator, message: Message, hanging: int, seconds: float) -> list[Array]:
    """Do not contribute for some time on one rank."""
    if communicator.rank == hanging:
        time.sleep(seconds)
    return [communicator.sum(np.ones(3))]


def _alone(communicator: Communicator, message: Message) -> list[Array]:
    """Begin a sum that rank 0 does not begin."""
    if communicator.rank:
        communicator.sum(np.full(4, 1e30))
    return []


def _unpickle(communicator: Communicator, message: Message, pickled: bytes) -> list[Array]:
    """Read what ``dumps`` has written, and report its digest."""
    things = pickle.loads(pickled, buffers=message.arrays)  # noqa: S301 - of rank 0, which sent the program as well
    return [report(communicator, digest(*things))]


COMMANDS: dict[str, Callable[..., list[Array]]] = {
    "who": _who,
    "sums": _sums,
    "echo": _echo,
    "barrier": _barrier,
    "fail": _fail,
    "hang": _hang,
    "alone": _alone,
    "unpickle": _unpickle,
}
