"""What the progress of a training run says, as text."""

from __future__ import annotations

from graphnet.training.history import EpochRecord


def figures(record: EpochRecord) -> str:
    """Format the loss and the first metric of an epoch; those of held-out examples follow a slash.

    Examples
    --------
    >>> figures(EpochRecord(1, 0.5, {"accuracy": 0.75}, 0.625, {"accuracy": 0.5}))
    'loss 0.5000 / 0.6250  accuracy 0.750 / 0.500'
    """
    held = "" if record.validation_loss is None else f" / {record.validation_loss:.4f}"
    parts = [f"loss {record.loss:.4f}{held}"]
    for name, value in list(record.metrics.items())[:1]:
        held = f" / {record.validation_metrics[name]:.3f}" if name in record.validation_metrics else ""
        parts.append(f"{name} {value:.3f}{held}")
    return "  ".join(parts)


def duration(seconds: float) -> str:
    """Seconds as hours, minutes and seconds.

    Examples
    --------
    >>> duration(3723.4)
    '1:02:03'
    """
    whole = round(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"
