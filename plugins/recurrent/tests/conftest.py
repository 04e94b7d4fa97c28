"""Every test draws the same random numbers, independent of the tests before it."""

import pytest

import graphnet


@pytest.fixture(autouse=True)
def _seeded():
    graphnet.seed(0)
