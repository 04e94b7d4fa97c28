"""``graphnet explain`` and ``graphnet profile``."""

import json

import pytest
from click.testing import CliRunner

from graphnet.cli.group import main

FILE = """\
format: graphnet/1
name: small
inputs:
  x: batch, feature=3
nodes:
  hidden: {layer: FullyConnected, with: {input_size: 3, output_size: 4}, inputs: x}
outputs: {scores: hidden}
"""


@pytest.mark.parametrize("command", ["explain", "profile"])
def test_command_prints_text_and_json(command, tmp_path):
    path = tmp_path / "model.yaml"
    path.write_text(FILE)
    shown = CliRunner().invoke(main, [command, str(path)])
    assert shown.exit_code == 0, shown.output
    assert "hidden" in shown.output
    data = json.loads(CliRunner().invoke(main, [command, str(path), "--json"]).output)
    assert data["setting"].startswith("train phase, batch 32")
    assert CliRunner().invoke(main, [command, str(tmp_path / "none.yaml")]).exit_code == 2
