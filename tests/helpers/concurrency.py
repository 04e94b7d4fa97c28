"""Calls in several threads, a layer that holds a pass, and models for both."""

import threading

import numpy as np

from graphnet import Builder, Layer, dense

#: Seconds after which a test that waits gives up.
LIMIT = 60


def in_threads(*calls):
    """Run all calls at the same time; what each returned, or the exception that it raised."""
    found = [None] * len(calls)
    start = threading.Barrier(len(calls))

    def run(i):
        start.wait(LIMIT)
        try:
            found[i] = calls[i]()
        except Exception as error:
            found[i] = error

    threads = [threading.Thread(target=run, args=(i,)) for i in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LIMIT)
        assert not thread.is_alive()
    return found


def in_another_thread(call):
    """Run one call in a thread of its own."""
    return in_threads(call)[0]


class Held:
    """A call in another thread that stops inside a :class:`Gate`, and goes on when the block ends."""

    def __init__(self, call):
        self.entered, self.released = threading.Event(), threading.Event()
        self.result = None
        self._thread = threading.Thread(target=self._run, args=(call,))

    def _run(self, call):
        Gate.held[threading.get_ident()] = self
        try:
            self.result = call()
        except Exception as error:
            self.result = error
        finally:
            del Gate.held[threading.get_ident()]

    def __enter__(self):
        self._thread.start()
        assert self.entered.wait(LIMIT)
        return self

    def __exit__(self, *_):
        self.released.set()
        self._thread.join(LIMIT)
        assert not self._thread.is_alive()


class Gate(Layer):
    """The identity; a pass of a held thread stops in it. The compiler cannot read it."""

    held = {}  # noqa: RUF012  # threads, not a field

    def apply(self, x):
        y = np.asarray(x) * 1.0
        self.stop()
        return y.astype(x.dtype), None

    def pull(self, saved, error):
        return error

    @classmethod
    def stop(cls):
        held = cls.held.get(threading.get_ident())
        if held is not None and not held.entered.is_set():
            held.entered.set()
            assert held.released.wait(LIMIT)


def gated_graph():
    """Dense layers with a Gate between them."""
    g = Builder("gated")
    return g.build(dense(Gate()(dense(g.input("x", "batch, feature=3"), 4)), 2))
