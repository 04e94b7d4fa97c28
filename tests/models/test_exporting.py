"""Which exporter writes a file, and the options of exporters."""

from __future__ import annotations

import pytest

from graphnet import ConfigError, FullyConnected, Model, Sequential, UnknownNameError
from graphnet.models.exporting import exporter_for, options_of


def model():
    return Model(Sequential(FullyConnected(3, 2), shape="batch, feature=3"))


@pytest.mark.parametrize("path", ["a/b.mmd", "b.MMD", "page.mermaid", "page.md", "no_ending", "/dev/stdout"])
def test_mermaid_writes_text(path):
    assert exporter_for(path).rpartition("/")[2] == "mermaid"


def test_unknown_ending_lists_the_known_ones():
    with pytest.raises(
        ConfigError, match=r"no exporter writes files with this ending; expected .*\.mmd.*, received \.xyz"
    ):
        exporter_for("graph.xyz")


def test_options_are_keyword_only_parameters():
    def plain(model): ...
    def some(model, *, size=1, colour="red"): ...
    def any_other(model, *, size, **rest): ...

    assert [options_of(each) for each in (plain, some, any_other)] == [
        ([], False), (["size", "colour"], False), (["size"], True),
    ]  # fmt: skip


def test_option_that_an_exporter_lacks():
    with pytest.raises(ConfigError, match=r"mermaid: this exporter has no option 'colour'; expected depth"):
        model().export("mermaid", colour="red")
    with pytest.raises(UnknownNameError, match="unknown exporter"):
        model().export("mermade", colour="red")
