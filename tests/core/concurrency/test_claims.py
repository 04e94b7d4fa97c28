"""Which calls two threads may make at once."""

import pytest
from helpers.concurrency import in_another_thread

from graphnet import BatchNormalization, Dropout, FullyConnected, StateError
from graphnet.core.concurrency import claims
from graphnet.core.concurrency.claims import GRADIENTS, KEPT_STATE, READ, WRITE, Claim
from graphnet.core.describe import weights

ALLOWED = {(READ, READ), (READ, GRADIENTS), (GRADIENTS, READ)}
KEYS = frozenset([1, 2])


def entered(level, keys=KEYS):
    with Claim(level, keys, "later", "place"):
        return True


@pytest.mark.parametrize("first", [READ, GRADIENTS, WRITE, KEPT_STATE])
@pytest.mark.parametrize("second", [READ, GRADIENTS, WRITE, KEPT_STATE])
def test_claims_conflict_as_documented(first, second):
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
def test_claim_ends_with_any_exception(error):
    with pytest.raises(error), Claim(WRITE, KEYS, "fit", "place"):
        raise error
    assert in_another_thread(lambda: entered(WRITE)) is True
    assert not claims._active and not claims._exclusive


def test_refused_claim_leaves_nothing():
    with Claim(WRITE, KEYS, "fit", "place"):
        in_another_thread(lambda: entered(WRITE))
        assert len(claims._active) == 1
    assert not claims._active and not claims._exclusive


def test_keys_of_layers_with_arrays():
    layers = [FullyConnected(2, 2), Dropout(0.5), BatchNormalization()]
    assert weights.keys(layers) == {id(layers[0]), id(layers[2])}


@pytest.mark.parametrize(("first", "second"), [(a, b) for a in (READ, GRADIENTS, WRITE) for b in (READ, GRADIENTS)])
def test_entering_without_a_lock_meets_no_other_thread(first, second):
    def enter():
        claim = Claim(second, KEYS, "later", "place")
        found = claim.entered()
        claim.leave()
        return found

    with Claim(first, KEYS, "earlier", "place"):
        assert enter()  # the same thread
        assert in_another_thread(enter) is (first == READ and second == READ)
    assert in_another_thread(enter) is True
    assert not claims._active and not claims._exclusive


def test_claim_entered_without_a_lock_refuses_others():
    claim = Claim(GRADIENTS, KEYS, "earlier", "place")
    assert claim.entered()
    assert isinstance(in_another_thread(lambda: entered(WRITE)), StateError)
    assert isinstance(in_another_thread(lambda: entered(GRADIENTS)), StateError)
    assert in_another_thread(lambda: entered(READ)) is True
    claim.leave()
    claim.leave()
    assert in_another_thread(lambda: entered(WRITE)) is True
