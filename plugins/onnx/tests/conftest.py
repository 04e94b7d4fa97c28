"""Fixtures of this suite."""

from graphnet.testing.every_backend import every_backend as every_backend
