"""The conformance kit for layers: checks of gradients, shapes, dtypes, purity, files and the layer protocol.

In a test file, ``conformance`` makes one pytest item of each check. On the command line, ``graphnet check
DISTRIBUTION`` runs the same checks on the cases that a plugin registers.
"""

from graphnet.testing.capabilities import CAPABILITIES
from graphnet.testing.case import Case
from graphnet.testing.case_run import run
from graphnet.testing.check import Check
from graphnet.testing.checks import CHECKS
from graphnet.testing.conformance import conformance
from graphnet.testing.outcome import Outcome

__all__ = ["CAPABILITIES", "CHECKS", "Case", "Check", "Outcome", "conformance", "run"]
