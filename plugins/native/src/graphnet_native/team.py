"""The code of a team of threads: how workers wait for tasks, meet at barriers and sleep. Text of LLVM IR.

A *task* is a function ``f(table, start, stop, origin, team, worker, workers)`` that each worker of a team calls with
its own number; the thread that has the task is worker 0. Workers wait at a word of memory: first they look at it for a
bounded number of times, then they sleep in the kernel until it changes (a futex on Linux, short naps elsewhere).
A team that is busy with another thread's task is not waited for: ``team_run`` then calls the task as the only worker.

A task begins with roll call: it rings workers and looks for a short time how many answer. Those are the team; a worker
that sleeps, or has no core, is not waited for. Where workers are missing, or where threads of a task had to sleep and
it took as long as one thread would, threads share a core or other processes need it. Then tasks run alone for a while:
for the time that was lost, twice as long after each further loss.
"""

from __future__ import annotations

import platform
import sys

from graphnet_native.ir import I64, PTR, Function, Module

#: Where a team has what, in bytes; words that different threads write are on lines of their own.
BUSY, ARRIVED, PHASE, SLEEPING, DONE, DONE_SLEEPING = 0, 128, 256, 384, 512, 640
#: The number of workers that have answered, with two bits: the roll is closed, and the team is complete.
ROLL, ROLL_SLEEPING, CLOSED, COMPLETE = 1152, 1280, 1 << 29, 1 << 30
#: Counters: sleeps of workers inside tasks; tasks that were shared; tasks that ran alone.
SLEPT, SHARED, ALONE = 768, 776, 784
#: Counter of losses; until when tasks run alone, in nanoseconds of the clock; the multiple of lost time, in sixteenths.
LOST, RESTING, REST = 792, 800, 808
#: The task: function, table, start, stop, origin, workers, floating-point mode.
TASK = 896
#: Address of ``syscall`` (0: none), number of the call, address of a nap, its argument; looks at a word before
#: sleeping, within a task and between tasks; looks at the roll before it is closed. Then ``clock_gettime`` (0: none)
#: and the number of its clock; the part of a single thread's time, in thousandths, from which on a task has lost time;
#: the time of roll call in nanoseconds.
SETTINGS = 1024
#: The first mailbox: a word that is raised for each task, and the number of sleepers at 64.
MAILBOX, MAILBOX_BYTES = 1408, 128

#: Nanoseconds for which tasks run alone at most, and the largest multiple, in sixteenths.
LONGEST, MOST_REST = 200_000_000, 256

X86 = platform.machine().lower() in ("x86_64", "amd64")
ARM = platform.machine().lower() in ("aarch64", "arm64")
#: The number of the system call futex on Linux.
FUTEX = {True: 202, False: 98}[X86] if sys.platform.startswith("linux") and (X86 or ARM) else 0

_HINT = "call void @llvm.x86.sse2.pause()" if X86 else "call void @llvm.aarch64.hint(i32 1)" if ARM else ""
_DECLARATIONS = {
    True: {
        "llvm.x86.sse2.pause": "declare void @llvm.x86.sse2.pause()",
        "llvm.x86.sse.stmxcsr": "declare void @llvm.x86.sse.stmxcsr(ptr)",
        "llvm.x86.sse.ldmxcsr": "declare void @llvm.x86.sse.ldmxcsr(ptr)",
    },
    False: {"llvm.aarch64.hint": "declare void @llvm.aarch64.hint(i32)"} if ARM else {},
}[X86]

