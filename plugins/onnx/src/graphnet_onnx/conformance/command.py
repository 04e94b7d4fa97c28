"""The command ``graphnet onnx-conformance``, also ``python -m graphnet_onnx.conformance``."""

from __future__ import annotations

import click

from graphnet_onnx.conformance.kinds import KINDS, TYPES


@click.command("onnx-conformance")
@click.option("--kind", type=click.Choice([*KINDS, "all"]), default="node", show_default=True, help="Tests of onnx.")
@click.option("--operator", "operators", multiple=True, help="Only tests of this operator; can be repeated.")
@click.option("--types", default=",".join(TYPES), show_default=True, help="Types of tensors, or 'all'.")
@click.option(
    "--through",
    type=click.Choice(["backend", "import"]),
    default="backend",
    show_default=True,
    help="The backend, or the models that 'graphnet import' makes.",
)
@click.option("--reasons", is_flag=True, help="Print each test that failed or is not supported, with the reason.")
def command(kind: str, operators: tuple[str, ...], types: str, through: str, reasons: bool) -> None:
    """Run ONNX's backend tests through graphnet, and print the results by operator.

    The exit code is 1 if a test of a claimed operator fails through the backend.
    """
    from graphnet_onnx.conformance.cases import collected
    from graphnet_onnx.conformance.report import run_case, run_cases, run_imported
    from graphnet_onnx.conformance.table import table

    cases = [case for each in (KINDS if kind == "all" else [kind]) for case in collected(each)]
    if operators:
        without = sorted(set(operators) - {case.operator for case in cases})
        if without:
            raise click.BadParameter(f"there is no {kind} test of {', '.join(without)}", param_hint="--operator")
        cases = [case for case in cases if case.operator in operators]
    wanted = () if types == "all" else [name.strip() for name in types.split(",")]
    report = run_cases(cases, wanted, run_case if through == "backend" else run_imported)
    click.echo(table(report))
    if reasons:
        for outcome in report.outcomes:
            if outcome.result != "passed":
                click.echo(f"{outcome.result}: {outcome.case}: {outcome.reason}")
    raise SystemExit(1 if report.failures and through == "backend" else 0)
