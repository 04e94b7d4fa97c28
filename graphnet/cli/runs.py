"""``graphnet runs``."""

from __future__ import annotations

import json
from pathlib import Path

import click

from graphnet.cli.paths import FilledPath


@click.command("runs")
@click.argument("folder", type=FilledPath("folder"), default=Path("runs"))
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def command(folder: Path, as_json: bool) -> None:
    """List the runs and sweeps in a folder: their state, epochs or trials, best metric and time.

    FOLDER is runs, unless it is given; it may also be the folder of one run, or of a sweep, whose runs are listed.
    """
    from graphnet.cli.columns import columns
    from graphnet.io.run_list import runs
    from graphnet.io.sweep_files import sweeps

    found, swept = runs(folder), sweeps(folder)
    if as_json:
        click.echo(json.dumps([*(each.as_dict() for each in swept), *(run.as_dict() for run in found)], indent=2))
    elif not found and not swept:
        click.echo(f"{folder}: no runs")
    else:
        rows = []
        for run in found:
            epochs = f"{run.epochs}/{run.of}" if run.of is not None else str(run.epochs)
            best = "-" if run.metric is None else f"{run.metric[0]} {run.metric[1]:.4g} (epoch {run.metric[2]})"
            rows.append((str(run.path), run.state, epochs, best, duration(run.seconds), "resumable" * run.resumable))
        for sweep in swept:
            best = "-" if sweep.metric is None else f"{sweep.metric[0]} {sweep.metric[1]:.4g} (trial {sweep.metric[2]})"
            trials, time = f"{sweep.trials}/{sweep.of} trials", duration(sweep.seconds)
            rows.append((str(sweep.path), sweep.state, trials, best, time, "resumable" * sweep.resumable))
        click.echo(columns([("run", "state", "epochs", "best", "time", ""), *sorted(rows)]))


def duration(seconds: float) -> str:
    """A time in hours, minutes and seconds.

    Examples
    --------
    >>> duration(3725), duration(61.2), duration(0.25)
    ('1:02:05', '1:01', '0.2 s')
    """
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
