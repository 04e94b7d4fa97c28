"""What a page says by default about a run on its own data: shares, norms and counts, and no values."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from graphnet.core.errors import GraphnetError
from graphnet.data.dataset import Split
from graphnet.models.model import Model
from graphnet.models.pages.facts import cleaned, confusion_data
from graphnet.models.pages.recorded import record_data
from graphnet.models.train_file import tested

#: Test examples of a confusion matrix that nobody asked for; and those among which the longest one is run.
MOST, AMONG = 5000, 50


def own_data(path: str | os.PathLike[str], *, recorded: bool, confusion: bool) -> dict[str, Any]:
    """Saturation and gradients for an example of the test split, and the confusion matrix of its first examples.

    What cannot be computed is left out; ``missing_data`` says why.
    """
    try:
        model, dataset = tested(path, None)
    except (GraphnetError, OSError) as error:
        return {"missing_data": cleaned(str(error))}
    found: dict[str, Any] = {}
    reasons = []
    if recorded:
        try:
            row = _longest(dataset.test)
            example = {name: values[row] for name, values in dataset.test.inputs.items()}
            found["recorded"] = record_data(model.graph, example, values=False)
            found["recorded_of"] = f"test example {row}"
        except GraphnetError as error:
            reasons.append(str(error))
    if confusion:
        try:
            found |= _confusion(model, dataset.test)
        except GraphnetError as error:
            reasons += [str(error)] if dataset.classes else []  # without classes, there is no such matrix
    if reasons:
        found["missing_data"] = cleaned("; ".join(reasons))
    return found


def _longest(split: Split) -> int:
    """The first of the longest among the first examples."""
    values = next(iter(split.inputs.values()))
    return int(np.argmax([np.shape(each)[0] if np.ndim(each) else 0 for each in values[:AMONG]]))


def _confusion(model: Model, split: Split) -> dict[str, Any]:
    inputs = {name: values[:MOST] for name, values in split.inputs.items()}
    found = confusion_data(model.confusion_matrix(inputs, split.targets[:MOST]))
    return {"confusion": found | ({"of": MOST} if len(split) > MOST else {})}
