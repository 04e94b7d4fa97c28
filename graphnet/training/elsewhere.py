"""What other libraries call the settings of a training, and what to pass here."""

from __future__ import annotations

_OPTIMIZER = "The learning rate belongs to the optimizer: optimizer=Adam(0.01), for example."
_INPUTS = "Pass inputs and targets first: fit(inputs, targets, epochs=20)."
_HELD_OUT = "validation=0.2 holds out a share; validation_data=(inputs, targets) passes other examples."

#: Remedies for arguments of other libraries.
ELSEWHERE = {
    "learning_rate": _OPTIMIZER, "lr": _OPTIMIZER, "momentum": "optimizer=SgdWithMomentum(0.01, 0.9), for example.",
    "weight_decay": "optimizer=AdamW(0.01, weight_decay=0.01), for example.",
    "x": _INPUTS, "X": _INPUTS, "y": _INPUTS, "labels": _INPUTS,
    "validation_split": _HELD_OUT, "val_data": _HELD_OUT, "validation_fraction": _HELD_OUT,
    "early_stopping": "patience=5 stops after 5 epochs without improvement.",
    "initializer": "weights_initializer=..., bias_initializer=...",
    "device": "graphnet computes on the CPU.",
}  # fmt: skip
