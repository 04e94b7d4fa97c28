"""Reading SWEEP.yaml, and the model file of a sweep with the values of a trial in it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from graphnet.core.errors import ConfigError, FileError, GraphnetError
from graphnet.core.files.border import reading
from graphnet.io.model_file import ModelFile, build_model, read_text
from graphnet.io.objects import construct
from graphnet.io.tree import Item, Place, read
from graphnet.io.yaml_events import events
from graphnet.models.data_paths import is_file
from graphnet.models.data_setting import FOLD, PATH, path_in, replaced
from graphnet.plugins import manager
from graphnet.sweeps.parameters import Choices
from graphnet.sweeps.paths import with_value
from graphnet.sweeps.settings import Sweep


@dataclass(frozen=True)
class SweepFile:
    """A sweep, its text, and the places of its values.

    Attributes
    ----------
    sweep : Sweep
    text : str
    tree : Item
    folder : Path
        The folder to which its paths are relative.
    """

    sweep: Sweep
    text: str
    tree: Item
    folder: Path

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> SweepFile:
        """Read a SWEEP.yaml.

        Raises
        ------
        FileError
            If it cannot be read, or is not YAML.
        GraphnetError
            For all other faults, with file, line and key path.
        """
        return cls.parse(read_text(path, "a sweep file"), str(path), Path(path).parent)

    @classmethod
    def parse(cls, text: str, source: str, folder: Path) -> SweepFile:
        """Read a sweep from its text; see :meth:`read`."""
        with reading(source, "a sweep"):
            tree = read(text, source)
            if "model" not in tree.mapping() and {"format", "nodes"} & set(tree.value):
                raise ConfigError("a model file, not a sweep", where=source, expected="model: FILE, parameters: …",
                                  remedy="Write a file that names the model.")  # fmt: skip
            sweep = construct(tree, Sweep, manager().registry, "a sweep")
        return cls(sweep, text, tree, folder)

    @classmethod
    def of(cls, sweep: Sweep) -> SweepFile:
        """The file of a sweep that was made in Python; its paths are relative to the working directory."""
        return cls.parse(yaml.emit(events(sweep.values()), allow_unicode=True, width=110), "Sweep", Path())

    def place(self, *keys: str) -> Place:
        """The place of a value in the file."""
        return self.tree.find(keys).place

    def value_place(self, name: str) -> Place:
        """The place of the values of a parameter."""
        return self.tree.find(("parameters", name, "choices")).place


@dataclass(frozen=True)
class Template:
    """The model file of a sweep.

    Attributes
    ----------
    text, source : str
    folder : Path
        The folder to which the paths in it are relative.
    name : str
        The name of the graph, if the file has none.
    """

    text: str
    source: str
    folder: Path
    name: str

    def model(
        self, file: SweepFile, values: Mapping[str, Any], seed: int | None = None, fold: Mapping[str, int] | None = None
    ) -> ModelFile:
        """The model with the values of a trial; errors about these have their place in the file of the sweep.

        Raises
        ------
        GraphnetError
        """
        return build_model(lambda: self._tree(file, values, seed, fold), self.source, allocate=False)

    def _tree(
        self, file: SweepFile, values: Mapping[str, Any], seed: int | None, fold: Mapping[str, int] | None
    ) -> Item:
        tree = read(self.text, self.source)
        if "name" not in tree.mapping():
            tree = Item({"name": Item(self.name, tree.place), **tree.value}, tree.place)
        if file.sweep.data is not None:
            tree = with_value(tree, "training.data", self._data(file, tree), file.place("data"))
        if fold is not None:
            found = tree.find(("training", "data"))
            data = found.value if found.place.key == "data" else None
            setting = {} if data is None else {PATH: data} if isinstance(data, str) else plain(found)
            setting = {name: value for name, value in setting.items() if name not in FOLD}
            tree = with_value(tree, "training.data", {**setting, **fold}, file.place("repeat", "folds"))
        for path, value in file.sweep.fixed.items():
            tree = with_value(tree, path, value, file.place("fixed", path))
        for name, value in values.items():
            for path in file.sweep.parameters[name].paths:
                tree = with_value(tree, path, value, file.value_place(name))
        if seed is not None:
            tree = with_value(tree, "training.seed", seed, file.place("repeat", "seeds"))
        return tree

    def _data(self, file: SweepFile, tree: Item) -> Any:
        """The data of the sweep, with the settings of the model file where only a path was given."""
        given = file.sweep.data
        name = path_in(given)
        if name is not None and is_file(name, file.folder) and not os.path.isabs(os.path.expanduser(name)):
            given = replaced(given, os.path.relpath(file.folder / name, self.folder))
        if isinstance(given, Mapping) and isinstance(given.get("test"), str):
            given = {**given, "test": os.path.relpath(file.folder / given["test"], self.folder)}
        written = tree.find(("training", "data"))
        if isinstance(given, str) and isinstance(written.value, dict) and written.place.key == "data":
            return {**plain(written), PATH: given}
        if isinstance(given, Mapping) and PATH not in given and written.place.key == "data":
            return {**({PATH: written.value} if isinstance(written.value, str) else plain(written)), **given}
        return given


def plain(item: Item) -> Any:
    """A tree as plain data."""
    if isinstance(item.value, dict):
        return {key: plain(part) for key, part in item.value.items()}
    if isinstance(item.value, list):
        return [plain(part) for part in item.value]
    return item.value


def check_values(file: SweepFile, template: Template, first: Mapping[str, Any]) -> None:
    """Read the model with each value of each parameter in turn, beside the first values of the others.

    Only an error about the value itself counts: another one may be of a combination that does not occur.

    Raises
    ------
    GraphnetError
        With the place of the value in the file of the sweep.
    """
    for name, parameter in file.sweep.parameters.items():
        domain = parameter.domain
        values = domain.values if isinstance(domain, Choices) else (domain.low, domain.high)
        place = str(file.value_place(name))
        for value in values:
            try:
                template.model(file, {**first, name: value})
            except GraphnetError as error:
                if error.where is not None and place in error.where and not isinstance(error, FileError):
                    raise
