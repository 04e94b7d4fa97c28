"""The distribution as graphnet finds it."""

from importlib.metadata import entry_points


def test_the_entry_point_is_announced():
    assert [point.value for point in entry_points(group="graphnet", name="onnx")] == ["graphnet_onnx.plugin"]
