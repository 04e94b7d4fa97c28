"""The part of the stateful protocol that concerns weights: reading, setting, initializing, optimizers."""

from __future__ import annotations

from collections.abc import Mapping
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Self

from graphnet.core import late
from graphnet.core.attributes import as_attribute
from graphnet.core.checks import flag
from graphnet.core.concurrency.claims import READ, WRITE, Claim, Keys, check_unchanged
from graphnet.core.describe import deltas, weights
from graphnet.core.describe.parameter import Array, Parameter
from graphnet.core.describe.rules import Rules
from graphnet.core.describe.snapshot import Snapshot
from graphnet.core.describe.store import Store
from graphnet.core.errors import ConfigError, ShapeError


class Trainable(Rules):
    """A layer's weights, buffers and optimizer.

    Attributes
    ----------
    delta : float
        ``individual_delta`` of this layer: scales the learning rate, 1 at first. That of a composite layer applies to
        every layer inside, multiplied by the inner one's. 0 freezes the weights: they and the optimizer's moments stay
        bit for bit as they are. Assigning anything but a finite number of at least 0 is a ConfigError.
    params : read-only mapping of name to Parameter
        The layer's own weights; those of layers inside a composite layer are theirs.
    buffer_values : read-only mapping of name to array
        The layer's own untrained arrays, such as running statistics. (``buffers`` is the rule that describes them.)
    store : Store
        The object that holds both, for code that runs, saves or tests layers.
    """

    store: Store
    _delta: float
    _frozen: bool

    if TYPE_CHECKING:

        @property
        def params(self) -> Mapping[str, Parameter]: ...

        @property
        def buffer_values(self) -> Mapping[str, Array]: ...
    else:  # in C, because every pass reads them
        params = property(attrgetter("store.params"), doc="The layer's own weights by name; read-only.")
        buffer_values = property(attrgetter("store.buffers"), doc="The layer's own buffers by name; read-only.")

    def __new__(cls, *arguments: Any, **options: Any) -> Self:
        self = super().__new__(cls)
        self.store = Store()
        self._delta = 1.0
        self._frozen = False  # as configured: by the constructor, or by ``trainable``
        return self

    @property
    def delta(self) -> float:
        """The factor of this layer's learning rate; 0 freezes it."""
        return self._delta

    @delta.setter
    def delta(self, delta: float) -> None:
        checked = deltas.checked(delta, type(self).__name__)
        self._check_unchanged("delta")
        self._delta = checked

    def _keys(self) -> Keys:
        """The keys of a claim on the weights inside."""
        return weights.keys(weights.owners(self).values())

    def _writing(self, action: str) -> Claim:
        """A context for changes of the weights: no other thread uses them in the meantime."""
        return Claim(WRITE, self._keys(), action, self)

    def _reading(self, action: str) -> Claim:
        """A context in which no other thread changes the weights."""
        return Claim(READ, self._keys(), action, self)

    def _check_unchanged(self, action: str) -> None:
        """Raise StateError if another thread is training the weights, or changing them otherwise."""
        check_unchanged(self._keys, action, self)

    @property
    def has_weights(self) -> bool:
        """Whether this layer has weights (or will have them, once it has seen an input)."""
        return weights.has_weights(self)

    @property
    def trainable(self) -> bool:
        """Whether this layer has weights, and steps change them: its ``delta`` is not 0.

        False sets ``delta`` to 0, which freezes the weights of this layer and of all layers inside it; True sets a
        ``delta`` of 0 to 1. The constructor takes it as a keyword, ``FullyConnected(4, 3, trainable=False)``. It is
        part of the configuration: model files hold it. A ``delta`` that is assigned is not.

        Examples
        --------
        >>> from graphnet import FullyConnected
        >>> layer = FullyConnected(4, 3, trainable=False)
        >>> layer, layer.delta
        (FullyConnected(input_size=4, output_size=3, trainable=False), 0.0)
        """
        return self._delta != 0.0 and weights.has_weights(self)

    @trainable.setter
    def trainable(self, trainable: bool) -> None:
        if flag(type(self).__name__, "trainable", trainable) != (self._delta != 0.0):
            self.delta = float(trainable)
        self._frozen = not trainable

    def snapshot(self) -> Snapshot:
        """Return copies of all weights, gradients and buffers inside, with the states of the optimizers.

        Examples
        --------
        >>> from graphnet import FullyConnected
        >>> layer = FullyConnected(1, 1)
        >>> layer.set_weights([[2.0], [3.0]])
        >>> before = layer.snapshot()
        >>> layer.set_weights([[0.0], [0.0]])
        >>> layer.restore(before)
        >>> layer.get_weights()
        array([[2.],
               [3.]])
        """
        return Snapshot.take(self)

    def restore(self, snapshot: Snapshot) -> None:
        """Put back what ``snapshot()`` of this layer returned, any number of times.

        Weights and buffers that were created since are dropped, and created again when they are needed.

        Raises
        ------
        StateError
            If the snapshot is that of another layer, or another thread is using the weights.
        """
        with self._writing("restore"):
            snapshot.restore(self)

    def initialize(self, weights_initializer: Any, bias_initializer: Any = None) -> None:
        """Fill the weights with new values.

        Parameters
        ----------
        weights_initializer, bias_initializer : object or str
            With ``initialize(weights_shape, fan_in, fan_out) -> array``, or the name of a registered one, such as
            ``'xavier'``; biases are zeros by default. Weights whose sizes are not known yet are filled when they are
            created.

        Raises
        ------
        ConfigError
            If one has no ``initialize``.
        RuleError
            If an initializer returns another shape; nothing has changed then.
        StateError
            If another thread is using the weights.
        """
        weights_initializer, bias_initializer = weights.initializers(
            type(self).__name__, weights_initializer, bias_initializer
        )
        for initializer in (weights_initializer, bias_initializer):
            self._check_has(initializer, "initialize", "an initializer")
        with self._writing("initialize"):
            weights.initialize(weights.owners(self).values(), weights_initializer, bias_initializer)

    def _draw_known_weights(self) -> None:
        """Create weights, uniform in [0, 1), if the configuration determines their shapes."""
        if weights.are_deferred():
            return
        try:
            specs = self.parameters()
        except ShapeError:
            return
        weights.create(self, specs)

    def get_weights(self) -> Any:
        """A copy of the weights: one array, or a dictionary by path where a composite layer has several.

        Raises
        ------
        StateError
            If the layer has no weights, their sizes are not known yet, or another thread is training them.
        """
        with self._reading("get_weights"):
            return weights.get(self, lambda parameter: parameter.value)

    def get_gradient_weights(self) -> Any:
        """The gradient of the last ``backward``, summed over the batch; shaped like ``get_weights()``.

        Raises
        ------
        StateError
            Before the first ``backward``, or while another thread is training the weights.
        """
        with self._reading("get_gradient_weights"):
            return weights.get(self, Parameter.known_gradient)

    @property
    def gradient_weights(self) -> Any:
        """``get_gradient_weights()`` as an attribute.

        Raises
        ------
        NoValueYetError
            Before the first ``backward``; also an AttributeError, so that ``hasattr`` is False.
        """
        with as_attribute():
            return self.get_gradient_weights()

    def set_weights(self, values: Any) -> None:
        """Copy ``values`` into the weights; they keep their dtype.

        NaN and infinity are accepted; numbers that the dtype cannot hold are not.

        Raises
        ------
        ShapeError
            If the shape differs; the message has both.
        DataError
            If an integer would be rounded, or a finite number would become infinite.
        StateError
            If another thread is using the weights.
        """
        with self._writing("set_weights"):
            weights.put(self, values)

    def set_optimizer(self, optimizer: Any) -> None:
        """Set the optimizer with which ``backward`` updates the weights.

        The first weight array uses ``optimizer`` itself, every further one a copy; biases that are separate arrays
        are not regularized.

        Parameters
        ----------
        optimizer : object, str or None
            With ``calculate_update(individual_delta, weight_tensor, gradient_tensor) -> new weights``, or the name of a
            registered one, such as ``'adam'``; None: no updates.

        Raises
        ------
        ConfigError
            If it has no ``calculate_update``.
        StateError
            If another thread is training the weights.
        """
        optimizer = late.named(f"{type(self).__name__}.optimizer", "optimizers", optimizer)
        if optimizer is not None:
            self._check_has(optimizer, "calculate_update", "an optimizer")
        self._check_unchanged("set_optimizer")
        weights.set_optimizer(self, optimizer)

    def _check_has(self, thing: Any, method: str, what: str) -> None:
        if not callable(getattr(thing, method, None)) or isinstance(thing, type):
            expected = f"an object with {method}"
            raise ConfigError(f"not {what}", where=repr(self), expected=expected, received=repr(thing))

    @property
    def optimizer(self) -> Any:
        """The argument of the last ``set_optimizer``; assigning calls it."""
        return self.store.optimizer

    @optimizer.setter
    def optimizer(self, optimizer: Any) -> None:
        self.set_optimizer(optimizer)

    def calculate_regularization_loss(self) -> float:
        """The optimizer's regularizer's norm of the weights; 0 without one."""
        return weights.regularization_loss(self)
