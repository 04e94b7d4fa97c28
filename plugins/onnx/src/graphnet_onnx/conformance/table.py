"""A report as text."""

from __future__ import annotations

from collections import Counter

from graphnet_onnx.conformance.report import Report, claimed, computed_by

RESULTS = ("passed", "failed", "unsupported")


def table(report: Report) -> str:
    """Return the results by operator, the totals, and what was left out."""
    rows: list[tuple[str, ...]] = [("operator", *RESULTS, "claimed", "computed by")]
    for operator, counts in report.counts().items():
        numbers = [str(counts[result]) for result in RESULTS]
        rows.append((operator, *numbers, "yes" if claimed(operator) else "no", computed_by(operator)))
    totals = Counter(outcome.result for outcome in report.outcomes)
    rows.append(("total", *(str(totals[result]) for result in RESULTS), "", ""))
    lines = _aligned(rows)
    count = sum(claimed(outcome.operator) for outcome in report.outcomes)
    lines.append(f"{100 * report.share:.1f} % of {count} tests of claimed operators passed")
    routes = Counter(outcome.route for outcome in report.outcomes)
    if set(routes) - {""}:
        whole, part, none = (routes[route] for route in ("whole", "part", "none"))
        lines.append(f"passed as one graph of graphnet: {whole}; as graphs and functions: {part}; as functions: {none}")
    if report.left_out:
        lines.append(f"left out for their types: {sum(report.left_out.values())}")
        lines += [f"  {number:4d}  {types}" for types, number in sorted(report.left_out.items())]
    return "\n".join(lines)


def _aligned(rows: list[tuple[str, ...]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        cells[1:4] = [cell.rjust(width) for cell, width in zip(row[1:4], widths[1:4], strict=True)]
        lines.append("  ".join(cells).rstrip())
    return lines
