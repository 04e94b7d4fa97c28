"""New plugins: their names, the files of the template, and how they are written."""

from graphnet.scaffold.files import render
from graphnet.scaffold.names import Names
from graphnet.scaffold.write import write

__all__ = ["Names", "render", "write"]
