"""Fixtures of this suite."""

from helpers.every_backend import every_backend as every_backend
