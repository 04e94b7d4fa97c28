"""The group of ranks as rank 0 leads it: who is a member, and that all have built the same."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Mapping

from graphnet.core.errors import ConfigError, GraphnetWarning, WorkerError
from graphnet.core.heap import keep_freed
from graphnet.core.run.runner import Runner
from graphnet.training.distributed.communicator import Communicator, Message
from graphnet.training.distributed.follower import answer_with
from graphnet.training.distributed.task import Identify, Setup, digest, packed


class Group:
    """Keeps the members of a group equal to rank 0.

    Parameters
    ----------
    communicator : Communicator
        Of rank 0.
    setup : Setup
    runner : Runner
        That of rank 0.

    Raises
    ------
    ConfigError
        If the setup cannot be pickled.
    """

    def __init__(self, communicator: Communicator, setup: Setup, runner: Runner) -> None:
        self.communicator, self.setup, self.runner = communicator, setup, runner
        keep_freed()  # flat arrays of weights and gradients come and go with every batch
        self.digest = digest(setup, runner)
        self._message: Message | None = None

    def introduce(self) -> None:
        """Give the setup to the members that do not have it, and drop those that have built something else."""
        while self.communicator.size > 1:
            try:
                wrong = self._wrong()
            except WorkerError as error:
                self.regroup({}, error)
                continue
            if not wrong:
                return
            self.regroup(wrong)

    def _wrong(self) -> dict[int, str]:
        """The members that have not built what rank 0 has, with the reasons."""
        communicator = self.communicator
        communicator.broadcast(packed(communicator, Identify(self.digest)))
        answers = answer_with(communicator, self.digest)
        if all(known == self.digest for known, _ in answers.values()):
            return {}
        communicator.broadcast(self._setup_message())
        answers = answer_with(communicator, self.digest)
        return {
            rank: failure
            or f"its hash of model and settings is {known.hex()[:12]}, that of rank 0 {self.digest.hex()[:12]}"
            for rank, (known, failure) in answers.items()
            if known != self.digest
        }

    def _setup_message(self) -> Message:
        try:
            return packed(self.communicator, self.setup)
        except (pickle.PicklingError, TypeError, AttributeError) as error:
            raise ConfigError(
                "the model or its data cannot be sent to other processes",
                where="DataParallel",
                expected="layers and losses that pickle can write",
                received=str(error),
                remedy="Define their classes and functions at the top of a module, not inside a function.",
            ) from None

    def regroup(self, drop: Mapping[int, str], error: WorkerError | None = None) -> None:
        """Go on without lost members and those to drop, and with those that wait; a warning names each."""
        sentences = self.communicator.regroup(drop)
        if not sentences and error is not None:
            sentences = [str(error)]
        alone = ["rank 0 goes on alone"] if self.communicator.size == 1 else []
        for sentence in (*sentences, *alone):
            warnings.warn(f"data-parallel training: {sentence}", GraphnetWarning, stacklevel=2)