_WAIT = f"""define internal void @team_wait(ptr %team, ptr %word, i32 %old, ptr %sleepers, i64 %looks, i64 %count) #0 {{
entry:
  br label %look
look:
  %i = phi i64 [ 0, %entry ], [ %next, %again ]
  %seen = load atomic i32, ptr %word acquire, align 4
  %same = icmp eq i32 %seen, %old
  br i1 %same, label %hint, label %end
hint:
  {_HINT}
  %more = icmp ult i64 %i, %looks
  br i1 %more, label %again, label %prepare
again:
  %next = add i64 %i, 1
  br label %look
prepare:
  %slept = getelementptr i8, ptr %team, i64 {SLEPT}
  %ignored = atomicrmw add ptr %slept, i64 %count monotonic, align 8
  br label %announce
announce:
  %before = atomicrmw add ptr %sleepers, i32 1 seq_cst, align 4
  %now = load atomic i32, ptr %word seq_cst, align 4
  %still = icmp eq i32 %now, %old
  br i1 %still, label %sleep, label %woken
sleep:
  %settings = getelementptr i8, ptr %team, i64 {SETTINGS}
  %futex = load ptr, ptr %settings, align 8
  %has = icmp ne ptr %futex, null
  br i1 %has, label %kernel, label %nap
kernel:
  %numbers = getelementptr i8, ptr %team, i64 {SETTINGS + 8}
  %number = load i64, ptr %numbers, align 8
  %wide = zext i32 %old to i64
  %result = call i64 (i64, ...) %futex(i64 %number, ptr %word, i64 128, i64 %wide, ptr null, ptr null, i64 0)
  br label %woken
nap:
  %naps = getelementptr i8, ptr %team, i64 {SETTINGS + 16}
  %pause = load ptr, ptr %naps, align 8
  %amounts = getelementptr i8, ptr %team, i64 {SETTINGS + 24}
  %amount = load i32, ptr %amounts, align 8
  call void %pause(i32 %amount)
  br label %woken
woken:
  %after = atomicrmw sub ptr %sleepers, i32 1 seq_cst, align 4
  %last = load atomic i32, ptr %word acquire, align 4
  %asleep = icmp eq i32 %last, %old
  br i1 %asleep, label %announce, label %end
end:
  ret void
}}"""

_WAKE = f"""define internal void @team_wake(ptr %team, ptr %word, ptr %sleepers) #0 {{
entry:
  %count = load atomic i32, ptr %sleepers seq_cst, align 4
  %some = icmp ne i32 %count, 0
  br i1 %some, label %wake, label %end
wake:
  %settings = getelementptr i8, ptr %team, i64 {SETTINGS}
  %futex = load ptr, ptr %settings, align 8
  %has = icmp ne ptr %futex, null
  br i1 %has, label %kernel, label %end
kernel:
  %numbers = getelementptr i8, ptr %team, i64 {SETTINGS + 8}
  %number = load i64, ptr %numbers, align 8
  %result = call i64 (i64, ...) %futex(i64 %number, ptr %word, i64 129, i64 2147483647, ptr null, ptr null, i64 0)
  br label %end
end:
  ret void
}}"""

_BARRIER = f"""define internal void @team_barrier(ptr %team, i64 %workers) #0 {{
entry:
  %several = icmp ugt i64 %workers, 1
  br i1 %several, label %meet, label %end
meet:
  %word = getelementptr i8, ptr %team, i64 {PHASE}
  %arrivals = getelementptr i8, ptr %team, i64 {ARRIVED}
  %sleepers = getelementptr i8, ptr %team, i64 {SLEEPING}
  %phase = load atomic i32, ptr %word monotonic, align 4
  %before = atomicrmw add ptr %arrivals, i32 1 acq_rel, align 4
  %others = trunc i64 %workers to i32
  %mine = add i32 %before, 1
  %last = icmp eq i32 %mine, %others
  br i1 %last, label %open, label %wait
open:
  store atomic i32 0, ptr %arrivals monotonic, align 4
  %next = add i32 %phase, 1
  %old = atomicrmw xchg ptr %word, i32 %next seq_cst, align 4
  call void @team_wake(ptr %team, ptr %word, ptr %sleepers)
  br label %end
wait:
  %bounds = getelementptr i8, ptr %team, i64 {SETTINGS + 32}
  %looks = load i64, ptr %bounds, align 8
  call void @team_wait(ptr %team, ptr %word, i32 %phase, ptr %sleepers, i64 %looks, i64 1)
  br label %end
end:
  ret void
}}"""

