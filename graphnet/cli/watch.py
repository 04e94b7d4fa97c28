"""``graphnet watch``."""

from __future__ import annotations

import time
from pathlib import Path

import click

from graphnet.cli.paths import FilledPath

#: Seconds between two looks at the files of the run.
PAUSE = 0.5


@click.command("watch")
@click.argument("run", type=FilledPath("runs"))
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="The port.  [default: any free port]")
def command(run: Path, port: int) -> None:
    """Serve the page of a run while it goes on: graph, weights and curves, without a reload.

    The page is on 127.0.0.1 only, and needs the token in the address that is printed. The run need not have begun, may
    be killed and may go on; nothing in its folder is changed. Ctrl-C ends the server.
    """
    from graphnet.inspect.drawing.places import graphlay
    from graphnet.models.watching import serve
    from graphnet.models.watching.run import WatchedRun

    graphlay()  # an error now, rather than a page without a graph
    watched = WatchedRun(run)
    with serve(watched.read, port) as server:
        server.update()
        if not watched.begun:
            click.echo(f"{run}: the run has not begun yet")
        click.echo(f"watch {server.address}")
        while True:
            time.sleep(PAUSE)
            server.update()
