"""The command ``graphnet``: its options, its subcommands, and its error messages."""

from __future__ import annotations

import importlib
import inspect
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from graphnet.cli import signals, streams
from graphnet.cli.paths import Names
from graphnet.core.distribution import NAME, VERSION
from graphnet.core.errors import GraphnetError, GraphnetWarning, RuleError, unknown
from graphnet.plugins.validation import COMMANDS

#: Set in a context's ``meta`` once all arguments have been checked and the command runs.
RUNNING = "graphnet.running"
#: The signals that have arrived, a :class:`graphnet.cli.signals.Signals`.
SIGNALS = "graphnet.signals"
#: Set while the plugins that the options allow are the current ones.
LOADED = "graphnet.loaded"


class WrongInput(click.ClickException):
    """An invalid argument or file: one message to stderr, exit status 2."""

    exit_code = 2

    def show(self, file: Any = None) -> None:
        """Print the message."""
        streams.Display(sys.stderr).print(f"graphnet: error: {self.message}")


class Failed(WrongInput):
    """An error while the command ran: exit status 1."""

    exit_code = 1


class Commands(click.Group):
    """A group that imports a command when it is used, and prints graphnet's errors as messages."""

    def main(self, *arguments: Any, **options: Any) -> Any:
        """Run the command line; standard output and signals are prepared for it."""
        streams.prepare()
        received = signals.Signals()
        with signals.installed(received):
            meta = options.pop("meta", {}) | {SIGNALS: received}
            return super().main(*arguments, obj=meta, **options)

    def make_context(self, *arguments: Any, **options: Any) -> click.Context:
        """Read the options; ``--help`` and ``--version`` print here, to what may be a full disk."""
        try:
            return super().make_context(*arguments, **options)
        except BrokenPipeError:
            raise
        except OSError as error:
            streams.flush_quietly()
            raise Failed(message(error)) from None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that the arguments name; for an unknown one, the message suggests others."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError:
            if args and not args[0].startswith("-"):
                remedy = "graphnet --help lists the commands."
                raise WrongInput(str(unknown("command", args[0], self.list_commands(ctx), remedy=remedy))) from None
            raise

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands, each with the first sentence of its help."""
        commands = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        rows = [
            (name, first_sentence(found.help)) for name, found in commands if found is not None and not found.hidden
        ]
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """List the commands in the usual order of use, those of plugins last."""
        from graphnet.cli import provided

        with _plugins(ctx):
            return [*COMMANDS, *provided.names()]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command by name; plugins are loaded only for a name that is not a command of graphnet."""
        if cmd_name not in COMMANDS:
            from graphnet.cli import provided

            with _plugins(ctx):
                return provided.command(cmd_name)
        module = importlib.import_module(f"graphnet.cli.{cmd_name.replace('-', '_')}")
        command: click.Command = module.command
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; print an error as a message, unless ``--traceback`` is given."""
        ctx.meta[SIGNALS] = (ctx.obj or {}).get(SIGNALS) or signals.Signals()
        try:
            with streams.short_warnings(), _plugins(ctx):
                return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except KeyboardInterrupt:
            ctx.exit(ctx.meta[SIGNALS].status)
        except Exception as error:
            if isinstance(error, OSError):
                streams.flush_quietly()
            if ctx.params["traceback"] or isinstance(error, BrokenPipeError):
                raise
            running = ctx.meta.get(RUNNING) or not isinstance(error, GraphnetError) or isinstance(error, RuleError)
            raise (Failed if running else WrongInput)(message(error)) from None


def message(error: Exception) -> str:
    """What the command line prints for an exception."""
    if isinstance(error, (GraphnetError, GraphnetWarning)):
        return str(error)
    if isinstance(error, OSError):
        return f"{error.filename}: {error.strerror}" if error.filename and error.strerror else str(error)
    if isinstance(error, MemoryError):
        return "there is not enough memory"
    return f"{type(error).__name__}: {error}. This is a fault of graphnet: report it with the output of --traceback."


def first_sentence(text: str | None) -> str:
    """The first sentence of a help text.

    Examples
    --------
    >>> first_sentence("Train a model,\\n    and write files. It may take long.")
    'Train a model, and write files.'
    """
    words = " ".join(inspect.cleandoc(text or "").split("\n\n")[0].split())
    return re.split(r"(?<=[.!?]) ", words, maxsplit=1)[0]


@contextmanager
def _plugins(ctx: click.Context) -> Iterator[None]:
    """Use the plugins that the options allow inside the block; without options, those that the environment allows."""
    allow = () if ctx.params.get("no_plugins") else ctx.params.get("plugins")
    if allow is None or ctx.meta.get(LOADED):
        yield
        return
    from graphnet.plugins import PluginManager, using

    manager = PluginManager()
    manager.load(allow=allow)
    if manager.not_installed:
        others = [plugin.name for plugin in manager.plugins if plugin.distribution != NAME]
        installed = [name for name in others if name not in manager.not_installed]
        raise WrongInput(str(unknown("plugin", manager.not_installed[0], installed, where="--plugins")))
    ctx.meta[LOADED] = True
    try:
        with using(manager):
            yield
    finally:
        ctx.meta[LOADED] = False


def _names(_: click.Context, __: click.Parameter, value: str | None) -> list[str] | None:
    return None if value is None else [name.strip() for name in value.split(",") if name.strip()]


def _print_version(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    if not value or ctx.resilient_parsing:
        return
    click.echo(f"graphnet {VERSION}")
    ctx.exit()


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_print_version, help="Show the version."
)
@click.option("--no-plugins", is_flag=True, is_eager=True, help="Load no plugins.")
@click.option(
    "--plugins",
    metavar="NAMES",
    type=Names("plugins,"),
    is_eager=True,
    callback=_names,
    help="Load only these plugins (entry points or distributions, separated by commas); -NAME excludes one.",
)
@click.option("--traceback", is_flag=True, help="Show the traceback of an error.")
@click.pass_context
def main(ctx: click.Context, no_plugins: bool, plugins: list[str] | None, traceback: bool) -> None:
    """Neural-network layers as plugins, models as graphs."""
