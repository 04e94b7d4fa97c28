"""Every test draws the same random numbers, whatever ran before it."""

import pytest

import graphnet
from graphnet.testing.every_backend import every_backend as every_backend


@pytest.fixture(autouse=True)
def _seeded():
    graphnet.seed(0)
