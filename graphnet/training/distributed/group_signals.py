"""What tells a rank other than 0 that its group is not as it was.

Neither is an error, so both pass through code that turns every Exception of a layer into an error of that layer.
"""


class GroupChanged(BaseException):
    """Rank 0 has begun a new generation of the group: what was under way is void."""


class GroupClosed(BaseException):
    """The group has ended, or this process is no longer a member of it."""