_WORKER = f"""define dso_local void @team_worker(ptr %team, ptr %mailbox) #0 {{
entry:
  %sleepers = getelementptr i8, ptr %mailbox, i64 64
  %bounds = getelementptr i8, ptr %team, i64 {SETTINGS + 40}
  %inside = getelementptr i8, ptr %team, i64 {SETTINGS + 32}
  %roll = getelementptr i8, ptr %team, i64 {ROLL}
  %roll.sleepers = getelementptr i8, ptr %team, i64 {ROLL_SLEEPING}
  %task = getelementptr i8, ptr %team, i64 {TASK}
  %tables = getelementptr i8, ptr %task, i64 8
  %starts = getelementptr i8, ptr %task, i64 16
  %stops = getelementptr i8, ptr %task, i64 24
  %origins = getelementptr i8, ptr %task, i64 32
  %sizes = getelementptr i8, ptr %task, i64 40
  %mode = getelementptr i8, ptr %task, i64 48
  %done = getelementptr i8, ptr %team, i64 {DONE}
  %waiting = getelementptr i8, ptr %team, i64 {DONE_SLEEPING}
  br label %loop
loop:
  %seen = phi i32 [ 0, %entry ], [ %received, %answer ], [ %received, %work ]
  %looks = load i64, ptr %bounds, align 8
  call void @team_wait(ptr %team, ptr %mailbox, i32 %seen, ptr %sleepers, i64 %looks, i64 0)
  %received = load atomic i32, ptr %mailbox acquire, align 4
  %present = load atomic ptr, ptr %task monotonic, align 8
  %none = icmp eq ptr %present, null
  br i1 %none, label %end, label %answer
answer:
  %answered = atomicrmw add ptr %roll, i32 1 acq_rel, align 4
  %closed = icmp uge i32 %answered, {CLOSED}
  br i1 %closed, label %loop, label %gather
gather:
  %now = load atomic i32, ptr %roll acquire, align 4
  %complete = icmp uge i32 %now, {COMPLETE}
  br i1 %complete, label %work, label %waiting.team
waiting.team:
  %within = load i64, ptr %inside, align 8
  call void @team_wait(ptr %team, ptr %roll, i32 %now, ptr %roll.sleepers, i64 %within, i64 0)
  br label %gather
work:
  %function = load ptr, ptr %task, align 8
  %before.me = zext i32 %answered to i64
  %number = add i64 %before.me, 1
  {"call void @llvm.x86.sse.ldmxcsr(ptr %mode)" if X86 else ""}
  %table = load ptr, ptr %tables, align 8
  %start = load i64, ptr %starts, align 8
  %stop = load i64, ptr %stops, align 8
  %origin = load i64, ptr %origins, align 8
  %workers = load i64, ptr %sizes, align 8
  call void %function(ptr %table, i64 %start, i64 %stop, i64 %origin, ptr %team, i64 %number, i64 %workers)
  %before = atomicrmw add ptr %done, i32 1 seq_cst, align 4
  call void @team_wake(ptr %team, ptr %done, ptr %waiting)
  br label %loop
end:
  ret void
}}"""

#: Raises the mailbox of each worker %k, and wakes those that sleep; follows a block %prepare.
_CALL = f"""call:
  %k = phi i64 [ 0, %prepare ], [ %following, %call ]
  %distance = mul i64 %k, {MAILBOX_BYTES}
  %beginning = add i64 %distance, {MAILBOX}
  %mailbox = getelementptr i8, ptr %team, i64 %beginning
  %sleepers = getelementptr i8, ptr %mailbox, i64 64
  %raised = atomicrmw add ptr %mailbox, i32 1 seq_cst, align 4
  call void @team_wake(ptr %team, ptr %mailbox, ptr %sleepers)
  %following = add i64 %k, 1
"""

