"""What an actor has received for its program, and what its program has given to rank 0."""

from __future__ import annotations

import threading
from typing import Any

from graphnet.distributed import GroupChanged, GroupClosed

#: Seconds between two looks at a mailbox; a notification ends a wait earlier.
LOOK = 1.0


class Mailbox:
    """Messages and totals that arrive, and contributions that leave; every access holds the condition.

    Things are stored by generation and number, because calls of an actor run in any order. What belongs to a
    generation before the announced one is removed.

    Attributes
    ----------
    generation, rank, size : int
        As announced last; -1 before.
    ended : str
        Why the program has ended; empty while it runs.
    """

    def __init__(self) -> None:
        self.generation = self.rank = self.size = -1
        self.ended = ""
        self._closed = False
        self._condition = threading.Condition()
        self._boxes: dict[str, dict[tuple[int, int], Any]] = {"messages": {}, "totals": {}, "contributions": {}}

    # ------------------------------------------------------------------ for the threads of Ray
    def announce(self, generation: int, rank: int, size: int) -> None:
        """Begin a generation; an earlier one that is announced late is ignored."""
        with self._condition:
            if generation <= self.generation:
                return
            self.generation, self.rank, self.size = generation, rank, size
            for box in self._boxes.values():
                for key in [key for key in box if key[0] < generation]:
                    del box[key]
            self._condition.notify_all()

    def put(self, box: str, generation: int, number: int, thing: Any) -> None:
        """Store a message, total or contribution, unless its generation has ended."""
        with self._condition:
            if generation >= self.generation:
                self._boxes[box][generation, number] = thing
                self._condition.notify_all()

    def contribution(self, generation: int, number: int) -> Any:
        """Wait for a contribution of the program.

        Returns
        -------
        array, str or None
            Why the program has ended, if it has; None if the generation has ended.
        """
        box = self._boxes["contributions"]
        with self._condition:
            while (generation, number) not in box:
                if self.ended:
                    return self.ended
                if self._closed or generation < self.generation:
                    return None
                self._condition.wait(LOOK)
            return box.pop((generation, number))

    def close(self) -> None:
        """End the group: the program's next operation raises GroupClosed."""
        with self._condition:
            self._closed = True
            self._condition.notify_all()

    def end(self, reason: str) -> None:
        """Note that the program has ended."""
        with self._condition:
            self.ended = reason
            self._condition.notify_all()

    # ------------------------------------------------------------------ for the thread of the program
    def wait_for_first(self) -> None:
        """Wait until a generation is announced."""
        with self._condition:
            while self.generation < 0:
                self._require_open()
                self._condition.wait(LOOK)

    def message(self, seen: int, number: int) -> tuple[int, Any]:
        """Wait for a message of the newest generation, and return that with it.

        Parameters
        ----------
        seen : int
            The program's generation.
        number : int
            Of the message within it; in a newer generation, it is the first one.
        """
        box = self._boxes["messages"]
        with self._condition:
            while True:
                self._require_open()
                key = (self.generation, number if self.generation == seen else 0)
                if key in box:
                    return self.generation, box.pop(key)
                self._condition.wait(LOOK)

    def total(self, seen: int, number: int) -> Any:
        """Wait for a total of the program's generation."""
        box = self._boxes["totals"]
        with self._condition:
            while (seen, number) not in box:
                self.require(seen)
                self._condition.wait(LOOK)
            return box.pop((seen, number))

    def require(self, seen: int) -> None:
        """Raise GroupClosed if the group has ended, GroupChanged if the program's generation has."""
        with self._condition:
            self._require_open()
            if self.generation != seen:
                raise GroupChanged

    def _require_open(self) -> None:
        if self._closed:
            raise GroupClosed
