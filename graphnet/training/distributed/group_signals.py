"""What tells a rank other than 0 that its group is not as it was; neither is an error."""


class GroupChanged(Exception):
    """Rank 0 has begun a new generation of the group: what was under way is void."""


class GroupClosed(Exception):
    """The group has ended, or this process is no longer a member of it."""
