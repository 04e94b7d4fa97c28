"""A checker for solutions of the exercise that graphnet's contract comes from, and of its later editions."""

from graphnet.exercise.finding import Finding
from graphnet.exercise.process import Report, check

__all__ = ["Finding", "Report", "check"]
