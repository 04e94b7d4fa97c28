"""``graphnet sweep``."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from graphnet.cli.group import RUNNING, SIGNALS
from graphnet.cli.paths import FilledPath, ReadPath


@click.command("sweep")
@click.argument("sweep", type=ReadPath(), required=False)
@click.option("--resume", metavar="FOLDER", type=FilledPath(), help="Go on with the sweep in this folder.")
@click.option("--show", metavar="FOLDER", type=FilledPath(), help="Show the results of the sweep in this folder.")
@click.option("--output", type=FilledPath(), help="Folder for the sweep, new or empty.")
@click.option(
    "--runs", type=FilledPath(), default=Path("runs"), show_default=True, help="Folder for numbered sweeps and runs."
)
@click.option("--jobs", type=click.IntRange(0), help="Processes that train at the same time; 0: this process.")
@click.option("--on", metavar="NAME", help="What trains the runs: ray (needs graphnet-ray). Default: processes here.")
@click.option("--address", help="With --on: the cluster, such as auto or HOST:6379. Default: Ray on this machine.")
@click.option("--trials", type=click.IntRange(1), help="Number of trials; with --resume, more than before.")
@click.option("--max-failures", type=click.IntRange(1), help="With --resume: failed trials after which it stops.")
@click.option("--allow", metavar="NAMES", help="With --resume: what may differ; see graphnet train --help.")
@click.option("--all", "every", is_flag=True, help="Show all trials, not the best ten.")
@click.option("--json", "as_json", is_flag=True, help="With --show: as JSON.")
@click.option("--csv", "as_csv", is_flag=True, help="With --show: as CSV.")
@click.pass_context
def command(
    ctx: click.Context,
    sweep: Path | None,
    resume: Path | None,
    show: Path | None,
    output: Path | None,
    runs: Path,
    jobs: int | None,
    on: str | None,
    address: str | None,
    trials: int | None,
    max_failures: int | None,
    allow: str | None,
    every: bool,
    as_json: bool,
    as_csv: bool,
) -> None:
    """Train a model file many times: with other settings, seeds or folds.

    SWEEP is a YAML file that names the model file and what varies; docs/sweeps.md describes it. Each trial is an
    ordinary run in the folder of the sweep. Ctrl-C stops it after a checkpoint of each run; a sweep that was stopped or
    killed goes on with --resume, without losing or repeating a trial.
    """
    from graphnet.cli.signals import Signals
    from graphnet.cli.streams import Display
    from graphnet.sweeps import start
    from graphnet.sweeps.results import results

    if sum(each is not None for each in (sweep, resume, show)) != 1:
        raise click.UsageError("Give one of SWEEP, --resume and --show.")
    _refuse_unused(ctx, "resume" if resume is not None else "show" if show is not None else "sweep")
    if show is not None:
        found = results(show)
        text = found.to_csv().rstrip() if as_csv else json.dumps(found.as_dict(), indent=1) if as_json else None
        click.echo(text or f"{found.table(None if every else 10)}\n\n{ending(found)}")
        return
    signals: Signals = ctx.meta.setdefault(SIGNALS, Signals())
    display = Display(sys.stdout)

    def interrupted() -> bool:
        return signals.received is not None

    def shown(line: str) -> None:
        ctx.meta[RUNNING] = True
        display.print(line)

    with signals.deferring():
        if resume is not None:
            names = [name.strip() for name in (allow or "").split(",") if name.strip()]
            result = start.resume(resume, jobs=jobs, trials=trials, allow=names, max_failures=max_failures, shown=shown,
                                  interrupted=interrupted, executor=on, address=address)  # fmt: skip
        else:
            assert sweep is not None
            result = start.sweep(sweep, output=output, runs=runs, jobs=jobs, trials=trials, shown=shown,
                                 interrupted=interrupted, executor=on, address=address)  # fmt: skip
    display.print(f"\n{result.table(None if every else 10)}\n\n{ending(result)}")
    if result.state != "finished" and interrupted():
        click.echo(f"go on with: graphnet sweep --resume {result.path}", err=True)
        ctx.exit(signals.status)
    if result.best is None:  # every trial has failed
        ctx.exit(1)


def ending(result: object) -> str:
    """How far a sweep is, where it is, and where its best run is."""
    from graphnet.sweeps.results import SweepResult

    assert isinstance(result, SweepResult)
    done = [each.state for each in result.trials if each.state != "unfinished"]
    counts = [f"{done.count(state)} {state}" for state in ("finished", "pruned", "failed") if state in done]
    lines = [
        f"sweep: {result.path}  {result.state}, {len(done)} of {result.wanted} trials ({', '.join(counts) or 'none'})"
    ]
    if result.best_path is not None and result.best is not None:
        lines.append(f"best run: {result.best_path}  (trial {result.best.number})")
    return "\n".join(lines)


#: The options of each way of calling the command.
USED = {
    "sweep": ("sweep", "output", "runs", "jobs", "on", "address", "trials", "every"),
    "resume": ("resume", "jobs", "on", "address", "trials", "max_failures", "allow", "every"),
    "show": ("show", "every", "as_json", "as_csv"),
}


def _refuse_unused(ctx: click.Context, way: str) -> None:
    """Refuse options that would have no effect."""
    for parameter in ctx.command.params:
        given = ctx.get_parameter_source(parameter.name or "") == click.core.ParameterSource.COMMANDLINE
        if given and parameter.name not in USED[way]:
            what = "a SWEEP.yaml" if way == "sweep" else f"--{way}"
            raise click.UsageError(f"{parameter.opts[0]} cannot be given with {what}.")
