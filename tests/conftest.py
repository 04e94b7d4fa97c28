"""Every test draws the same random numbers, whatever ran before it."""

import pytest
from helpers.every_backend import every_backend as every_backend

import graphnet


@pytest.fixture(autouse=True)
def _seeded():
    graphnet.seed(0)
