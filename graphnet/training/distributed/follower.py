"""The loop of the ranks other than 0."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphnet.core.concurrency.blas_threads import limited
from graphnet.core.heap import keep_freed
from graphnet.core.run.runner import Runner
from graphnet.training.distributed.communicator import Communicator
from graphnet.training.distributed.group_signals import GroupChanged, GroupClosed
from graphnet.training.distributed.replica import Replica
from graphnet.training.distributed.task import Setup, Task, digest, unpacked
from graphnet.training.distributed.weights import put_weights

#: Bytes of the answer of a rank: a digest, and the text of an error.
DIGEST, ANSWER = 32, 288


def follow(communicator: Communicator) -> None:
    """Compute what rank 0 sends, until it closes the group or drops this rank."""
    follower = Follower(communicator)
    while True:
        try:
            follower.answer(unpacked(communicator.broadcast()))
        except GroupChanged:
            continue
        except GroupClosed:
            return


class Follower:
    """A rank that has no state of the training run: every task brings what it needs."""

    def __init__(self, communicator: Communicator) -> None:
        self.communicator = communicator
        self.setup: Setup | None = None
        self.digest = bytes(DIGEST)
        self.failure = ""

    def answer(self, thing: Any) -> None:
        """Answer one message."""
        if isinstance(thing, Setup):
            self._build(thing)
        if isinstance(thing, Task):
            self._compute(thing)
            return
        answer_with(self.communicator, self.digest, self.failure)

    def _build(self, setup: Setup) -> None:
        self.setup, self.failure = setup, ""
        keep_freed()
        try:
            settings = setup.settings
            reach = None if settings.tbptt is None else settings.tbptt[1]
            self.runner = Runner(setup.graph, backend=settings.backend, reach=reach)
            self.replica = Replica(self.runner, settings)
            self.digest = digest(setup, self.runner)
        except Exception as error:  # rank 0 drops this rank, with the reason
            self.digest, self.failure = bytes(DIGEST), f"{type(error).__name__}: {error}"

    def _compute(self, task: Task) -> None:
        assert self.setup is not None
        put_weights(self.runner, task.weights, task.changed)
        given = self.setup.examples if task.batch is None else task.batch
        assert given is not None
        with limited(self.setup.settings.threads), np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            self.replica.compute(task, given, self.communicator)


def answer_with(communicator: Communicator, digest: bytes, failure: str = "") -> dict[int, tuple[bytes, str]]:
    """Answer with a digest and the text of an error; on rank 0, returns the answers of all ranks."""
    table = np.zeros((communicator.size, ANSWER), np.uint8)
    text = failure.encode()[: ANSWER - DIGEST]
    table[communicator.rank, : len(digest)] = np.frombuffer(digest, np.uint8)
    table[communicator.rank, DIGEST : DIGEST + len(text)] = np.frombuffer(text, np.uint8)
    total = communicator.sum(table.reshape(-1), everywhere=False)
    if communicator.rank:
        return {}
    answers = total.reshape(communicator.size, ANSWER)
    return {
        rank: (answer[:DIGEST].tobytes(), answer[DIGEST:].tobytes().rstrip(b"\0").decode(errors="replace"))
        for rank, answer in enumerate(answers)
    }
