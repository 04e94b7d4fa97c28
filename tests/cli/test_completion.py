"""Completion through the shells themselves: what bash, zsh and fish offer when somebody presses Tab."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from graphnet.cli import main
from graphnet.cli.completing import answer, scripts, tree
from graphnet.core.run import backends
from graphnet.plugins import manager

BASH, ZSH, FISH = shutil.which("bash"), shutil.which("zsh"), shutil.which("fish")
needs_bash = pytest.mark.skipif(BASH is None, reason="bash is not installed")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with the command, runs, files, and a cache of its own."""
    root = tmp_path_factory.mktemp("completion")
    (root / "bin").mkdir()
    command = root / "bin" / "graphnet"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m graphnet "$@"\n')
    command.chmod(0o755)
    for name in ("one-001", "one-002"):
        (root / "work" / "runs" / name / "checkpoints").mkdir(parents=True)
    (root / "work" / "other").mkdir()
    (root / "work" / "model.yaml").write_text("")
    return root


def environment(place):
    return {
        **os.environ,
        "PATH": f"{place / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        "GRAPHNET_CACHE": str(place / "cache"),
        "HOME": str(place),
        "TERM": "xterm",
    }


def run(place, *arguments, **options):
    done = subprocess.run(
        arguments, cwd=place / "work", env=environment(place), capture_output=True, text=True, timeout=100, **options
    )
    return done.stdout


#: A bash program that calls the completion function as readline does, for lines of words and an index.
LINES = r"""
source "$1"
compopt() { [ "$1" = -o ] && echo "option $2"; [ "$3" = -o ] && echo "option $4"; return 0; }
while IFS=$'\t' read -r -a COMP_WORDS; do
    COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
    [ "${COMP_WORDS[COMP_CWORD]}" = '<>' ] && COMP_WORDS[COMP_CWORD]=
    _graphnet_completion graphnet "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"
    printf '%s\n' "${COMPREPLY[@]}" '---'
done
"""


@pytest.fixture(scope="module")
def offered(place):
    """What bash offers for each line of words; ``<>`` is a word that has not begun."""
    wanted = [
        "graphnet tr",
        "graphnet export model.yaml --form",
        "graphnet export --format <>",
        "graphnet train --backend <>",
        "graphnet train --backend = nu",
        "graphnet train --data <>",
        "graphnet data dig",
        "graphnet train --resume <>",
        "graphnet evaluate runs/one-002",
        "graphnet verify oth",
        "graphnet show <>",
        "graphnet runs <>",
        "graphnet train --on-nan s",
        "graphnet train --on-nan skip --on-n",
        "graphnet train model.yaml <>",
        "graphnet train --seed <>",
        "graphnet exercise <>",
        "graphnet exercise check --edition l",
        "graphnet --plugins recurrent,con",
        "graphnet --plugins recurrent train --epo",
        "graphnet explain --passes hoist,me",
        "graphnet train --allow seed,se",
        "graphnet completion <>",
        "graphnet nonsense <>",
        "graphnet train -- --ba",
    ]
    script = place / "graphnet.bash"
    script.write_text(scripts.script("bash"))
    text = "".join("\t".join(line.split()) + "\n" for line in wanted)
    output = run(place, BASH, "--norc", "-c", LINES, "bash", str(script), input=text)
    found = output.split("---\n")[:-1]
    assert len(found) == len(wanted), output
    return dict(zip(wanted, [part.split() for part in found], strict=True))


@needs_bash
@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("graphnet tr", ["trace", "train"]),
        ("graphnet export model.yaml --form", ["--format"]),
        ("graphnet train --backend = nu", ["numpy"]),
        ("graphnet data dig", ["digits", "option", "default", "option", "bashdefault"]),
        ("graphnet train --resume <>", ["runs/one-001", "runs/one-002"]),
        ("graphnet evaluate runs/one-002", ["runs/one-002"]),
        ("graphnet verify oth", ["option", "nospace", "other/"]),
        ("graphnet show <>", ["option", "default", "option", "bashdefault"]),
        ("graphnet runs <>", ["option", "dirnames"]),
        ("graphnet train --on-nan s", ["stop", "skip"]),
        ("graphnet train --on-nan skip --on-n", []),
        ("graphnet train model.yaml <>", []),
        ("graphnet train --seed <>", []),
        ("graphnet exercise <>", ["check"]),
        ("graphnet exercise check --edition l", ["later"]),
        ("graphnet --plugins recurrent train --epo", ["--epochs"]),
        ("graphnet explain --passes hoist,me", ["option", "nospace", "hoist,merge"]),
        ("graphnet train --allow seed,se", ["option", "nospace", "seed,settings"]),
        ("graphnet completion <>", ["bash", "zsh", "fish"]),
        ("graphnet nonsense <>", []),
        ("graphnet train -- --ba", ["option", "default", "option", "bashdefault"]),
    ],
)
def test_bash_offers(offered, line, expected):
    assert sorted(offered[line]) == sorted(expected)


