"""The conformance kit for communicators: checks of sums, messages, faults and ends.

In a test file, ``communicator_conformance`` makes one pytest item of each check. A communicator whose ranks are other
processes must be able to import this package there, because its program is :func:`obey`.
"""

from graphnet.testing.communicators.checks import COMMUNICATOR_CHECKS
from graphnet.testing.communicators.conformance import communicator_conformance
from graphnet.testing.communicators.program import obey

__all__ = ["COMMUNICATOR_CHECKS", "communicator_conformance", "obey"]
