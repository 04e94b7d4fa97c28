"""Guards the process while a plugin loads: what the plugin changes by mistake is restored and reported."""

from __future__ import annotations

import sys
import threading
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from graphnet.core.distribution import NAME
from graphnet.core.errors import GraphnetDeprecationWarning, PluginError
from graphnet.plugins.isolation import ending, imports, streams
from graphnet.plugins.isolation.code import USED, Change, Watch, top
from graphnet.plugins.isolation.innermost import Innermost
from graphnet.plugins.isolation.setting import Snapshot
from graphnet.plugins.isolation.settings import SETTINGS
from graphnet.plugins.isolation.streams import Printed
from graphnet.plugins.record import Plugin
from graphnet.plugins.registry import Entry

#: Loading times in seconds from which a note says that the plugin is slow.
SLOW = 1.0
#: How many changes a message lists.
LISTED = 3


@contextmanager
def guarded(notes: list[str], printed: Printed | None = None) -> Iterator[None]:
    """Keep printed text and restore settings changed inside the block; each adds a sentence to ``notes``.

    Parameters
    ----------
    notes : list of str
    printed : Printed, optional
        Receives the text, also of threads that print later; without it, the text is reported when the block ends.
    """
    own = Printed() if printed is None else printed
    saved = Snapshot(SETTINGS)
    try:
        with streams.kept(own, notes), _warnings(notes), Innermost(notes):
            yield
    finally:
        if printed is None:
            report_printed(own, notes)
        notes += saved.restore()


def report_printed(printed: Printed, notes: list[str]) -> None:
    """Add a note about what a plugin printed, unless there is one."""
    start = "it prints when it loads: "
    if printed.text and not any(note.startswith(start) for note in notes):
        notes.append(f"{start}{printed.text.splitlines()[0][:60]!r}; move that into a function")


@contextmanager
def _warnings(notes: list[str]) -> Iterator[None]:
    """Silence warnings, except those of deprecated names, and restore the filters."""
    with warnings.catch_warnings(record=True) as raised:
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", GraphnetDeprecationWarning)
        filters, before, show = warnings.filters, list(warnings.filters), warnings.showwarning
        try:
            yield
        finally:
            # A plugin that leaves catch_warnings() open leaves another list with the same filters.
            if warnings.filters is not filters or list(warnings.filters) != before or warnings.showwarning is not show:
                errors = any(entry[0] == "error" and entry not in before for entry in warnings.filters)
                what = "turns warnings into errors" if errors else "changes the warning filters"
                notes.append(f"it {what} when it loads; the old value was restored")
            notes += dict.fromkeys(
                f"it uses a deprecated name: {warning.message}"
                for warning in raised
                if issubclass(warning.category, GraphnetDeprecationWarning)
            )


