"""Training by several processes: the interface of communicators, and the engine that trains through one."""

from graphnet.training.distributed.communicator import Communicator, Follow, Health, Message, Pending
from graphnet.training.distributed.data_parallel import DataParallel
from graphnet.training.distributed.follower import follow
from graphnet.training.distributed.group_signals import GroupChanged, GroupClosed
from graphnet.training.distributed.threads import ThreadCommunicator

__all__ = [
    "Communicator", "DataParallel", "Follow", "GroupChanged", "GroupClosed", "Health", "Message", "Pending",
    "ThreadCommunicator", "follow",
]  # fmt: skip
