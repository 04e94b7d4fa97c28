"""Calls in several threads, and a layer that blocks a forward pass."""

import threading

import numpy as np

from graphnet import Builder, Layer, dense

#: The timeout of a waiting test, in seconds.
LIMIT = 60


def in_threads(*calls):
    """Run all calls at the same time; return the result of each, or the exception that it raised."""
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
    """Run one call in another thread."""
    return in_threads(call)[0]


class Held:
    """A call in another thread that blocks in a :class:`Gate` until the ``with`` block ends."""

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
    """The identity, in which the pass of a held thread blocks; the compiler cannot trace it."""

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
