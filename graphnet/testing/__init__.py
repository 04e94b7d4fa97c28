"""The conformance kit: what plugin authors prove their layers with.

In a test file, ``conformance`` makes one pytest item a check; from the shell, ``graphnet check DISTRIBUTION`` runs
the same checks on the cases that a plugin registers.
"""

from graphnet.testing.capabilities import CAPABILITIES
from graphnet.testing.case import Case
from graphnet.testing.check import CHECKS, Check
from graphnet.testing.conformance import conformance
from graphnet.testing.report import Outcome, run

__all__ = ["CAPABILITIES", "CHECKS", "Case", "Check", "Outcome", "conformance", "run"]
