"""Write docs/commands.md and docs/model_files.md: all commands with their options, and all keys of a model file.

python scripts/manual_pages.py            write them
python scripts/manual_pages.py --check    exit with 1 if one is out of date
"""

from __future__ import annotations

import dataclasses
import inspect
import re
import sys
from collections.abc import Iterator
from typing import Any

import click
from distributions import ROOT

DOCS = ROOT / "docs"
#: Plugins whose commands are on the page.
PLUGINS = ("recurrent", "conv", "activations", "onnx")
#: The names that every command of graphnet has for its help.
HELP = "-h, --help"
COMMANDS_HEAD = """\
# The command line

Written by `python scripts/manual_pages.py` from the commands themselves; `graphnet COMMAND --help` prints the same.
Tab completes commands and options: [completion](completion.md).
[Exit codes and environment variables](#exit-codes-and-environment-variables) are at the end.

| command | |
|---|---|
"""


def commands() -> Iterator[tuple[str, click.Command, str]]:
    """Yield every command with its whole name and the distribution of the plugin that adds it; empty for graphnet."""
    from graphnet.cli.group import main
    from graphnet.plugins import PluginManager, using

    manager = PluginManager()
    manager.load(allow=PLUGINS)
    with using(manager), click.Context(main) as context:
        for name in main.list_commands(context):
            command = main.get_command(context, name)
            own = getattr(command, "own", command)
            owner = getattr(command, "owner", "").partition("/")[0]
            if isinstance(own, click.Group):
                yield from ((f"{name} {child}", each, owner) for child, each in own.commands.items())
            elif own is not None:
                yield name, own, owner


def cell(text: str) -> str:
    """Return a text as the cell of a table."""
    return re.sub(r"([|<>*_\\])", r"\\\1", " ".join(text.split()))


def help_text(command: click.Command) -> str:
    """Return the help of a command; paragraphs that keep their lines are blocks of code."""
    paragraphs = inspect.cleandoc(command.help or "").split("\n\n")
    plain = [re.sub(r"([<>*_\\])", r"\\\1", " ".join(each.split())) for each in paragraphs]
    kept = ["```text\n" + each.removeprefix("\b\n") + "\n```" for each in paragraphs]
    return "\n\n".join(k if each.startswith("\b") else p for each, k, p in zip(paragraphs, kept, plain, strict=True))


def section(name: str, command: click.Command, owner: str) -> str:
    """Return the section of a command."""
    context = click.Context(command, info_name=f"graphnet {name}")
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    records = [each.get_help_record(context) for each in command.params if isinstance(each, click.Option)]
    # Not from get_params: click keeps the option of the first context that asked for it, which may know --help alone.
    records.append((HELP, "Show this message and exit."))
    rows = [f"| `{shown.replace('|', chr(92) + '|')}` | {cell(text)} |" for shown, text in filter(None, records)]
    added = f"Added by {owner}. " if owner else ""
    table = "| option | |\n|---|---|\n" + "\n".join(rows)
    return f"## `graphnet {name}`\n\n{added}{help_text(command)}\n\n```text\n{usage}\n```\n\n{table}\n"


def commands_page() -> str:
    """Return the text of docs/commands.md."""
    from graphnet.cli.group import first_sentence, main

    found = list(commands())
    rows = [
        f"| [`graphnet {name}`](#graphnet-{name.replace(' ', '-')}) | {cell(first_sentence(command.help))} |\n"
        for name, command, _ in found
    ]
    end = (ROOT / "scripts" / "commands_end.md").read_text(encoding="utf-8")
    general = section("COMMAND", main, "").replace("## `graphnet COMMAND`", "## Options before the command", 1)
    general = general.replace("graphnet COMMAND [OPTIONS] COMMAND", "graphnet [OPTIONS] COMMAND")
    return "\n".join([COMMANDS_HEAD + "".join(rows), general, *(section(*each) for each in found), end])


def fields_of(kind: type) -> Iterator[tuple[str, str, str]]:
    """Yield the parameters that a docstring in numpy's form documents: names, type and text."""
    section = re.split(r"\n\n(?=\w+\n---)", inspect.getdoc(kind) or "")[1:]
    lines = next(each for each in section if each.startswith("Parameters\n"))
    for found in re.finditer(r"^(\S[^\n]*)((?:\n(?:    [^\n]*|))*)", lines.split("\n", 2)[2], re.MULTILINE):
        names, _, form = found[1].partition(" : ")
        yield names, form, " ".join(found[2].split())


def marked(text: str) -> str:
    """Return a text of a docstring as Markdown in a cell of a table."""
    text = re.sub(r":\w+:`~?(?:[^`<]*<)?([^`>]*)>?`", lambda found: f"`{found[1].rpartition('.')[2]}`", text)
    text = re.sub(r"\(docs/(\w+\.md)\)", r"([page](\1))", text).replace("``", "`")
    return text.replace("|", "\\|")


def written(value: Any) -> str:
    """Return the default of a field as a model file has it."""
    if value is None or value == () or value == {}:
        return "none"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{value}`" if isinstance(value, int | float | str) else f"`{type(value).__name__}`"


def model_files_page() -> str:
    """Return the text of docs/model_files.md."""
    import graphnet
    from graphnet.plugins import PluginManager

    config = graphnet.TrainingConfig()
    documented = list(fields_of(graphnet.TrainingConfig))
    named = {name for names, _, _ in documented for name in names.split(", ")}
    missing = {field.name for field in dataclasses.fields(config)} ^ named
    if missing:
        raise SystemExit(f"fields and docstring of TrainingConfig differ: {', '.join(sorted(missing))}")
    rows = [
        f"| {', '.join(f'`{name}`' for name in names.split(', '))} | {marked(form)} | "
        f"{', '.join(dict.fromkeys(written(getattr(config, name)) for name in names.split(', ')))} | {marked(text)} |"
        for names, form, text in documented
    ]
    manager = PluginManager()
    manager.load(allow=PLUGINS)
    kinds = [
        f"| {kind} | {', '.join(f'`{entry.name}`' for entry in manager.registry.entries(kind))} |"
        for kind in ("losses", "metrics", "optimizers", "regularizers", "schedules", "initializers", "callbacks")
    ]
    training = "\n".join(["| key | type | default | meaning |", "|---|---|---|---|", *rows])
    names = "\n".join(["| kind | names |", "|---|---|", *kinds])
    head = (ROOT / "scripts" / "model_files.md").read_text(encoding="utf-8")
    return head.replace("{training}", training).replace("{names}", names)


#: The pages by file, with what returns the text of each.
PAGES = {"commands.md": commands_page, "model_files.md": model_files_page}


def main(arguments: list[str]) -> int:
    """Write or compare the pages; return the exit code."""
    stale = 0
    for name, page in PAGES.items():
        text = page()
        if "--check" not in arguments:
            (DOCS / name).write_text(text, encoding="utf-8")
            print(f"wrote docs/{name}")
        elif (DOCS / name).read_text(encoding="utf-8") != text:
            print(f"docs/{name} is out of date; run: python scripts/manual_pages.py")
            stale = 1
    return stale


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
