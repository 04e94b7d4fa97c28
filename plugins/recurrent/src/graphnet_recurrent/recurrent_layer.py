"""The base of all recurrent layers: their options, and ``forward`` and ``backward`` with masks and memory."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import nullcontext
from dataclasses import field
from typing import Any, ClassVar

import numpy as np

from graphnet import Composite, ConfigError, Runner, ShapeError, StateError
from graphnet.authoring import positive, require
from graphnet_recurrent.adapter import Layout, SequenceAdapter
from graphnet_recurrent.layers.checks import check_limit, check_probability
from graphnet_recurrent.memory import Memory

RETURNS = ("all", "last", "state")


class RecurrentLayer(Composite):
    """Base of all recurrent layers: a graph over sequences, whose state can be kept between calls.

    A subclass defines ``build``, which returns the graph; ``graphnet_recurrent.recurrent.scan_graph`` makes one from a
    cell and the options. A :class:`SequenceAdapter` converts axes and masks, a :class:`Memory` keeps the state.

    The layers that the options add (a FullyConnected, initial states) have the dtype of the cell's weights.

    Parameters
    ----------
    reverse : bool
        Process each row from its last step to its first.
    returns : {'all', 'last', 'state'}
        The output at every step, ``(time, batch, units)``; the output at the step that is processed last (the last
        valid step of each row, with ``reverse`` the first one), ``(batch, units)``; or the cell's first state after
        that step. An empty row gives zeros, but its initial state for 'state'.
    learn_initial : bool
        Train the initial states, one array per state for all rows; otherwise they are zeros. With it, the states are
        not inputs of the graph.
    keep_input : float
        Probability of keeping a feature of the input, in (0, 1], with one mask for all steps of a sequence.
    keep_state : float
        The same for a unit of the first state where layers with weights read it (Gal & Ghahramani 2016). What other
        layers read, such as the part of the state that a GRU keeps, is not masked. A cell in which no layer with
        weights reads the first state is a ConfigError.
    clip_error : float, optional
        Above 0: clip the error for each state, at every step, to ``[-clip_error, clip_error]``.
    batch_major : bool
        Whether ``forward`` and ``backward`` take and return ``(batch, time, …)``. It can be assigned. In a graph, where
        axes have names, it has no effect.

    Attributes
    ----------
    memory : bool
        Whether ``forward`` starts from the state at the end of the last one; see ``toggle_memory``.
    state : dict of str to array, or None
        The state, such as ``(batch, units)``, at the end of the last ``forward``, by name. Assigning replaces it.
    """

    reverse: bool = field(default=False, kw_only=True)
    returns: str = field(default="all", kw_only=True)
    learn_initial: bool = field(default=False, kw_only=True)
    keep_input: float = field(default=1.0, kw_only=True)
    keep_state: float = field(default=1.0, kw_only=True)
    clip_error: float | None = field(default=None, kw_only=True)
    batch_major: bool = field(default=False, kw_only=True)

    #: A list of layers calls ``forward`` and ``backward`` of this layer itself, because it keeps a state.
    stateful_protocol: ClassVar[bool] = True

    def __post_init__(self) -> None:
        self._memory = Memory()
        super().__post_init__()
        self._adapter = SequenceAdapter(self.graph, self)

    def check(self) -> None:
        for name in ("reverse", "learn_initial", "batch_major"):
            require(isinstance(getattr(self, name), bool), self, name, "True or False")
        require(self.returns in RETURNS, self, "returns", "'all', 'last' or 'state'")
        check_probability(self, "keep_input")
        check_probability(self, "keep_state")
        check_limit(self, "clip_error", optional=True)
        for name in ("output_size", "bptt_length"):
            if getattr(self, name, None) is not None:
                positive(self, name)

    # ------------------------------------------------------------------ running
    def forward(self, input_tensor: Any, lengths: Any = None, mask: Any = None, **others: Any) -> Any:
        """Compute the output for sequences.

        Parameters
        ----------
        input_tensor : array_like, (time, input_size) or (time, batch, input_size)
            With ``batch_major`` ``(batch, time, input_size)``.
        lengths : array_like of int, (batch,), optional
            Valid steps of each row. Outputs beyond them are zero; the state is that at the end of the row. A row may be
            empty.
        mask : array_like of bool, (time, batch), optional
            Instead of lengths: the valid steps, anywhere in the row. The others are skipped, as if the row did not have
            them, and their outputs are zero. With ``batch_major`` ``(batch, time)``.
        **others : array_like
            Further inputs of the graph by name: sequences, initial states ``(batch, units)``, contexts.

        Raises
        ------
        ShapeError, DtypeError, DataError
            If the input does not fit.
        StateError
            If ``memory`` is on and the state has another batch size, or another thread is running ``forward``.
        """
        with self._exclusive("forward with memory") if self.memory else nullcontext():
            inputs, lengths, layout = self._adapter.read(
                input_tensor, others, lengths=lengths, mask=mask, batch_major=self.batch_major
            )
            self._memory.check_rows(layout.rows, self)
            runner = self._runner_for(layout)
            start = self._memory.start(others)
            outputs, end = runner.resume(inputs, start, phase=self.phase, lengths=lengths)
            output = np.array(next(iter(outputs.values())))
            self._runner = runner
            self._set_last((runner, layout))
            self._memory.keep(end)
            return layout.to_caller(output) if self.returns == "all" else output

    def backward(self, *errors: Any) -> Any:
        """Compute the error for the input from the error for the output; then update, if there is an optimizer.

        Parameters
        ----------
        *errors : array_like
            The gradient of the loss with respect to the output; then, optionally, with respect to the final states in
            the order of ``graph.outputs``.

        Returns
        -------
        array, or a tuple of arrays if ``forward`` was given further inputs, in the order in which they were given

        Raises
        ------
        StateError
            Before the first ``forward``, or if the last one was another thread's; while another thread is running
            ``backward`` or, if there is an optimizer, ``forward``.
        ShapeError, DtypeError
            If an error does not have the output's shape; nothing has changed then.
        """
        runner, layout = self._get_last()
        names = list(runner.graph.outputs)
        if not 1 <= len(errors) <= len(names):
            expected = f"errors for the first or more of {', '.join(names)}"
            raise ShapeError("wrong number of errors", where=repr(self), expected=expected, received=len(errors))
        error = self._adapter.as_array(errors[0], "error")
        if self.returns == "all" and error.ndim >= 2:
            error = layout.to_graph(error, f"{self!r}, the error" if layout.packing else "the error")
        with self._learning(runner):
            input_errors = runner.backward(dict(zip(names, (error, *errors[1:]), strict=False)))
            self._update()
        results = [self._adapter.input_error(name, input_errors[name], layout) for name in layout.names]
        return results[0] if len(results) == 1 else tuple(results)

    def _runner_for(self, layout: Layout) -> Runner:
        """The runner over the graph for a batch, or for one sequence; both have the same layers."""
        graph = self._adapter.single_graph if layout.single else self.graph
        if self._runner is None or self._runner.graph is not graph:
            return Runner(graph)
        return self._runner

    # ------------------------------------------------------------------ memory
    @property
    def memory(self) -> bool:
        """Whether ``forward`` starts from the state at the end of the last one."""
        return self._memory.enabled

    @memory.setter
    def memory(self, enabled: bool) -> None:
        self._memory.enabled = enabled

    @property
    def memorize(self) -> bool:
        """``memory`` by the name that later editions of the exercise use; assigning another value toggles it."""
        return self.memory

    @memorize.setter
    def memorize(self, enabled: bool) -> None:
        if not isinstance(enabled, (bool, np.bool_)):
            raise ConfigError(
                "not a truth value", where=f"{type(self).__name__}.memorize", expected="True or False",
                received=repr(enabled),
            )  # fmt: skip
        if bool(enabled) != self.memory:
            self.toggle_memory()

    def toggle_memory(self) -> None:
        """Flip ``memory``. False, the default: each ``forward`` starts from zeros. True: where the last one ended.

        This concerns ``forward`` of this layer. In a graph that a Runner runs, the states are inputs and outputs of the
        layer, or are carried over by ``Runner.forward(state=…)``.

        Raises
        ------
        StateError
            If a part of the layer runs in reverse, since it starts at the end of the sequence.
        """
        if any(getattr(layer, "reverse", False) for _, layer in self.graph.walk()):
            raise StateError(
                "a layer that runs backwards cannot keep a state",
                where=repr(self),
                expected="a layer without reverse",
                remedy="Pass whole sequences instead.",
            )
        self.memory = not self.memory

    @property
    def state(self) -> dict[str, np.ndarray] | None:
        """The state at the end of the last ``forward``, by name; None before it, and after ``reset_state()``."""
        return self._memory.arrays

    @state.setter
    def state(self, arrays: Mapping[str, Any] | None) -> None:
        if arrays is None:
            self.reset_state()
        else:
            self._memory.replace(arrays, Runner(self.graph).states, self)

    def reset_state(self, rows: Iterable[int] | int | None = None) -> None:
        """Discard the kept state, so that the next ``forward`` starts from the initial state.

        Parameters
        ----------
        rows : int or several, optional
            Rows of the batch, by position or as one truth value per row, that start from the initial state; the others
            continue. None: all rows, and any batch size.

        Raises
        ------
        StateError, DtypeError, DataError
            If these are not rows of the kept state; StateError also if another thread runs ``forward`` with memory.
        """
        with self._exclusive("reset_state"):
            if rows is None:
                self._memory.clear()
            else:
                self._memory.reset_rows(rows, self.graph, self)
