"""The measuring process of recurrent.py, one for each number of threads: a plan in, one JSON object a line out."""

from __future__ import annotations

import json
import sys
from typing import Any

from agreement import agree
from contenders import MODULES, Contender, Unavailable, load
from environment import machine
from problems import Problem, random_problem
from timing import interleaved


def main() -> None:
    """Read the plan from the first argument; write what was skipped, and a row for each pass of each problem."""
    plan = json.loads(sys.argv[1])
    say(machine=machine(), threads=plan["threads"])
    told: set[str] = set()
    for kind in plan["kinds"]:
        for dtype in plan["dtypes"]:
            for shape in plan["shapes"]:
                problem = random_problem(kind, tuple(shape), dtype, plan["threads"])
                measure(problem, plan, made(problem, told))


def made(problem: Problem, told: set[str]) -> dict[str, Contender]:
    """Every contender that has this problem; who has not is told once a reason."""
    found = {}
    for name in MODULES:
        try:
            found[name] = load(name).make(problem)  # type: ignore[attr-defined]
        except (ImportError, Unavailable) as reason:
            if name == "graphnet":
                raise
            line = f"{name} ({reason})"
            if line not in told:
                told.add(line)
                say(skipped=line)
    return found


def measure(problem: Problem, plan: dict[str, Any], contenders: dict[str, Contender]) -> None:
    """Agreement first, then a row a pass."""
    for title in plan["passes"]:
        if title == "forward":
            runs = {name: c.forward for name, c in contenders.items()}
            agree({name: {"y": run()} for name, run in runs.items()}, problem.dtype)
        else:
            runs = {name: c.step for name, c in contenders.items() if c.step is not None}
            agree({n: contenders[n].read(run()) for n, run in runs.items()}, problem.dtype)  # type: ignore[misc]
        found = interleaved(runs, plan["seconds"], plan["threads"])
        say(
            kind=problem.kind,
            dtype=problem.dtype,
            threads=plan["threads"],
            shape=[*problem.x.shape, problem.units],
            **{"pass": title},
            quartiles={name: timing.quartiles for name, timing in found.items()},
            ratios={name: found["graphnet"].ratio(timing) for name, timing in found.items() if name != "graphnet"},
        )


def say(**what: Any) -> None:
    """One line for the process that reads."""
    print(json.dumps(what), flush=True)


if __name__ == "__main__":
    main()
