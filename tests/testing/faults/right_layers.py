"""Right layers that a careless kit would blame, of every sort."""

from __future__ import annotations

from right_borders import RIGHT as BORDERS
from right_sequences import RIGHT as SEQUENCES
from right_unusual import RIGHT as UNUSUAL
from right_values import RIGHT as VALUES
from right_weights import RIGHT as WEIGHTS

RIGHT = [*VALUES, *WEIGHTS, *SEQUENCES, *UNUSUAL, *BORDERS]