_RUN = f"""define internal void @team_run(ptr %team, ptr %f, ptr %table, i64 %start, i64 %stop, i64 %origin,
  i64 %n) #0 {{
entry:
  %several = icmp ugt i64 %n, 1
  br i1 %several, label %take, label %alone
take:
  %busy = getelementptr i8, ptr %team, i64 {BUSY}
  %pair = cmpxchg ptr %busy, i32 0, i32 1 seq_cst seq_cst
  %taken = extractvalue {{ i32, i1 }} %pair, 1
  br i1 %taken, label %prepare, label %alone
alone:
  %alones = getelementptr i8, ptr %team, i64 {ALONE}
  %counted = atomicrmw add ptr %alones, i64 1 monotonic, align 8
  call void %f(ptr %table, i64 %start, i64 %stop, i64 %origin, ptr %team, i64 0, i64 1)
  ret void
prepare:
  %roll = getelementptr i8, ptr %team, i64 {ROLL}
  %roll.sleepers = getelementptr i8, ptr %team, i64 {ROLL_SLEEPING}
  %done = getelementptr i8, ptr %team, i64 {DONE}
  %arrived = getelementptr i8, ptr %team, i64 {ARRIVED}
  %waiting = getelementptr i8, ptr %team, i64 {DONE_SLEEPING}
  store atomic i32 0, ptr %done monotonic, align 4
  store atomic i32 0, ptr %arrived monotonic, align 4
  %task = getelementptr i8, ptr %team, i64 {TASK}
  %tables = getelementptr i8, ptr %task, i64 8
  %starts = getelementptr i8, ptr %task, i64 16
  %stops = getelementptr i8, ptr %task, i64 24
  %origins = getelementptr i8, ptr %task, i64 32
  %sizes = getelementptr i8, ptr %task, i64 40
  %mode = getelementptr i8, ptr %task, i64 48
  store atomic ptr %f, ptr %task monotonic, align 8
  store ptr %table, ptr %tables, align 8
  store i64 %start, ptr %starts, align 8
  store i64 %stop, ptr %stops, align 8
  store i64 %origin, ptr %origins, align 8
  {"call void @llvm.x86.sse.stmxcsr(ptr %mode)" if X86 else ""}
  store atomic i32 0, ptr %roll release, align 4
  %wanted = sub i64 %n, 1
  %bounds = getelementptr i8, ptr %team, i64 {SETTINGS + 32}
  %looks = load i64, ptr %bounds, align 8
  %rolls = getelementptr i8, ptr %team, i64 {SETTINGS + 48}
  %patience = load i64, ptr %rolls, align 8
  %all = trunc i64 %wanted to i32
  br label %call
{_CALL}  %more = icmp ult i64 %following, %wanted
  br i1 %more, label %call, label %look
look:
  %i = phi i64 [ 0, %call ], [ %next, %again ]
  %answers = load atomic i32, ptr %roll acquire, align 4
  %complete = icmp uge i32 %answers, %all
  br i1 %complete, label %close, label %again
again:
  {_HINT}
  %next = add i64 %i, 1
  %patient = icmp ult i64 %next, %patience
  br i1 %patient, label %look, label %close
close:
  %there = atomicrmw or ptr %roll, i32 {CLOSED} acq_rel, align 4
  %others = zext i32 %there to i64
  %size = add i64 %others, 1
  store i64 %size, ptr %sizes, align 8
  %counter = icmp eq i32 %there, 0
  %place = select i1 %counter, i64 {ALONE}, i64 {SHARED}
  %counts = getelementptr i8, ptr %team, i64 %place
  %counted.too = atomicrmw add ptr %counts, i64 1 monotonic, align 8
  %opened = atomicrmw or ptr %roll, i32 {COMPLETE} seq_cst, align 4
  call void @team_wake(ptr %team, ptr %roll, ptr %roll.sleepers)
  br label %own
own:
  call void %f(ptr %table, i64 %start, i64 %stop, i64 %origin, ptr %team, i64 0, i64 %size)
  br label %check
check:
  %finished = load atomic i32, ptr %done acquire, align 4
  %finish = icmp eq i32 %finished, %there
  br i1 %finish, label %release, label %wait
wait:
  call void @team_wait(ptr %team, ptr %done, i32 %finished, ptr %waiting, i64 %looks, i64 1)
  br label %check
release:
  store atomic i32 0, ptr %busy release, align 4
  ret void
}}"""

