"""``graphnet report``."""

from __future__ import annotations

from pathlib import Path

import click

from graphnet.cli.paths import FilledPath, ReadPath, output


@click.command("report")
@click.argument("runs", type=FilledPath("runs"), nargs=-1, required=True, metavar="RUN...")
@output("A new file.  [default: NAME.html, after the run or model; comparison.html for several]")
@click.option("--measure/--no-measure", default=True, show_default=True, help="Profile and compile it.")
@click.option(
    "--example", type=ReadPath(), help="An .npz file of inputs: show what each node computes for its first row."
)
@click.option(
    "--confusion/--no-confusion",
    default=None,
    help="Evaluate the test split of a run's data: the confusion matrix.  [default: of at most 5,000 examples]",
)
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
    runs: tuple[Path, ...],
    output: Path | None,
    force: bool,
    measure: bool,
    example: Path | None,
    confusion: bool | None,
    worst: int,
    batch: int,
    steps: int,
) -> None:
    """Write a page of HTML that shows a run or a model: its graph down to each gate, weights, curves and costs.

    Several runs: the page of the first one, with the curves of all over each other and the settings in which they
    differ. The page is one file that loads nothing from elsewhere. Values of --example and --worst are in
    it.
    """
    from graphnet.data.datasets.npz_file import load_arrays
    from graphnet.io import atomic
    from graphnet.models.pages import report
    from graphnet.models.train_file import confusion_of_run

    printed = str(output) == "-"
    run = runs[0]
    name = f"{run.resolve().name.removesuffix('.yaml')}.html" if len(runs) == 1 else "comparison.html"
    target = Path(name) if output is None else output
    if not printed:
        atomic.refuse_existing(target, force=force)
    text = report(
        list(runs) if len(runs) > 1 else run,
        example=None if example is None else load_arrays(example),
        confusion=confusion_of_run(run) if confusion else confusion,
        worst=worst,
        measure=measure,
        batch=batch,
        steps=steps,
    )
    if printed:
        click.echo(text, nl=False)
        return
    atomic.write(target, text.encode())
    click.echo(f"wrote {target}")
