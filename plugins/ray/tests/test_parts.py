"""The parts of the communicator that need no Ray: mailbox, clock, settings, versions, messages of errors."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest

pytest.importorskip("graphnet_ray")

from graphnet import ConfigError
from graphnet.distributed import GroupChanged, GroupClosed
from graphnet_ray import RayCommunicator
from graphnet_ray.clock import RunningClock
from graphnet_ray.follower import RayFollower
from graphnet_ray.introduction import differences, versions
from graphnet_ray.mailbox import Mailbox
from graphnet_ray.roster import ended


@pytest.fixture
def mailbox():
    """That of rank 2 of 3, in generation 5."""
    box = Mailbox()
    box.announce(5, 2, 3)
    return box


def test_what_an_earlier_generation_sends_is_ignored(mailbox):
    mailbox.put("messages", 4, 0, "old")
    mailbox.put("messages", 5, 0, ({}, ["new"]))
    assert mailbox.message(5, 0) == (5, ({}, ["new"]))
    mailbox.announce(4, 0, 1)
    assert (mailbox.generation, mailbox.rank, mailbox.size) == (5, 2, 3)


def test_a_message_may_arrive_before_its_generation_is_announced(mailbox):
    mailbox.put("messages", 6, 0, "first")
    mailbox.put("messages", 5, 3, "void")
    mailbox.announce(6, 1, 2)
    assert mailbox.message(5, 3) == (6, "first")


def test_a_follower_joins_the_new_generation_in_its_next_broadcast(mailbox):
    follower = RayFollower(mailbox)
    pending = follower.begin_sum(np.ones(2))
    mailbox.announce(6, 1, 2)
    with pytest.raises(GroupChanged):
        pending.result()
    with pytest.raises(GroupChanged):
        follower.begin_sum(np.ones(2))
    mailbox.put("messages", 6, 0, ({"a": 1}, []))
    assert follower.broadcast().header == {"a": 1}
    assert (follower.generation, follower.rank, follower.size) == (6, 1, 2)
    assert mailbox.contribution(5, 0) is None


def test_a_contribution_is_awaited_and_the_end_of_the_program_is_its_answer(mailbox):
    timer = threading.Timer(0.05, RayFollower(mailbox).begin_sum, [np.arange(3)])
    timer.start()
    np.testing.assert_array_equal(mailbox.contribution(5, 0), np.arange(3))
    mailbox.end("it failed")
    assert mailbox.contribution(5, 1) == "it failed"


def test_a_closed_group_ends_every_wait(mailbox):
    follower = RayFollower(mailbox)
    threading.Timer(0.05, mailbox.close).start()
    with pytest.raises(GroupClosed):
        follower.broadcast()
    with pytest.raises(GroupClosed):
        follower.sum(np.ones(1), everywhere=False)


def test_time_in_which_the_process_did_not_run_does_not_count(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    clock = RunningClock(gap=1.0)
    for seconds in (0.5, 300.0, 0.25):
        now[0] += seconds
        clock.tick()
    assert clock.now == pytest.approx(0.5 + 1.0 + 0.25)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("timeout", 0), ("timeout", "long"), ("silence", float("nan")), ("silence", True), ("start_timeout", float("inf")),
        ("cpus", 0), ("cpus", 1.5), ("object_store", 10), ("replace", "no"), ("address", 6379), ("address", ""),
    ],
)  # fmt: skip
def test_invalid_options_are_refused_before_ray_starts(option, value):
    with pytest.raises(ConfigError, match=f"invalid option '{option}'"):
        RayCommunicator.launch(2, print, **{option: value})


def test_versions_that_differ_are_named():
    here = versions()
    assert {"Python", "numpy", "graphnet-framework"} <= here.keys()
    assert differences(here, dict(here)) == []
    there = {**here, "numpy": "1.0", "graphnet-other": "2"}
    assert differences(here, there) == ["graphnet-other 2 instead of missing", f"numpy 1.0 instead of {here['numpy']}"]


def test_the_reason_of_an_end_is_one_sentence():
    text = "The actor died.\n\tactor_id: 12\nWorker exit type: SYSTEM_ERROR Worker exit detail: Connection lost. Some causes: many."
    assert ended(RuntimeError(text)) == "its process has ended (Connection lost)"
    assert ended(RuntimeError("The node has died.\nmore")) == "its process has ended (The node has died.)"
