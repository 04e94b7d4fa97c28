"""Training by several processes: the interface of communicators, and the engine that trains through one."""

from graphnet.training.distributed.communicator import Communicator, Follow, Health, Message, Pending
from graphnet.training.distributed.group_signals import GroupChanged, GroupClosed

__all__ = ["Communicator", "Follow", "GroupChanged", "GroupClosed", "Health", "Message", "Pending"]
