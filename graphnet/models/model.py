"""A model: a graph, its weights and how it is trained, ready to use."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from graphnet.core import random
from graphnet.core.checks import integer
from graphnet.core.concurrency.claims import READ, WRITE, Claim
from graphnet.core.describe.graph import Graph
from graphnet.core.describe.parameter import Array
from graphnet.core.errors import FileError, GraphnetError, RuleError, ShapeError
from graphnet.core.phase import Phase
from graphnet.core.run.runner import Runner
from graphnet.core.run.state import State
from graphnet.data.batches import Examples
from graphnet.data.examples import examples
from graphnet.data.masks import checked_masks, put_back, time_first
from graphnet.data.ports import input_ports
from graphnet.data.sources import SequenceSource
from graphnet.io import atomic, load_state, load_weights, read_model, save_state, save_weights, write_model
from graphnet.io.run_folder import MODEL, STATE, VERSIONS, WEIGHTS, refuse_used
from graphnet.io.versions import versions
from graphnet.plugins import manager
from graphnet.training.callbacks import Callback
from graphnet.training.config import TrainingConfig
from graphnet.training.evaluation import evaluate
from graphnet.training.history import History
from graphnet.training.trainer import Trainer

#: Examples that ``predict`` runs at a time.
ROWS = 256


class Model:
    """A graph with its weights, and how it is trained.

    Any number of threads may call ``predict`` and ``evaluate`` at the same time. While one thread trains, ``predict``,
    ``evaluate``, ``fit`` and ``save`` of every other one raise StateError, and so does ``fit`` while another thread
    uses the model; see docs/threads.md.

    Parameters
    ----------
    graph : Graph
    config : TrainingConfig, optional

    Attributes
    ----------
    graph : Graph
    config : TrainingConfig
        Of the next ``fit``, and the losses and metrics of ``evaluate``.
    runner : Runner
    history : History or None
        Of the last ``fit`` of this object.
    state : State
        Where ``predict(stateful=True)`` goes on from: empty at first, after training on a Stream where that ended. It
        is saved and loaded with the weights.
    path : Path or None
        Where it was loaded from.

    Raises
    ------
    GraphError, ShapeError
        If the graph cannot be compiled.

    Examples
    --------
    >>> import numpy as np
    >>> from graphnet import Builder, FullyConnected
    >>> from graphnet.optimizers import Adam
    >>> g = Builder("classes")
    >>> model = Model(g.build(scores=FullyConnected(2, 2)(g.input("x", "batch, feature=2"))))
    >>> x = np.array([[0.0, 1.0], [1.0, 0.0]])
    >>> history = model.fit(x, [0, 1], optimizer=Adam(0.1), epochs=50, seed=3)
    >>> model.predict(x).argmax(axis=1)
    array([0, 1])
    """

    def __init__(self, graph: Graph, config: TrainingConfig | None = None) -> None:
        self.graph = graph
        self.config = TrainingConfig() if config is None else config
        self.runner = Runner(graph, backend=self.config.backend)
        self.history: History | None = None
        self.state = State()
        self.path: Path | None = None

    # ------------------------------------------------------------------ using it
    def predict(
        self, inputs: Any, *, lengths: Any = None, mask: Any = None, batch_size: int = ROWS, stateful: bool = False
    ) -> Any:
        """The outputs for some examples, in the test phase.

        Parameters
        ----------
        inputs : array, list of sequences, or mapping of input name to either
            See :func:`graphnet.data.examples.examples`.
        lengths : int array, or mapping of input name to it, optional
            Valid steps of each row of a padded array; outputs beyond them are zero.
        mask : boolean array (time, batch), or mapping of input name to it, optional
            Instead of lengths: the steps of a padded array that are there, anywhere in a row; outputs of the others are
            zero.
        batch_size : int
            Examples run at a time; the outputs depend on it in rounding only.
        stateful : bool
            Go on from ``state``, and leave it where these examples end: the rows of one call are those of the next,
            each with its next steps. See ``reset_state``.

        Returns
        -------
        array, list of arrays, or mapping of output name to either
            No mapping where the graph has one output. A list, of the valid steps of each sequence, for an output with
            axes (time, batch, …) where its sequences came as a list. The caller may write to all of it.

        Raises
        ------
        ShapeError, DtypeError, DataError, ConfigError
            Before anything runs.
        StateError
            If ``state`` has another number of rows, or a Scan goes backwards; if another thread is training the model,
            or with ``stateful`` if another thread is in such a call.
        """
        batch_size = integer("predict", "batch_size", batch_size, 1)
        with self._claim(READ, "predict"):
            if not stateful:
                return self._predicted(inputs, lengths, mask, batch_size, None)[0]
            with self._state_claim("predict(stateful=True)"):
                found, self.state = self._predicted(inputs, lengths, mask, None, self.state)
                return found

    def _predicted(
        self, inputs: Any, lengths: Any, mask: Any, batch_size: int | None, state: State | None
    ) -> tuple[Any, State]:
        """What ``predict`` returns, and where the state is then; with a state all examples run at once."""
        runner, turned = self.runner, self.config.batch_major
        data = examples(runner, inputs, lengths=lengths, mask=mask, batch_major=turned, dtype=self.config.dtype)
        if state is not None:
            state.check(runner.states, len(data), repr(self))
        parts: dict[str, list[Array]] = {name: [] for name in self.graph.outputs}
        ended = State() if state is None else state
        for batch in data.batches(len(data) if batch_size is None else batch_size):
            counts = batch.lengths_or_none
            if state is None:
                outputs = runner.forward(batch.inputs, phase=Phase.test, lengths=counts, keep=False)
            else:
                outputs, ended = runner.resume(batch.inputs, state, phase=Phase.test, lengths=counts, keep=False)
            for name, output in outputs.items():
                parts[name] += _parts(data, name, output, batch.lengths)
        found = {name: self._joined(data, name, arrays) for name, arrays in parts.items()}
        if mask is not None:
            found = self._with_gaps(data, found, inputs, mask)
        if turned:
            found = time_first(found, {name for name, port in data.outputs.items() if port.origin is not None})
        return next(iter(found.values())) if len(found) == 1 else found, ended

    def _claim(self, level: int, action: str) -> Claim:
        """A context in which this thread uses the weights: see ``graphnet.core.concurrency.claims``."""
        return Claim(level, self.runner.keys, action, self)

    def _state_claim(self, action: str) -> Claim:
        """A context in which this thread alone uses ``state``."""
        return Claim(WRITE, frozenset([("state", id(self))]), action, self)

    def reset_state(self, rows: Any = None) -> None:
        """Let the next ``predict(stateful=True)`` begin anew.

        Parameters
        ----------
        rows : int or several, optional
            Positions of the rows that begin anew, while the others go on; None: all, which may then be another number.

        Raises
        ------
        StateError, DtypeError, DataError
            If these are no rows of the state; StateError also if another thread is in a stateful ``predict``.
        """
        with self._state_claim("reset_state"):
            self.state.reset(rows)

    def _with_gaps(self, data: Examples, found: dict[str, Any], inputs: Any, mask: Any) -> dict[str, Any]:
        """Outputs over time as padded arrays again, with zeros in the steps that are not there."""
        ports = input_ports(self.graph)
        given = inputs if isinstance(inputs, dict) else dict.fromkeys(list(data.inputs)[:1], inputs)
        turned = self.config.batch_major
        given = time_first(given, {name for name, port in ports.items() if port.sequence}) if turned else given
        masks = checked_masks(self.graph, ports, given, mask, None, turned)
        return {
            name: put_back(value, masks[origin]) if (origin := data.outputs[name].origin) in masks else value
            for name, value in found.items()
        }

    @staticmethod
    def _joined(data: Examples, name: str, arrays: list[Array]) -> Any:
        return arrays if _listed(data, name) else np.concatenate(arrays, axis=data.outputs[name].axis)

    def evaluate(self, inputs: Any, targets: Any = None, *, lengths: Any = None, mask: Any = None) -> dict[str, float]:
        """``loss`` and every metric of ``config`` by name, in the test phase.

        Parameters
        ----------
        inputs, targets, lengths, mask
            See :func:`graphnet.data.examples.examples`; or a Stream alone.

        Raises
        ------
        ConfigError, ShapeError, DtypeError, DataError
            Before anything runs.
        StateError
            If another thread is training the model.
        """
        return evaluate(self.runner, self.config, inputs, targets, lengths=lengths, mask=mask)

    def fit(
        self,
        inputs: Any,
        targets: Any = None,
        *,
        lengths: Any = None,
        mask: Any = None,
        validation_data: Any = None,
        warm_start: bool = False,
        callbacks: Iterable[Callback] = (),
        **settings: Any,
    ) -> History:
        """Train on some examples; see :meth:`graphnet.training.trainer.Trainer.fit`.

        Parameters
        ----------
        inputs, targets, lengths, mask, validation_data
            See there; a Stream has its targets itself.
        warm_start : bool
            Go on from the present weights; otherwise they are drawn anew from the seed.
        callbacks : iterable of Callback
        **settings
            Fields of :class:`~graphnet.training.config.TrainingConfig`, which replace those of ``config`` from now on.

        Raises
        ------
        ConfigError, ShapeError, DtypeError, DataError
            Before anything changes.
        StateError
            If the loss is no longer finite; before anything changes, if another thread is using the model.
        """
        with self._claim(WRITE, "fit"), self._state_claim("fit"):
            config = self.config.changed(**settings)
            trainer = Trainer(self.graph, config, callbacks=callbacks)
            before, self.config = self.config, config  # callbacks evaluate by the losses and metrics of this training
            try:
                trainer.fit(
                    inputs,
                    targets,
                    lengths=lengths,
                    mask=mask,
                    validation_data=validation_data,
                    warm_start=warm_start,
                )
            finally:
                if not trainer.history.epochs:
                    self.config = before
                else:
                    self.history, self.runner = trainer.history, trainer.runner
                    self.state = State() if trainer.state is None else trainer.state
            return trainer.history

    # ------------------------------------------------------------------ files
    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write the graph, the configuration and the weights to a new folder, which ``graphnet.load`` opens.

        Raises
        ------
        FileError
            If the folder holds something, or cannot be written.
        ShapeError
            If the sizes of the weights are not known yet.
        StateError
            If another thread is training the model.
        """
        with self._claim(READ, "save"):
            self._save(Path(folder))

    def _save(self, path: Path) -> None:
        self._materialize()
        refuse_used(path)
        path.mkdir(parents=True, exist_ok=True)
        write_model(path / MODEL, self.runner.completed(), self.config)
        save_weights(path / WEIGHTS, self.runner)
        if self.state.rows is not None:
            save_state(path / STATE, self.state)
        atomic.write(path / VERSIONS, (json.dumps(versions(), indent=2) + "\n").encode())

    def export(self, form: str = "mermaid") -> str | bytes:
        """This model as a file for other programs.

        Parameters
        ----------
        form : str
            Name of an exporter, graphnet's or a plugin's.

        Raises
        ------
        UnknownNameError
            If there is no such exporter.
        RuleError
            If the exporter fails, or returns neither text nor bytes.
        """
        entry = manager().registry.get("exporters", form)
        try:
            made = entry.object(self)
        except GraphnetError:
            raise
        except Exception as error:  # the exporter is a stranger's
            raise RuleError(f"the exporter failed: {type(error).__name__}: {error}", where=entry.id) from error
        if not isinstance(made, (str, bytes)):
            raise RuleError(
                "the exporter returned no file", where=entry.id, expected="text or bytes", received=type(made).__name__
            )
        return made

    def _materialize(self) -> None:
        """Make the weights that do not exist yet, with draws that do not count."""
        if self.runner.drawn:
            return
        with random.using(np.random.default_rng(self.config.seed)):
            self.runner.materialize()

    def __repr__(self) -> str:
        return f"Model({self.graph!r})"


