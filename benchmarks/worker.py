"""The worker process of recurrent.py, one for each number of threads: reads a plan, writes one JSON object per line."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any

from agreement import agree
from contenders import MODULES, Contender, Unavailable, load
from environment import machine
from problems import Problem, random_problem
from timing import interleaved


def main() -> None:
    """Read the plan from the first argument; write skipped contenders, and a row for each pass of each problem."""
    plan = json.loads(sys.argv[1])
    emit(machine=machine(), threads=plan["threads"])
    reported: set[str] = set()
    for kind in plan["kinds"]:
        for dtype in plan["dtypes"]:
            for shape in plan["shapes"]:
                problem = random_problem(kind, tuple(shape), dtype, plan["threads"])
                measure(problem, plan, contenders_of(problem, reported, plan["peers"]))


def contenders_of(problem: Problem, reported: set[str], peers: Sequence[str]) -> dict[str, Contender]:
    """Return graphnet and the peers that support a problem; report each reason for skipping one once."""
    contenders = {}
    for name in ("graphnet", *(peer for peer in MODULES if peer in peers)):
        try:
            contenders[name] = load(name).make(problem)  # type: ignore[attr-defined]
        except (ImportError, Unavailable) as reason:
            if name == "graphnet":
                raise
            line = f"{name} ({reason})"
            if line not in reported:
                reported.add(line)
                emit(skipped=line)
    return contenders


def measure(problem: Problem, plan: dict[str, Any], contenders: dict[str, Contender]) -> None:
    """Compare the results, then write a row for each pass."""
    for title in plan["passes"]:
        if title == "forward":
            runs = {name: c.forward for name, c in contenders.items()}
            agree({name: {"y": run()} for name, run in runs.items()}, problem.dtype)
        else:
            runs = {name: c.step for name, c in contenders.items() if c.step is not None}
            agree({n: contenders[n].read(run()) for n, run in runs.items()}, problem.dtype)  # type: ignore[misc]
        timings = interleaved(runs, plan["seconds"], plan["threads"])
        emit(
            kind=problem.kind,
            dtype=problem.dtype,
            threads=plan["threads"],
            shape=[*problem.x.shape, problem.units],
            **{"pass": title},
            quartiles={name: timing.quartiles for name, timing in timings.items()},
            ratios={name: timings["graphnet"].ratio(timing) for name, timing in timings.items() if name != "graphnet"},
        )


def emit(**what: Any) -> None:
    """Write one line for the parent process."""
    print(json.dumps(what), flush=True)


if __name__ == "__main__":
    main()
