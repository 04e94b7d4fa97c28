"""The sums of gradients, each begun as soon as a backward pass has completed what belongs to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from graphnet.core.describe.parameter import Array, Parameter
from graphnet.training.distributed.buckets import Bucket
from graphnet.training.distributed.communicator import Pending
from graphnet.training.distributed.contributions import Contributions


class GradientSums:
    """Adds up the gradients of a batch, bucket by bucket, in the same order on all ranks.

    The transfer of a bucket overlaps with the rest of the backward pass; so it needs to be complete: the gradients of a
    layer are, once all its uses have been counted.

    Parameters
    ----------
    buckets : sequence of Bucket
    parameters : mapping of path to Parameter
    contributions : Contributions
    """

    def __init__(
        self, buckets: Sequence[Bucket], parameters: Mapping[str, Parameter], contributions: Contributions
    ) -> None:
        self.buckets, self.parameters, self.contributions = buckets, parameters, contributions
        self._ready: dict[str, Array] = {}
        self._pending: list[Pending] = []
        layers = {path.rpartition("/")[0] for path in parameters}
        self._names = {layer: [p for p in parameters if p.rpartition("/")[0] == layer] for layer in layers}

    def completed(self, layer: str, gradients: Mapping[str, Array]) -> None:
        """Take the gradients of a layer, and begin the sums that are complete; weights without one have zeros."""
        for path in self._names.get(layer, ()):
            gradient = gradients.get(path.rpartition("/")[2])
            self._ready[path] = np.zeros_like(self.parameters[path].value) if gradient is None else gradient
        while len(self._pending) < len(self.buckets):
            bucket = self.buckets[len(self._pending)]
            if not all(path in self._ready for path in bucket.paths):
                return
            self._begin(bucket.flat(self._ready))

    def finish(self) -> None:
        """Begin the sums that are left, after the backward pass, or without one: then all are zeros."""
        for bucket in self.buckets[len(self._pending) :]:
            if self.contributions.counts:
                arrays = {path: self.parameters[path].known_gradient() for path in bucket.paths}
                self._begin(bucket.flat(arrays))
            else:
                self._begin(np.zeros(bucket.size, bucket.dtype))

    def _begin(self, flat: Array) -> None:
        self._pending.append(self.contributions.begin(flat, check=True))

    def results(self) -> dict[str, Array]:
        """Wait for all sums; the gradients by path, on rank 0."""
        found: dict[str, Array] = {}
        for bucket, pending in zip(self.buckets, self._pending, strict=False):
            flat = pending.result()
            found |= bucket.views(flat) if len(flat) else {}
        return found
