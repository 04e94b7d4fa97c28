"""Which calls two threads may make at once, and the turns of small programs."""

import threading
import time

import numpy as np
import pytest
from helpers.concurrency import LIMIT, in_another_thread, in_threads

from graphnet import BatchNormalization, Builder, Dropout, FullyConnected, Runner, StateError, dense
from graphnet.core.concurrency import claims
from graphnet.core.concurrency.claims import GRADIENTS, KEPT_STATE, READ, WRITE, Claim
from graphnet.core.concurrency.time_slices import TimeSliceLock
from graphnet.core.describe import weights

ALLOWED = {(READ, READ), (READ, GRADIENTS), (GRADIENTS, READ)}
KEYS = frozenset([1, 2])


def entered(level, keys=KEYS):
    with Claim(level, keys, "later", "place"):
        return True


@pytest.mark.parametrize("first", [READ, GRADIENTS, WRITE, KEPT_STATE])
@pytest.mark.parametrize("second", [READ, GRADIENTS, WRITE, KEPT_STATE])
def test_claims_of_two_threads_follow_the_table(first, second):
    with Claim(first, KEYS, "earlier", "place"):
        found = in_another_thread(lambda: entered(second))
        assert entered(second)  # the same thread
        assert in_another_thread(lambda: entered(second, frozenset([3]))) is True
    assert (found is True) == ((first, second) in ALLOWED)
    if found is not True:
        assert isinstance(found, StateError)
        assert "place" in str(found) and "later during earlier in thread 'MainThread'" in str(found)
    assert in_another_thread(lambda: entered(second)) is True


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_a_claim_ends_with_any_exception(error):
    with pytest.raises(error), Claim(WRITE, KEYS, "fit", "place"):
        raise error
    assert in_another_thread(lambda: entered(WRITE)) is True
    assert not claims._active and not claims._exclusive


def test_a_refused_claim_leaves_nothing():
    with Claim(WRITE, KEYS, "fit", "place"):
        in_another_thread(lambda: entered(WRITE))
        assert len(claims._active) == 1
    assert not claims._active and not claims._exclusive


def test_keys_are_those_of_layers_with_arrays():
    layers = [FullyConnected(2, 2), Dropout(0.5), BatchNormalization()]
    assert weights.keys(layers) == {id(layers[0]), id(layers[2])}


# ---------------------------------------------------------------------- turns
def test_turns_exclude_other_threads_and_nest():
    turns, inside, worst = TimeSliceLock(), [], []

    def enter():
        for _ in range(200):
            with turns, turns:
                inside.append(1)
                worst.append(len(inside))
                np.ones(10) @ np.ones(10)
                inside.pop()

    in_threads(*[enter] * 6)
    assert set(worst) == {1}
    assert not turns._owner and not turns._queue and not turns._depth


def test_a_turn_that_is_kept_is_taken_over():
    turns = TimeSliceLock()
    turns._owner, turns._end = -1, time.monotonic() + 3600  # a thread that left and does not come back
    assert in_another_thread(lambda: _enter(turns)) is True


def test_a_turn_that_lasts_too_long_is_taken_over():
    turns, done = TimeSliceLock(), threading.Event()
    with turns:
        thread = threading.Thread(target=lambda: _enter(turns) and done.set())
        thread.start()
        assert done.wait(LIMIT)
        thread.join(LIMIT)
    assert in_another_thread(lambda: _enter(turns)) is True


def test_a_long_program_rests_between_blocks(monkeypatch):
    turns, seen = TimeSliceLock(), []

    def long():
        with turns:
            for _ in range(10_000):
                turns.rest()
                if seen:
                    return len(seen)
                time.sleep(0.001)
        return 0

    def short():
        with turns:
            seen.append(1)

    assert in_threads(long, short)[0] == 1


def _enter(turns):
    with turns:
        return True


@pytest.mark.parametrize(("units", "rows", "small"), [(8, 4, True), (64, 8, True), (64, 2000, False)])
def test_programs_with_large_products_take_no_turns(units, rows, small):
    g = Builder("net")
    x = g.input("x", f"batch, feature={units}")
    y = dense(dense(dense(x, units), units), units)
    runner = Runner(g.build(y=y))
    runner.forward({"x": np.ones((rows, units))})
    (region,) = runner.last_pass.bound.steps
    turns = region.programs[True].turns
    assert isinstance(turns, TimeSliceLock) == small
    with turns:
        turns.rest()
        assert small or in_another_thread(lambda: _enter(turns)) is True
