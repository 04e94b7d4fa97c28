"""``graphnet watch``."""

from __future__ import annotations

import time
from pathlib import Path

import click

from graphnet.cli.paths import FilledPath, ReadPath

#: Seconds between two looks at the files of the run.
PAUSE = 0.5


@click.command("watch")
@click.argument("run", type=FilledPath("runs"))
@click.option("--port", type=click.IntRange(0, 65535), help="The port; 0: any free one.  [default: one for this run]")
@click.option("--measure/--no-measure", default=True, show_default=True, help="Profile and compile the model.")
@click.option(
    "--example", type=ReadPath(), help="An .npz file of inputs: show what each node computes for its first row."
)
@click.option("--confusion", is_flag=True, help="Evaluate the test split of the run's data: the confusion matrix.")
@click.option(
    "--worst",
    type=click.IntRange(0, 50),
    default=0,
    metavar="N",
    help="Show the N test examples with the largest loss.",
)
@click.option("--batch", type=click.IntRange(1), default=8, show_default=True, help="Rows, to measure.")
@click.option("--steps", type=click.IntRange(1), default=20, show_default=True, help="Steps, to measure.")
def command(
    run: Path,
    port: int | None,
    measure: bool,
    example: Path | None,
    confusion: bool,
    worst: int,
    batch: int,
    steps: int,
) -> None:
    """Serve the page of `graphnet report` for a run while it goes on, with new curves and weights without a reload.

    The page is on 127.0.0.1 only, and needs the token in the address that is printed. The run need not have begun, may
    be killed and may go on; nothing in its folder is changed. What costs time (profile, --example, --confusion,
    --worst) is computed here, at low priority, from the newest checkpoint. Ctrl-C ends the server.
    """
    from graphnet.data.datasets.npz_file import load_arrays
    from graphnet.inspect.drawing.places import graphlay
    from graphnet.models.watching import Measurements, Parts, WatchedRun, kept_address, serve

    graphlay()  # an error now, rather than a page without a graph
    values = None if example is None else load_arrays(example)
    measurements = Measurements(run, Parts(measure, values, confusion, worst, batch, steps))
    watched = WatchedRun(run, measurements)
    token, usual = kept_address(run)
    try:
        with serve(watched.read, usual if port is None else port, token=token, other=port is None) as server:
            server.update()
            if not watched.begun:
                click.echo(f"{run}: the run has not begun yet")
            click.echo(f"watch {server.address}")
            while True:
                time.sleep(PAUSE)
                server.update()
    finally:
        measurements.close()
