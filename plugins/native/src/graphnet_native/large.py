"""Large programs: functions that make the calls of a list, instead of code for each instruction."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from graphnet.core.compile.program import Instruction, Program
from graphnet_native import bounds, call_kernels
from graphnet_native.calls import SECTIONS, Calls, suitable
from graphnet_native.emitter import Emitter
from graphnet_native.engine import key_of
from graphnet_native.frame import Frame
from graphnet_native.ir import Module, integer


def emitter(program: Program, dtype: str, vector_bytes: int, batch: int, llvm: int, workers: int = 1) -> Emitter:
    """The emitter of a program: by its size, and by whether workers share it. See :class:`Emitter`."""
    large = workers == 1 and suitable(program, batch) and not bounds.enabled()
    return (LargeEmitter if large else Emitter)(program, dtype, vector_bytes, batch, llvm, workers)


class LargeEmitter(Emitter):
    """Builds the functions of a program that is a list of calls; see :class:`Emitter`."""

    limited = False

    def __init__(
        self, program: Program, dtype: str, vector_bytes: int, batch: int, llvm: int, workers: int = 1
    ) -> None:
        super().__init__(program, dtype, vector_bytes, batch, llvm, workers)
        self.calls = Calls(program, self.table, self.packing, self.dtype.bytes, self.tiles.rows)
        self.data = self.calls.data

    def key(self) -> str:
        """What the code is kept under: the forms of the calls, and the borders of the program, which are emitted."""
        program, buffers = self.program, self.program.buffers
        places = [place for _, _, place, _ in program.staged]
        borders = [(place, buffers[place.buffer]) for place in (*places, *program.emitted)]
        staged = [(name, attr, phase) for name, attr, _, phase in program.staged]
        outputs = program.sequence_errors
        parts = (self.dtype, self.tiles, self.table, borders, staged, outputs, list(self.calls.forms))
        return key_of("large program", repr(parts), repr(self.module.vector_bytes))

    def emit(self) -> Module:
        """The module with the functions of all phases."""
        call_kernels.emit(self.module, self.calls.forms, self.tiles, self.table.calls)
        return super().emit()

    def _function(self, name: str, body: Callable[[Frame], None]) -> None:
        if name in ("clear_sums", "write_gradients"):  # parts of whole passes
            super()._function(name, lambda frame: self._run(frame, name))
        else:
            super()._function(name, body)

    def _block(self, frame: Frame, instructions: Sequence[Instruction]) -> None:
        if instructions:
            self._run(frame, instructions[0].phase)

    def _pack(self, frame: Frame) -> None:
        self._run(frame, "pack")

    def _sums(self, frame: Frame) -> None:
        self._run(frame, "sums")

    def _run(self, frame: Frame, section: str) -> None:
        """Make the calls of a section."""
        number = integer(SECTIONS.index(section))
        frame.f.run(call_kernels.RUN, frame.f.parameters[0], frame.start, frame.stop, frame.origin, number)
