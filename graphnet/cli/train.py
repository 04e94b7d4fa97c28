"""``graphnet train``."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from graphnet.cli import data_options
from graphnet.cli.group import RUNNING, SIGNALS
from graphnet.cli.paths import FilledPath, Names, ReadPath, max_bytes

if TYPE_CHECKING:
    from graphnet.models.train_file import TrainingJob
    from graphnet.training.distributed import DataParallel
    from graphnet.training.history import History


@click.command("train")
@click.argument("model", type=ReadPath(), required=False)
@click.option(
    "--resume", metavar="RUN", type=FilledPath("runs"), help="Go on with the run in this folder, with its settings."
)
@click.option(
    "--allow",
    metavar="NAMES",
    type=Names("differences,"),
    help="What may differ from the run that is resumed: model, settings, data, seed, dtype, backend, versions, "
    "callbacks, schedule; separated by commas.",
)
@click.option(
    "--data",
    type=Names("datasets", "file"),
    help="Name of a data set, or path of a file or folder, instead of the model file's.",
)
@data_options.data_options
@click.option("--output", type=FilledPath("folder"), help="Folder for the run, new or empty.")
@click.option(
    "--runs",
    type=FilledPath("folder"),
    default=Path("runs"),
    show_default=True,
    help="Folder for numbered runs.",
)
@click.option("--seed", type=int, help="Seed for weights, dropout and the order of examples.")
@click.option("--epochs", type=int, help="Number of passes over the training examples.")
@click.option("--batch-size", type=int, help="Examples in each update.")
@click.option("--drop-last", is_flag=True, default=None, help="Omit a smaller last batch.")
@click.option("--threads", type=int, help="Number of BLAS threads.")
@click.option(
    "--backend", type=Names("backends"), help="The backend: numpy, reference (node by node), or one of a plugin."
)
@click.option("--workers", type=int, help="Processes that compute each batch together; see docs/distributed.md.")
@click.option("--communicator", type=Names("communicators"), help="What connects them: ray, unless another is named.")
@click.option("--address", metavar="ADDRESS", help="Of a cluster that is running, as the communicator takes it.")
@click.option(
    "--find-rate", is_flag=True, help="Instead of training, try rising learning rates, and suggest one; writes nothing."
)
@click.option("--on-nan", type=click.Choice(["stop", "skip"]), help="What follows numbers that are not finite.")
@click.option("--detect-anomaly", is_flag=True, default=None, help="Check every node in every batch (slow).")
@click.option(
    "--save-bad-batch", metavar="FILE", type=Names("file"), help="Save a batch that is not finite (.npz, mode 0600)."
)
@max_bytes
@click.pass_context
def command(
    ctx: click.Context,
    model: Path | None,
    resume: Path | None,
    allow: str | None,
    data: str | None,
    output: Path | None,
    runs: Path,
    seed: int | None,
    epochs: int | None,
    batch_size: int | None,
    drop_last: bool | None,
    threads: int | None,
    backend: str | None,
    workers: int | None,
    communicator: str | None,
    address: str | None,
    find_rate: bool,
    on_nan: str | None,
    detect_anomaly: bool | None,
    save_bad_batch: str | None,
    max_bytes: int | None,
    **data_settings: Any,
) -> None:
    """Train the model in a file, and write a folder with checkpoints, weights, metrics and settings.

    With --resume, a run that was stopped or killed goes on from its last checkpoint, into the same folder, as if it
    had never been stopped; --epochs may give it more epochs.
    """
    from graphnet.cli.signals import Signals
    from graphnet.cli.stopping import StopOnSignal
    from graphnet.cli.streams import Display
    from graphnet.inspect.doctor import backend_line
    from graphnet.models.train_file import prepare, prepare_resumed, report_lines
    from graphnet.training.progress import progress

    settings = {
        "seed": seed, "epochs": epochs, "batch_size": batch_size, "drop_last": drop_last, "threads": threads,
        "backend": backend, "on_nan": on_nan, "detect_anomaly": detect_anomaly, "save_bad_batch": save_bad_batch,
    }  # fmt: skip
    engine = _engine(workers, communicator, address)
    signals: Signals = ctx.meta.setdefault(SIGNALS, Signals())
    shown = progress(sys.stdout)
    callbacks = [shown, StopOnSignal(signals)]
    if resume is None:
        if model is None or allow is not None:
            raise click.UsageError("Missing argument 'MODEL'." if model is None else "--allow needs --resume.")
        session = prepare(
            model,
            data=_data(data, data_settings),
            output=output,
            runs=runs,
            callbacks=callbacks,
            max_bytes=max_bytes,
            engine=engine,
            **settings,
        )
    else:
        _refuse_settings(ctx)
        names = [name.strip() for name in (allow or "").split(",") if name.strip()]
        session = prepare_resumed(resume, epochs=epochs, allow=names, data=data, callbacks=callbacks, engine=engine)
        if session.over:
            more = "It no longer improved." if session.exhausted else "More epochs: --epochs N"
            click.echo(f"{resume}: the run has ended; nothing was changed. {more}")
            return
    if find_rate:
        _show_rates(session)
        return
    session.folder.stop = lambda: signals.received is not None
    ctx.meta[RUNNING] = True
    try:
        with signals.deferring():
            history = session.train()
        session.evaluate()
    finally:
        shown.close()
    if history.stopped == "interrupted":
        click.echo(f"interrupted: {kept(history)}", err=True)
        click.echo(f"go on with: graphnet train --resume {session.path}", err=True)
    display = Display(sys.stdout, owned=True)  # the files are written: nobody has to read this
    ran = backend_line(session.trainer.runner.backend)
    for line in (f"backend: {ran}", f"run: {session.path}", *report_lines(session.test)):
        display.print(line)
    if history.stopped == "interrupted":
        ctx.exit(signals.status)


def _show_rates(session: TrainingJob) -> None:
    """Print the losses of rising learning rates, and the rate to choose."""
    from graphnet.training import find_rate

    trainer, train = session.trainer, session.data.train
    curve = find_rate(trainer.graph, train.inputs, train.targets, trainer.config)
    click.echo(curve.table())
    present = getattr(trainer.config.optimizer, "learning_rate", None)
    if curve.suggestion is None:
        click.echo(f"the loss never falls; the learning rate of the file is {present:g}")
    else:
        click.echo(f"suggested learning rate: {curve.suggestion:.2g} (in the file: {present:g})")


def _engine(workers: int | None, communicator: str | None, address: str | None) -> DataParallel | None:
    """The engine of the command line; None if no workers were asked for."""
    if workers is None:
        if communicator is not None or address is not None:
            option = "--communicator" if communicator is not None else "--address"
            raise click.UsageError(f"{option} needs --workers.")
        return None
    from graphnet.training.distributed import DataParallel

    options: dict[str, Any] = {} if address is None else {"address": address}
    return DataParallel(communicator or "ray", workers=workers, **options)


def _data(path: str | None, options: Mapping[str, Any]) -> Any:
    """The setting ``training.data`` of the command line; None if nothing was given."""
    given = data_options.settings(options)
    if not given:
        return path
    return given if path is None else {"path": path, **given}


#: What may be given together with --resume.
RESUMABLE = ("resume", "allow", "epochs", "data", "workers", "communicator", "address")


def _refuse_settings(ctx: click.Context) -> None:
    """Refuse what would change the run that is resumed."""
    for parameter in ctx.command.params:
        given = ctx.get_parameter_source(parameter.name or "") == click.core.ParameterSource.COMMANDLINE
        if given and parameter.name not in RESUMABLE:
            name = "MODEL" if parameter.name == "model" else parameter.opts[0]
            raise click.UsageError(f"{name} cannot be given with --resume: the run has its model and its settings.")


def kept(history: History) -> str:
    """Which weights a run that was interrupted has kept."""
    if history.best_epoch:
        return f"the weights of the best epoch, {history.best_epoch}, were kept"
    return "no epoch was completed; the weights of the last batch were kept"
