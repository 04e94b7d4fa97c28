"""The command ``graphnet``: its options, its errors, and which commands it has."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from graphnet.core.errors import GraphnetError, RuleError, unknown
from graphnet.plugins.validation import COMMANDS

#: Set in a context's ``meta`` once everything has been checked and something runs.
RUNNING = "graphnet.running"
#: Set while the plugins that the options allow are in use.
LOADED = "graphnet.loaded"


class WrongInput(click.ClickException):
    """Refused before anything ran: one message to stderr, exit status 2."""

    exit_code = 2

    def show(self, file: Any = None) -> None:
        """Print the message."""
        click.echo(f"graphnet: error: {self.message}", err=True)


class Failed(WrongInput):
    """Went wrong while running: exit status 1."""

    exit_code = 1


class Commands(click.Group):
    """A group that imports its commands late, and turns graphnet's errors into messages."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The commands in the order in which people meet them, those of plugins last."""
        from graphnet.cli import provided

        with _plugins(ctx):
            return [*COMMANDS, *provided.names()]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """A command by name; plugins are loaded only where it is none of graphnet's own."""
        if cmd_name not in COMMANDS:
            from graphnet.cli import provided

            with _plugins(ctx):
                return provided.command(cmd_name)
        module = importlib.import_module(f"graphnet.cli.{cmd_name.replace('-', '_')}")
        command: click.Command = module.command
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; an error of graphnet is a message, unless a traceback is wanted."""
        try:
            with _plugins(ctx):
                return super().invoke(ctx)
        except (GraphnetError, OSError) as error:
            if ctx.params["traceback"] or isinstance(error, BrokenPipeError):
                raise
            running = ctx.meta.get(RUNNING) or isinstance(error, (RuleError, OSError))
            raise (Failed if running else WrongInput)(str(error)) from None


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
        others = [plugin.name for plugin in manager.plugins if plugin.distribution != "graphnet"]
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
    from importlib.metadata import version

    click.echo(f"graphnet {version('graphnet')}")
    ctx.exit()


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_print_version, help="Show the version."
)
@click.option("--no-plugins", is_flag=True, is_eager=True, help="Load no plugin but what comes with graphnet.")
@click.option(
    "--plugins",
    metavar="NAMES",
    is_eager=True,
    callback=_names,
    help="Load only these plugins (entry points or distributions, separated by commas); -NAME leaves one out.",
)
@click.option("--traceback", is_flag=True, help="Show where in the code an error was raised.")
@click.pass_context
def main(ctx: click.Context, no_plugins: bool, plugins: list[str] | None, traceback: bool) -> None:
    """Neural-network layers as plugins, models as graphs."""
