"""The group of threads passes the conformance kit for communicators, and wrong communicators do not."""

from __future__ import annotations

import numpy as np
import pytest

from graphnet import ConfigError
from graphnet.distributed import Message
from graphnet.testing.communicators import COMMUNICATOR_CHECKS, communicator_conformance, obey
from graphnet.testing.communicators.groups import Groups
from graphnet.testing.failures import Fault
from graphnet.training.distributed.threads import PendingSum, ThreadCommunicator


@communicator_conformance(ThreadCommunicator.launch)
def test_threads(check):
    check()


class Total:
    """A sum whose result is changed by a function."""

    def __init__(self, pending, change):
        self.pending, self.change = pending, change

    def result(self):
        return self.change(self.pending.result())


class OnRank2(ThreadCommunicator):
    """Rank 2 has other bits."""

    def begin_sum(self, buffer, *, everywhere=True):
        pending = super().begin_sum(buffer, everywhere=everywhere)
        return Total(pending, lambda total: np.nextafter(total, np.inf) if self.rank == 2 and total.size else total)


class Reversed(ThreadCommunicator):
    """Adds from the last rank to the first."""

    def finished(self, number, everywhere):
        parts = self._hub.sums[number].parts if number in self._hub.sums else {}
        result = super().finished(number, everywhere)
        if result.size and parts:
            result = sum(parts[rank] for rank in sorted(parts, reverse=True))
        return result


class Accumulating(ThreadCommunicator):
    """Adds into the buffer of rank 0."""

    def finished(self, number, everywhere):
        found = self._hub.sums.get(number)
        result = super().finished(number, everywhere)
        if self.rank == 0 and found is not None:
            found.parts[0][...] = result
        return result


class Float64Only(ThreadCommunicator):
    """Has no other dtype."""

    def begin_sum(self, buffer, *, everywhere=True):
        return Total(super().begin_sum(buffer, everywhere=everywhere), lambda total: total.astype(np.float64))


class NoBarrier(ThreadCommunicator):
    """Does not wait."""

    def barrier(self):
        pass


class Writeable(ThreadCommunicator):
    """Receivers can write to arrays."""

    def broadcast(self, message=None):
        message = super().broadcast(message)
        return Message(message.header, [array.copy() for array in message.arrays])


class SameGeneration(ThreadCommunicator):
    """Hides that the group has changed."""

    def regroup(self, *drop):
        sentences = super().regroup(*drop)
        self.generation = 1
        return sentences


class Quiet(ThreadCommunicator):
    """Does not say who has left."""

    def regroup(self, *drop):
        super().regroup(*drop)
        return []


class Permissive(ThreadCommunicator):
    """Takes any option."""

    @classmethod
    def launch(cls, workers, follow, *, timeout=60.0, **options):
        return super().launch(workers, follow, timeout=timeout)


@pytest.mark.parametrize(
    ("wrong", "check"),
    [
        (OnRank2, "sums_in_rank_order"),
        (Reversed, "sums_in_rank_order"),
        (Accumulating, "sums_on_rank_0_only"),
        (Float64Only, "sums_in_rank_order"),
        (NoBarrier, "barriers"),
        (Writeable, "messages"),
        (SameGeneration, "dropped_rank"),
        (Quiet, "failing_rank"),
        (Permissive, "options"),
    ],
)
def test_wrong_communicator_is_found(wrong, check):
    groups = Groups(wrong.launch)
    try:
        with pytest.raises(Fault):
            COMMUNICATOR_CHECKS[check].run(groups)
    finally:
        groups.close()


def test_a_launch_that_is_no_function_is_refused():
    with pytest.raises(ConfigError, match="not a function"):
        communicator_conformance("ray")


def test_a_group_of_one_has_a_rank():
    group = ThreadCommunicator.launch(1, obey)
    assert (group.rank, group.size, isinstance(group.begin_sum(np.ones(1)), PendingSum)) == (0, 1, True)
    group.close()
