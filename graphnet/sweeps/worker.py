"""A process that trains runs of a sweep, one after another: lines of JSON come in, and lines of JSON go out.

It ends at once when its standard input does: when the process of the sweep has ended, in whatever way. What it was
training goes on from the last checkpoint.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import sys
import threading
from collections.abc import Mapping
from typing import Any


class Worker:
    """Trains what comes in.

    Parameters
    ----------
    output : int
        The descriptor of the pipe to the sweep.
    """

    def __init__(self, output: int) -> None:
        self.output = output
        self.stopping = threading.Event()
        self.messages: queue.SimpleQueue[Mapping[str, Any]] = queue.SimpleQueue()

    def listen(self) -> None:
        """Read messages until the sweep ends, in a thread."""
        for line in sys.stdin.buffer:
            message = json.loads(line)
            if message.get("stop"):
                self.stopping.set()
                continue
            if "task" in message:
                self.stopping.clear()
            self.messages.put(message)
        os._exit(0)

    def send(self, **message: Any) -> None:
        """Write a message."""
        os.write(self.output, (json.dumps(message) + "\n").encode())

    def decide(self, epoch: int, value: float | None) -> bool:
        """Ask the sweep whether the run goes on."""
        self.send(report=[epoch, value])
        return bool(self.messages.get()["answer"])

    def run(self) -> None:
        """Train."""
        threading.Thread(target=self.listen, daemon=True).start()
        from graphnet.sweeps.task import Task, execute

        while True:
            task = Task.of(self.messages.get()["task"])
            self.send(ended=execute(task, self.decide, self.stopping.is_set))


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the sweep, which asks its workers to stop
    Worker(int(sys.argv[1])).run()
