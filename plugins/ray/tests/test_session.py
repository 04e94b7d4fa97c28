"""Connections to Ray."""

from __future__ import annotations

import pytest

from graphnet import ConfigError

ray = pytest.importorskip("ray", reason="Ray is not installed")
pytest.importorskip("graphnet_ray")

from graphnet_ray import connect  # noqa: E402


def test_an_address_without_a_cluster_is_an_error_that_names_it():
    with pytest.raises(ConfigError, match=r"address '127\.0\.0\.1:9'"):
        connect("127.0.0.1:9")
