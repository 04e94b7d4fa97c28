"""Commands that plugins registered, guarded: what one of them does wrong is its own message, not the host's end."""

from __future__ import annotations

from typing import Any

import click

from graphnet.core.errors import GraphnetError, RuleError


def names() -> list[str]:
    """The names of the plugins' commands, in the order of loading; qualified where two plugins have one name."""
    from graphnet.plugins import manager

    registry = manager().registry
    return [registry.short_name(entry) for entry in registry.entries("commands")]


def command(name: str) -> click.Command | None:
    """A plugin's command; None if there is none of that name.

    Raises
    ------
    PluginError
        If two plugins offer it.
    """
    from graphnet.plugins import manager

    registry = manager().registry
    if not any(name in (entry.name, entry.id) for entry in registry.entries("commands")):
        return None
    entry = registry.get("commands", name)
    return Guarded(name, entry.object, entry.id)  # type: ignore[arg-type]


class Guarded(click.Command):
    """A plugin's command whose errors, of whatever class, become a message that names its owner."""

    def __init__(self, name: str, own: click.Command, owner: str) -> None:
        super().__init__(
            name, help=_help(own), add_help_option=False, context_settings={"ignore_unknown_options": True}
        )
        self.own, self.owner = own, owner

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """The context of the plugin's own command, with its own options."""
        context = self._guarded(self.own.make_context, info_name, args, parent=parent, **extra)
        context.command = self
        found: click.Context = context
        return found

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
                remedy="Tell its authors, with what --traceback shows.",
            ) from error


def _help(own: click.Command) -> str:
    try:
        return own.help or own.get_short_help_str(80)
    except Exception:  # a stranger's
        return ""
