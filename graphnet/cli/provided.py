"""The commands of plugins; an exception in one becomes a message that names the plugin."""

from __future__ import annotations

from typing import Any

import click

from graphnet.core.errors import GraphnetError, RuleError


def names() -> list[str]:
    """Return the names of the plugins' commands, in the order of loading; qualified if two have the same name."""
    from graphnet.plugins import manager

    registry = manager().registry
    return [registry.short_name(entry) for entry in registry.entries("commands")]


def command(name: str) -> click.Command | None:
    """Return a plugin's command; None for an unknown name.

    Raises
    ------
    PluginError
        If two plugins register it.
    """
    from graphnet.plugins import manager

    registry = manager().registry
    if not registry.matching("commands", name):
        return None
    entry = registry.get("commands", name)
    return Guarded(name, entry.object, entry.id)  # type: ignore[arg-type]


class Guarded(click.Command):
    """A plugin's command; any exception that it raises becomes a message that names the plugin."""

    def __init__(self, name: str, own: click.Command, owner: str) -> None:
        super().__init__(
            name, help=_help(own), add_help_option=False, context_settings={"ignore_unknown_options": True}
        )
        self.own, self.owner = own, owner

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """Return the context of the plugin's command, with its options."""
        context: click.Context = self._guarded(self.own.make_context, info_name, args, parent=parent, **extra)
        context.command = self
        return context

    def invoke(self, ctx: click.Context) -> Any:
        """Run the plugin's command."""
        ctx.command = self.own
        return self._guarded(self.own.invoke, ctx)

    def _guarded(self, function: Any, *arguments: Any, **options: Any) -> Any:
        try:
            return function(*arguments, **options)
        except (GraphnetError, click.exceptions.Exit, click.exceptions.Abort, click.ClickException, OSError):
            raise
        except Exception as error:
            raise RuleError(
                f"the command failed: {type(error).__name__}: {error}",
                where=self.owner,
                remedy="Report it to the authors of the plugin, with the output of --traceback.",
            ) from error


def _help(own: click.Command) -> str:
    try:
        return own.help or own.get_short_help_str(80)
    except Exception:  # a plugin's text
        return ""