class Host:
    """The process in which plugins load, one after the other.

    Parameters
    ----------
    packages : mapping of str to str
        The top-level packages of the plugins, with the distribution that owns each.
    """

    def __init__(self, packages: dict[str, str]) -> None:
        self.packages = {name: owner for name, owner in packages.items() if name and not _shared(name)}
        self.watch = Watch(self.packages)
        self.watch.record_all()
        self.printed: list[tuple[Plugin, Printed]] = []

    @contextmanager
    def session(self) -> Iterator[None]:
        """Keep what threads of plugins print between the loading of two plugins."""
        with streams.kept(None, []):
            yield

    def add(self, entries: Iterable[Entry]) -> None:
        """Watch the classes that a plugin registered, and those of graphnet that they derive from."""
        for entry in entries:
            if isinstance(entry.object, type):
                self.watch.add_class(entry.object, entry.id)

    @contextmanager
    def around(self, plugin: Plugin, module: str) -> Iterator[None]:
        """Guard the process while ``plugin``, whose entry point names ``module``, is imported and its hooks run.

        Raises
        ------
        PluginError
            If the block has changed code of graphnet or of another plugin; the code is restored.
        """
        printed = Printed()
        self.printed.append((plugin, printed))
        own = {name for name, owner in self.packages.items() if owner == plugin.distribution}
        own |= set() if _shared(top(module)) else {top(module)}
        refused: list[str] = []
        try:
            with (
                streams.descriptors(plugin.notes),
                guarded(plugin.notes, printed),
                self._code(plugin, own, refused),
                ending.prevented() as ended,
                imports.recording(self.watch),
                Innermost(plugin.notes),
            ):
                yield
        except KeyboardInterrupt as error:
            if ended.interrupted:
                raise
            raise PluginError("it raises KeyboardInterrupt", where=plugin.distribution) from error
        finally:
            report_printed(printed, plugin.notes)
        if refused:
            raise self._refusal(plugin, refused)

    @contextmanager
    def _code(self, plugin: Plugin, own: set[str], refused: list[str]) -> Iterator[None]:
        """Restore code that the block changes; what refuses the plugin is added to ``refused``."""
        try:
            yield
        except BaseException:
            if found := self._restore(plugin, own):
                plugin.notes.append(f"it changes {_listed(found)} when it loads; the old value was restored")
            raise
        refused += self._restore(plugin, own)

    def _restore(self, plugin: Plugin, own: set[str]) -> list[str]:
        """Restore code, report it, and return what refuses the plugin."""
        refused: list[str] = []
        replaced: list[str] = []
        changes = self.watch.changes()
        for change in changes:
            if change.package in own:
                continue
            change.undo()
            culprit = self.culprit(change)
            if culprit not in (None, plugin.distribution) and self._report(str(culprit), change):
                continue
            (refused if self._protected(change) else replaced).append(change.what)
        if replaced:
            plugin.notes.append(f"it replaces {_listed(replaced)} when it loads; the old value was restored")
        if any(change.package in own for change in changes):
            self.watch.renew(own)
        self.watch.record_all()
        return refused

    def _protected(self, change: Change) -> bool:
        return change.package == "graphnet" or change.package in self.packages or "/" in change.what

    def culprit(self, change: Change) -> str | None:
        """The distribution in whose package the new value was defined; None if that is unknown."""
        return self.packages.get(top(str(getattr(change.new, "__module__", None) or "")))

    def _report(self, distribution: str, change: Change) -> bool:
        """Add a note to the plugin that made a change later, in a thread; return whether there is one."""
        for plugin, _ in self.printed:
            if plugin.distribution == distribution:
                plugin.notes.append(f"it replaces {change.what} after it has loaded; the old value was restored")
                return True
        return False

    @staticmethod
    def _refusal(plugin: Plugin, refused: list[str]) -> PluginError:
        return PluginError(
            f"it changes classes of other plugins: {_listed(refused)}",
            where=plugin.distribution,
            expected="its own classes, registered by its hooks",
            remedy="The classes were restored.",
        )

    def finish(self, entries: Iterable[Entry], plugins: Iterable[Plugin]) -> None:
        """Check the classes of all distributions after the last plugin has loaded.

        What has changed since its plugin loaded is restored. A method that another plugin had replaced before plugins
        were loaded is reported: a program may import a plugin's package before.
        """
        own = next((plugin for plugin in plugins if plugin.distribution == NAME), None)
        # After a single plugin, without threads, nothing has run since its own check.
        since = self.watch.changes() if len(self.printed) > 1 or threading.active_count() > 1 else ()
        for change in since:
            change.undo()
            culprit = self.culprit(change)
            if (culprit is None or not self._report(culprit, change)) and own is not None:
                own.notes.append(f"a plugin replaces {change.what} after it has loaded; the old value was restored")
        for entry in entries:
            self._check_origin(entry)
        for plugin, printed in self.printed:
            report_printed(printed, plugin.notes)

    def _check_origin(self, entry: Entry) -> None:
        """Report a method of a registered class that was defined in another plugin's package."""
        if not isinstance(entry.object, type):
            return
        for name, value in vars(entry.object).items():
            owner = self.packages.get(top(str(getattr(getattr(value, "__func__", value), "__module__", None) or "")))
            if owner is None or owner == entry.distribution or isinstance(value, type):
                continue
            if top(str(entry.object.__module__)) == top(str(value.__module__)):
                continue
            for plugin, _ in self.printed:
                if plugin.distribution == owner:
                    plugin.notes.append(f"{entry.object.__name__}.{name} of {entry.id} is a function of this plugin")
                    break


def _shared(package: str) -> bool:
    """Whether a package cannot be a plugin's own."""
    return package in ("graphnet", "numpy", "__main__", *USED) or package in sys.stdlib_module_names


def _listed(names: list[str]) -> str:
    rest = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return ", ".join(names[:LISTED]) + rest
