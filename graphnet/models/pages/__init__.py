"""Pages of HTML: one file that shows a model or a run, without a server and without a network."""

from graphnet.models.pages.report import report
from graphnet.models.pages.trace import trace

__all__ = ["report", "trace"]