def load(path: str | os.PathLike[str]) -> Model:
    """A model from a folder that ``graphnet train`` or ``Model.save`` wrote, with its weights; or from a model file.

    A model file alone has no weights: they are drawn with the initializers and the seed of its configuration, ready
    for ``fit``.

    Raises
    ------
    FileError
        If there is nothing to read, or a file does not say what it must.
    UnknownNameError, PluginError
        If a layer or a plugin that it needs is not there; the message says what to install.
    """
    path = Path(path)
    folder = path if path.is_dir() else None
    file = path if folder is None else folder / MODEL
    _require(file, "a model file, or the folder of a run")
    if folder is not None:
        _require(folder / WEIGHTS, "the weights of a run")
    with random.using(np.random.default_rng(0)):  # making layers draws weights, which must not count
        read = read_model(file)
    model = Model(read.graph, read.training)
    model.path = path
    _initialize(model)
    if folder is not None:
        load_weights(folder / WEIGHTS, model.runner)
        if (folder / STATE).is_file():
            model.state = load_state(folder / STATE, model.runner)
    return model


def _initialize(model: Model) -> None:
    """Initial weights, as far as the declared inputs tell their sizes; the rest follows at the first input."""
    with random.using(np.random.default_rng(model.config.seed)):
        with contextlib.suppress(ShapeError):
            model.runner.materialize()
        model.runner.initialize(model.config.weights_initializer, model.config.bias_initializer)


def _require(path: Path, expected: str) -> None:
    if not path.is_file():
        received = "a folder" if path.is_dir() else "nothing there"
        raise FileError("cannot be read", where=str(path), expected=expected, received=received)


def _listed(data: Examples, name: str) -> bool:
    """Whether the valid steps of an output come back as a list."""
    origin = data.outputs[name].origin
    return origin is not None and isinstance(data.inputs[origin], SequenceSource)


def _parts(data: Examples, name: str, output: Array, lengths: Any) -> list[Array]:
    """One array a sequence, or the whole array."""
    if not _listed(data, name):
        return [output]
    counts = lengths[data.outputs[name].origin]
    return [np.array(output[:count, i]) for i, count in enumerate(counts)]
