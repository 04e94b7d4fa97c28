"""How many threads a program uses: by its work, and by the thread setting of the run."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType

from graphnet.core.compile.program import BACK_LOOP, FORWARD, LOOP, PackRef, Program
from graphnet.core.concurrency.blas_threads import allowed_threads
from graphnet.core.run.numpy_backend.program_policy import input_count

#: Multiply-adds of one step of a loop for each worker, below which meeting after the step costs more than it gains.
STEP = 150_000
#: Multiply-adds of all steps for each worker, for programs without a loop.
WHOLE = 1_500_000
#: Multiply-adds of a call between which signals are handled: less than half a second on one core.
AT_ONCE = 15_000_000_000
#: An elementwise operation on one number, in multiply-adds.
ELEMENTWISE = 8


def allowed() -> int:
    """The threads that a pass of this thread may have now."""
    return allowed_threads()


def machine_threads() -> int:
    """The threads that passes may have, whatever the present context is."""
    return allowed_threads(everywhere=True)


@lru_cache(maxsize=16)
def work_by_phase(program: Program) -> Mapping[str, int]:
    """Multiply-adds of a step of one row, by phase; those of the gradients are in ``"sums"``."""
    work: dict[str, int] = defaultdict(int)
    for instruction in program.instructions:
        if instruction.name == "dot":
            pack = instruction.operands[1]
            assert isinstance(pack, PackRef)
            work[instruction.phase] += input_count(program, pack) * instruction.output.width
        else:
            work[instruction.phase] += ELEMENTWISE * instruction.output.width
    for accumulator in program.accumulators:
        work["sums"] += accumulator.rows * accumulator.columns
    return MappingProxyType(work)


def useful(program: Program, steps: int, batch: int, dtype: str) -> int:
    """The number of workers beyond which a program gets slower."""
    work = work_by_phase(program)
    scale = batch * (2 if dtype == "float64" else 1)
    loops = [work[phase] for phase in (LOOP, BACK_LOOP) if phase in work]
    if loops:
        return max(1, scale * min(loops) // STEP)
    return max(1, scale * steps * sum(work.values()) // WHOLE)


def small(program: Program, steps: int, batch: int, dtype: str) -> bool:
    """Whether an instruction has so little work, for all steps, that meeting after it costs more than it gains."""
    scale = batch * steps * (2 if dtype == "float64" else 1)
    return scale * sum(work_by_phase(program).values()) < STEP * len(program.instructions)


def steps_at_once(program: Program, batch: int, dtype: str) -> int:
    """The number of steps that one call may compute, so that an interrupt need not wait for long."""
    work = work_by_phase(program)
    forward = sum(work.get(phase, 0) for phase in FORWARD)
    most = max(forward, sum(work.values()) - forward) * batch * (2 if dtype == "float64" else 1)
    return max(1, AT_ONCE // max(1, most))