@needs_bash
def test_bash_offers_registered_names(offered):
    registry = manager().registry
    assert set(offered["graphnet train --backend <>"]) == set(backends.names())
    assert set(offered["graphnet export --format <>"]) == {entry.name for entry in registry.entries("exporters")}
    assert {entry.name for entry in registry.entries("datasets")} <= set(offered["graphnet train --data <>"])
    assert offered["graphnet --plugins recurrent,con"][2:] == (
        ["recurrent,conv"] if any(plugin.name == "conv" for plugin in manager().plugins) else []
    )


def typed(place, program, arguments, setup, keys, awaited):
    """What an interactive shell shows after some keys, in a terminal of its own."""
    import pty

    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(place / "work")
        os.execvpe(program, [program, *arguments], environment(place))
    shown = b""
    os.set_blocking(terminal, False)

    def read_until(text, seconds):
        nonlocal shown
        end = time.monotonic() + seconds
        while text not in shown and time.monotonic() < end:
            try:
                shown += os.read(terminal, 65536)
            except BlockingIOError:
                time.sleep(0.01)
            except OSError:
                break
        return text in shown

    try:
        os.write(terminal, setup.encode())
        assert read_until(b"ready-1", 30), shown
        shown = b""
        os.write(terminal, keys.encode())
        assert read_until(awaited, 30), shown
    finally:
        os.close(terminal)
        os.kill(pid, 9)
        os.waitpid(pid, 0)


@needs_bash
def test_tab_in_an_interactive_bash(place, offered):
    setup = f"source {place / 'graphnet.bash'}; PS1='rea''dy-1 '\n"
    typed(place, BASH, ["--norc", "-i"], setup, "graphnet exp\tm\t--form\tmer\t", b"graphnet exp")
    typed(
        place, BASH, ["--norc", "-i"], setup, "graphnet export m\t--form\tmer\t", b"export model.yaml --format mermaid"
    )


@pytest.mark.skipif(FISH is None, reason="fish is not installed")
def test_fish_offers(place):
    script = place / "graphnet.fish"
    script.write_text(scripts.script("fish"))
    program = f"source {script}; for line in 'graphnet tr' 'graphnet train --backend=nu' 'graphnet show mod'; complete -C $line; end"
    output = run(place, FISH, "--no-config", "-c", program)
    assert [line.split("\t")[0] for line in output.splitlines()] == ["train", "--backend=numpy", "model.yaml"]


@pytest.mark.skipif(ZSH is None, reason="zsh is not installed")
def test_tab_in_an_interactive_zsh(place):
    script = place / "graphnet.zsh"
    script.write_text(scripts.script("zsh"))
    setup = f"autoload -U compinit; compinit -u -D; source {script}; PS1='rea''dy-1 '\n"
    typed(place, ZSH, ["-f", "-i"], setup, "graphnet export m\t--form\tmer\t", b"--format mermaid")


def test_answer_imports_neither_graphnet_nor_numpy(place, tmp_path):
    """The time that Tab takes is that of starting Python; the tree comes from the cache."""
    program = f"import sys; sys.argv[1:] = sys.argv[2:]; {scripts.ASK}; print(*sorted(sys.modules))"
    first, second = (run(place, sys.executable, "-P", "-c", program, "x", "graphnet", "bash", "1", "graphnet", "tr")
                     for _ in range(2))  # fmt: skip
    assert first.startswith("plain\ttrain\t") and second.startswith("plain\ttrain\t")
    modules = second.split()
    assert "answer" in modules and not {"graphnet", "numpy", "click", "pluggy"} & set(modules)


def test_cache_is_renewed_when_something_is_installed(place, monkeypatch, tmp_path):
    monkeypatch.setenv("GRAPHNET_CACHE", str(tmp_path))
    monkeypatch.syspath_prepend(str(site := tmp_path / "site"))
    site.mkdir()
    before = answer.environment()
    assert before == answer.environment()
    tree.store(answer.place(), before, tree.build())
    assert answer.known_tree(before)["command"]["commands"]["train"]["options"]
    (site / "new-1.0.dist-info").mkdir()
    os.utime(site, ns=(1, 1))
    assert answer.environment() != before and answer.known_tree(answer.environment()) is None
    Path(answer.place()).write_text("{")
    assert answer.known_tree(before) is None
    tree.store("/dev/null/here/tree.json", before, {})  # nowhere to write: no error


def test_every_option_of_every_command_is_in_the_tree():
    found = tree.build()["command"]["commands"]
    context = click.Context(main)
    for name in main.list_commands(context):
        command = main.get_command(context, name)
        command = getattr(command, "own", command)
        options = {option for entry in found[name]["options"] for option in entry["names"]}
        assert {option for p in command.params if p.param_type_name == "option" for option in p.opts} <= options
    assert found["exercise"]["commands"]["check"]["arguments"]


@pytest.mark.parametrize("shell", scripts.SHELLS)
def test_command_prints_the_script(shell, monkeypatch):
    monkeypatch.setenv("SHELL", f"/usr/bin/{shell}")
    for arguments in (["completion", shell], ["completion"]):
        result = CliRunner().invoke(main, arguments)
        assert result.exit_code == 0 and result.output == scripts.script(shell)
    monkeypatch.setenv("SHELL", "/bin/tcsh")
    assert "bash, zsh, fish" in CliRunner().invoke(main, ["completion"]).stderr