_CLOCK = f"""define internal i64 @team_clock(ptr %team) #0 {{
entry:
  %time = alloca [2 x i64], align 8
  %clocks = getelementptr i8, ptr %team, i64 {SETTINGS + 56}
  %clock = load ptr, ptr %clocks, align 8
  %has = icmp ne ptr %clock, null
  br i1 %has, label %read, label %none
none:
  ret i64 0
read:
  %kinds = getelementptr i8, ptr %team, i64 {SETTINGS + 64}
  %kind = load i32, ptr %kinds, align 8
  %failed = call i32 %clock(i32 %kind, ptr %time)
  %seconds = load i64, ptr %time, align 8
  %rest = getelementptr i8, ptr %time, i64 8
  %nanoseconds = load i64, ptr %rest, align 8
  %large = mul i64 %seconds, 1000000000
  %sum = add i64 %large, %nanoseconds
  ret i64 %sum
}}"""

_SHARE = f"""define dso_local void @team_share(ptr %team, ptr %f, ptr %table, i64 %start, i64 %stop, i64 %origin,
  i64 %n, ptr %record) #0 {{
entry:
  %resting.at = getelementptr i8, ptr %team, i64 {RESTING}
  %several = icmp ugt i64 %n, 1
  br i1 %several, label %time, label %alone
time:
  %began = call i64 @team_clock(ptr %team)
  %resting = load i64, ptr %resting.at, align 8
  %rests = icmp slt i64 %began, %resting
  br i1 %rests, label %alone, label %share
alone:
  call void @team_run(ptr %team, ptr %f, ptr %table, i64 %start, i64 %stop, i64 %origin, i64 1)
  ret void
share:
  %slept.at = getelementptr i8, ptr %team, i64 {SLEPT}
  %alone.at = getelementptr i8, ptr %team, i64 {ALONE}
  %slept.before = load atomic i64, ptr %slept.at monotonic, align 8
  %alone.before = load atomic i64, ptr %alone.at monotonic, align 8
  call void @team_run(ptr %team, ptr %f, ptr %table, i64 %start, i64 %stop, i64 %origin, i64 %n)
  %now = call i64 @team_clock(ptr %team)
  %took = sub i64 %now, %began
  %difference = sub i64 %stop, %start
  %some = icmp sgt i64 %difference, 0
  %steps = select i1 %some, i64 %difference, i64 1
  %best = load i64, ptr %record, align 8
  %expected = mul i64 %best, %steps
  %alone.after = load atomic i64, ptr %alone.at monotonic, align 8
  %missing = icmp ne i64 %alone.before, %alone.after
  %rolls = getelementptr i8, ptr %team, i64 {SETTINGS + 80}
  %roll = load i64, ptr %rolls, align 8
  br i1 %missing, label %lose, label %present
present:
  %each = sdiv i64 %took, %steps
  %unknown = icmp eq i64 %best, 0
  %better = icmp slt i64 %each, %best
  %improves = or i1 %unknown, %better
  br i1 %improves, label %improve, label %compare
improve:
  store i64 %each, ptr %record, align 8
  ret void
compare:
  %slept.after = load atomic i64, ptr %slept.at monotonic, align 8
  %slept = icmp ne i64 %slept.before, %slept.after
  %gains = getelementptr i8, ptr %team, i64 {SETTINGS + 72}
  %gain = load i64, ptr %gains, align 8
  %single = mul i64 %expected, %n
  %limit = mul i64 %single, %gain
  %thousands = mul i64 %took, 1000
  %slow = icmp sgt i64 %thousands, %limit
  %loses = and i1 %slow, %slept
  %excess = sub i64 %took, %expected
  br i1 %loses, label %lose, label %forget
forget:
  %rest.at.forget = getelementptr i8, ptr %team, i64 {REST}
  %rest.before = load i64, ptr %rest.at.forget, align 8
  %eighth = lshr i64 %rest.before, 3
  %less = sub i64 %rest.before, %eighth
  %enough = icmp sgt i64 %less, 16
  %kept = select i1 %enough, i64 %less, i64 16
  store i64 %kept, ptr %rest.at.forget, align 8
  ret void
lose:
  %lost = phi i64 [ %roll, %share ], [ %excess, %compare ]
  %rest.at = getelementptr i8, ptr %team, i64 {REST}
  %rest = load i64, ptr %rest.at, align 8
  %product = mul i64 %rest, %lost
  %long = lshr i64 %product, 4
  %short = icmp slt i64 %long, {LONGEST}
  %pause = select i1 %short, i64 %long, i64 {LONGEST}
  %until = add i64 %now, %pause
  store i64 %until, ptr %resting.at, align 8
  %twice = shl i64 %rest, 1
  %small = icmp slt i64 %twice, {MOST_REST}
  %following = select i1 %small, i64 %twice, i64 {MOST_REST}
  store i64 %following, ptr %rest.at, align 8
  %lost.at = getelementptr i8, ptr %team, i64 {LOST}
  %counted = atomicrmw add ptr %lost.at, i64 1 monotonic, align 8
  ret void
}}"""

