"""The conformance kit: what plugin authors prove their layers with."""

from graphnet.testing.case import Case

__all__ = ["Case"]
