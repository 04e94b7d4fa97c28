"""``graphnet exercise``."""

from __future__ import annotations

import json
from typing import Any

import click

from graphnet.cli.group import RUNNING


@click.group("exercise")
def command() -> None:
    """Check solutions of the university exercise that the layer contract comes from."""


@command.command("check")
@click.argument("path", type=click.Path())
@click.option(
    "--edition",
    type=click.Choice(["contract", "later"]),
    help="2018 (toggle_memory, get_weights), or 2019 and after (memorize, testing_phase); default: by the names used.",
)
@click.option("--seconds", type=float, default=60.0, show_default=True, help="The time limit for one class.")
@click.option("--megabytes", type=int, default=2048, show_default=True, help="The limit of memory.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@click.pass_context
def check_command(
    ctx: click.Context, path: str, edition: str | None, seconds: float, megabytes: int, as_json: bool
) -> None:
    """Check a student's layers: a folder with Layers/ and Optimization/, a flat folder, or one file.

    Runs the code in a child process with limits of time and memory, which does not protect against harmful code. The
    exit status is 0 without faults, 1 with faults, 2 if there is nothing to check.
    """
    from graphnet.exercise import check

    report = check(path, edition=edition, seconds=seconds, megabytes=megabytes)
    ctx.meta[RUNNING] = True
    if as_json:
        click.echo(json.dumps(report.as_dict(), indent=2))
    else:
        _print(report)
    if report.faults:
        ctx.exit(1)


def _print(report: Any) -> None:
    name = "of the contract (2018)" if report.edition == "contract" else "of 2019 or later"
    click.echo(f"edition: {name}")
    for finding in report.findings:
        click.echo(str(finding))
    faulty = {finding.component for finding in report.faults}
    right = [name for name in report.checked if name not in faulty]
    if right:
        click.echo(f"no fault found: {', '.join(right)}")
    if report.stand_ins:
        click.echo(f"not found, right ones stood in: {', '.join(report.stand_ins)}")
    if report.not_found:
        click.echo(f"not found, not checked: {', '.join(report.not_found)}")
    count = len(report.checked)
    click.echo(f"{count} {'class' if count == 1 else 'classes'} checked, {len(faulty)} with faults")