_END = f"""define dso_local void @team_end(ptr %team, i64 %n) #0 {{
entry:
  %busy = getelementptr i8, ptr %team, i64 {BUSY}
  %pair = cmpxchg ptr %busy, i32 0, i32 1 seq_cst seq_cst
  %taken = extractvalue {{ i32, i1 }} %pair, 1
  br i1 %taken, label %prepare, label %end
prepare:
  %task = getelementptr i8, ptr %team, i64 {TASK}
  store ptr null, ptr %task, align 8
  br label %call
{_CALL}  %more = icmp ult i64 %following, %n
  br i1 %more, label %call, label %end
end:
  ret void
}}"""

_SPIN = f"""define dso_local void @team_spin(ptr %word, i64 %looks) #0 {{
entry:
  br label %look
look:
  %i = phi i64 [ 0, %entry ], [ %next, %look ]
  %seen = load atomic i32, ptr %word acquire, align 4
  {_HINT}
  %next = add i64 %i, 1
  %more = icmp ult i64 %next, %looks
  br i1 %more, label %look, label %end
end:
  ret void
}}"""


#: The functions of a pool that are called from outside.
EXPORTS = ("team_share", "team_worker", "team_end", "team_spin")


class Written(Function):
    """A function whose text is given."""

    def __init__(self, module: Module, name: str, text: str) -> None:
        super().__init__(module, name, [], table=True)
        self.written = text

    def text(self, internal: bool | None = None) -> str:
        """The text."""
        return self.written


def _add(module: Module, **functions: str) -> None:
    for name, text in _DECLARATIONS.items():
        module.declare_text(name, text)
    for name, text in functions.items():
        module.functions.setdefault(name, Written(module, name, text))


def barrier(module: Module) -> str:
    """Define ``f(team, workers)``, from which each worker returns when all have called it; returns its name."""
    _add(module, team_wait=_WAIT, team_wake=_WAKE, team_barrier=_BARRIER)
    return "team_barrier"


def code(module: Module) -> Module:
    """Define the functions of a pool; returns the module.

    ``team_worker(team, mailbox)`` is what a thread runs, ``team_share(team, f, table, start, stop, origin, workers,
    record)`` runs a task whose shortest time for each step is in ``record``, ``team_end(team, threads)`` ends threads
    unless the team is busy, after which it stays busy, and ``team_spin(word, looks)`` looks at a word for that number
    of times, to be timed.
    """
    _add(module, team_wait=_WAIT, team_wake=_WAKE, team_worker=_WORKER, team_run=_RUN, team_clock=_CLOCK,
         team_share=_SHARE, team_end=_END, team_spin=_SPIN)  # fmt: skip
    return module


#: The parameters that a task has beyond those of a function for one thread: team, worker, workers.
TASK_PARAMETERS = (PTR, I64, I64)
