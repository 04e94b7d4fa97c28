"""``graphnet check``."""

from __future__ import annotations

import json

import click

from graphnet.cli.group import RUNNING
from graphnet.cli.paths import Names


@click.command("check")
@click.argument("distribution", type=Names("distributions"))
@click.option("--json", "as_json", is_flag=True, help="As JSON: every check of every case.")
@click.option("--verbose", is_flag=True, help="Show the checks that passed, and why others were skipped.")
@click.pass_context
def command(ctx: click.Context, distribution: str, as_json: bool, verbose: bool) -> None:
    """Check an installed plugin: its metadata, its import, and its layers with the conformance kit."""
    from graphnet.testing import distribution as kit
    from graphnet.testing.outcome import summarize

    outcomes = []
    for outcome in kit.check(distribution):
        ctx.meta[RUNNING] = True
        outcomes.append(outcome)
        if not as_json and (outcome.status == "failed" or outcome.check == "summary" or verbose):
            words = f"{outcome.status}: {outcome.case}, {outcome.check}"
            click.echo(f"{words}: {outcome.message}" if outcome.message else words)
    checks = [outcome for outcome in outcomes if outcome.check != "summary"]
    skipped = [outcome for outcome in checks if outcome.status == "skipped"]
    failed = [outcome for outcome in outcomes if outcome.status == "failed"]
    ending = summarize(len(checks), skipped).split(":")[0]
    if as_json:
        click.echo(
            json.dumps(
                {"passed": not failed, "message": ending, "told": ending, "outcomes": [o.as_dict() for o in outcomes]},
                indent=2,
            )
        )
    else:
        click.echo(f"{distribution}: {ending}, failed {len(failed)}")
    if failed:
        ctx.exit(1)
