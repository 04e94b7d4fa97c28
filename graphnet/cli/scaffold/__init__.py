"""New plugins: their names, the files of the template, and how they are written."""

from graphnet.cli.scaffold.files import render
from graphnet.cli.scaffold.names import Names
from graphnet.cli.scaffold.write import write

__all__ = ["Names", "render", "write"]
