"""profile times and measures every node."""

import pytest
from helpers.inspected_model import Branching, model
from helpers.random_models import Tanh

from graphnet import ConfigError
from graphnet.inspect.profile import profile


def test_profile_counts_every_node():
    result = profile(model(Branching), batch=2, steps=6, repeat=2)
    costs = {c.path: c for c in result.costs}
    assert costs["scan/gate"].calls == 6 and costs["first"].calls == 1
    assert costs["scan/gate"].output_bytes == 6 * 2 * 4 * 4
    assert all(c.forward > 0 and c.backward > 0 for c in result.costs)
    assert result.compiled_forward > 0


def test_profile_prints_sums():
    lines = str(profile(model(), batch=2, steps=6, repeat=1)).splitlines()
    assert lines[0] == "train phase, batch 2, 6 steps, float32, medians of 1"
    assert "output KB" in lines[3]
    last = next(i for i, line in enumerate(lines) if line.startswith("all"))
    assert lines[last + 2].startswith("compiled: ")
    assert [line.split(":")[0].strip() for line in lines[last + 3 :]] == ["scan", "first … last_tanh"]


def test_profile_without_repeats_is_refused():
    with pytest.raises(ConfigError, match="repeat"):
        profile(model(), repeat=0)


def test_profile_leaves_the_graph_unchanged():
    graph = model()
    profile(graph, batch=2, steps=3, repeat=1)
    assert not any(layer.params for layer in graph.layers().values() if layer.__class__ is Tanh)
    assert all(p.gradient is None for layer in graph.layers().values() for p in layer.params.values())
