"""How many threads a program uses: by its work, and by the thread setting of the run."""

from __future__ import annotations

from collections import defaultdict

from graphnet.core.compile.program import BACK_LOOP, LOOP, PackRef, Program
from graphnet.core.concurrency.blas_threads import allowed_threads
from graphnet.core.run.numpy_backend.program_policy import input_count

#: Multiply-adds of one step of a loop for each worker, below which meeting after the step costs more than it gains.
STEP = 150_000
#: Multiply-adds of all steps for each worker, for programs without a loop.
WHOLE = 1_500_000
#: An elementwise operation on one number, in multiply-adds.
ELEMENTWISE = 8


def allowed() -> int:
    """The threads that a pass of this thread may have now."""
    return allowed_threads()


def machine_threads() -> int:
    """The threads that passes may have, whatever the present context is."""
    return allowed_threads(everywhere=True)


def useful(program: Program, steps: int, batch: int, dtype: str) -> int:
    """The number of workers beyond which a program gets slower."""
    work: dict[bool, dict[str, int]] = {True: defaultdict(int), False: defaultdict(int)}
    for instruction in program.instructions:
        looped = instruction.phase in (LOOP, BACK_LOOP)
        if instruction.name == "dot":
            pack = instruction.operands[1]
            assert isinstance(pack, PackRef)
            cost = input_count(program, pack) * instruction.output.width
        else:
            cost = ELEMENTWISE * instruction.output.width
        work[looped][instruction.phase] += cost * batch
    scale = 2 if dtype == "float64" else 1
    if work[True]:
        return max(1, scale * min(work[True].values()) // STEP)
    return max(1, scale * steps * sum(work[False].values()) // WHOLE)
