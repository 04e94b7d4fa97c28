"""Long time lags: an LSTM, a GRU or an Elman network on problems of Hochreiter & Schmidhuber 1997.

    python examples/long_time_lags/solve.py adding
    python examples/long_time_lags/solve.py reber --cell rnn --learning-rate 0.003

Each seed draws its own weights and its own sequences. Every training sequence is counted, also in batches. README.md
has references for the criteria and for the numbers of the paper.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import adding
import numpy as np
import order
import reber
from criteria import Recent, final_errors, possible_first
from sequences import Batch
from threadpoolctl import threadpool_limits

import graphnet
from graphnet.initializers import Constant, Xavier
from graphnet.losses import BinaryCrossEntropy, Loss, MeanSquaredError
from graphnet.optimizers import Adam
from graphnet_recurrent import GRU, LSTM, RNN, Sigmoid

TESTED = 2560  # new sequences after training, as in the paper


class Online:
    """Sequences that are generated during training and never repeated; solved by criterion ST3."""

    def __init__(self, make: Callable[..., Batch], tolerance: float, average: float, logistic: bool) -> None:
        self.make, self.logistic = make, logistic
        self.recent = Recent(tolerance, average)

    def start(self, rng: np.random.Generator) -> None:
        """Start a new run."""
        self.rng = rng
        self.recent = Recent(self.recent.tolerance, self.recent.average)

    def next(self, size: int) -> Batch:
        """A batch of training sequences."""
        return self.make(self.rng, size)

    def errors(self, output: np.ndarray, batch: Batch) -> np.ndarray:
        """The error of each sequence."""
        return final_errors(Sigmoid().forward(output) if self.logistic else output, batch.targets)

    def solved(self, layer: graphnet.Layer, output: np.ndarray, batch: Batch, used: int, limit: int) -> bool:
        """Whether the criterion is met with these outputs, from before the update."""
        self.recent.add(self.errors(output, batch))
        return self.recent.met()

    def report(self, layer: graphnet.Layer) -> str:
        """The results of the trained network on new sequences."""
        test = self.make(self.rng, TESTED)
        errors = self.errors(layer.forward(test.inputs, test.lengths), test)
        wrong = int((errors >= self.recent.tolerance).sum())
        return f"test: {wrong} of {TESTED} wrong, average error {errors.mean():.4f}"


class Grammar:
    """256 random training strings and 256 test strings; solved when all of both are predicted correctly."""

    every = 256  # training sequences between two evaluations of the criterion

    def start(self, rng: np.random.Generator) -> None:
        """Draw both sets."""
        self.rng = rng
        self.train, self.test = reber.sets(rng)

    def next(self, size: int) -> Batch:
        """A batch of training strings."""
        return self.train.batch.trimmed(self.rng.integers(len(self.train.strings), size=size))

    def wrong(self, layer: graphnet.Layer, strings: reber.Strings) -> int:
        """The number of strings that are not predicted correctly at every step."""
        output = layer.forward(strings.batch.inputs, strings.batch.lengths)
        return int((~possible_first(output, strings.possible, strings.batch.lengths)).sum())

    def solved(self, layer: graphnet.Layer, output: np.ndarray, batch: Batch, used: int, limit: int) -> bool:
        """Whether the criterion is met; evaluated at intervals and at the end."""
        if used % self.every >= len(batch.lengths) and used < limit:
            return False
        return self.wrong(layer, self.train) == 0 == self.wrong(layer, self.test)

    def report(self, layer: graphnet.Layer) -> str:
        """The results of the trained network on both sets."""
        train, test = self.wrong(layer, self.train), self.wrong(layer, self.test)
        return (
            f"wrong: {train} of {len(self.train.strings)} training strings, {test} of {len(self.test.strings)} others"
        )


@dataclass(frozen=True, kw_only=True)
class Problem:
    """A problem, and the one configuration for all its seeds."""

    name: str
    task: Online | Grammar
    inputs: int
    outputs: int
    returns: str
    loss: Loss
    #: Training sequences that the paper reports for success.
    paper: int
    #: Of the LSTM; the other cells have the units that give about the same number of weights.
    units: int
    batch: int
    rates: dict[str, float]
    #: The initial bias of the LSTM's forget gate and of the GRU's update gate: open.
    keep: float
    #: The initial bias of the LSTM's input gate: nearly closed, as in the paper.
    input_bias: float


PROBLEMS = {
    "reber": Problem(
        name="reber", task=Grammar(), inputs=7, outputs=7, returns="all", loss=BinaryCrossEntropy(), paper=8_440,
        units=16, batch=1, rates={"lstm": 0.02, "gru": 0.02, "rnn": 0.003, "elman": 0.003}, keep=4.0, input_bias=-2.0,
    ),
    "adding": Problem(
        name="adding", task=Online(adding.batch, 0.04, 0.01, logistic=False), inputs=2, outputs=1, returns="last",
        loss=MeanSquaredError(), paper=74_000,
        units=8, batch=16, rates={"lstm": 0.01, "gru": 0.01, "rnn": 0.001, "elman": 0.001}, keep=4.0, input_bias=-4.0,
    ),
    "order": Problem(
        name="order", task=Online(order.batch, 0.3, 0.1, logistic=True), inputs=8, outputs=4, returns="last",
        loss=BinaryCrossEntropy(), paper=31_390,
        units=8, batch=16, rates={"lstm": 0.01, "gru": 0.01, "rnn": 0.001, "elman": 0.001}, keep=4.0, input_bias=-4.0,
    ),
    "order3": Problem(
        name="order3", task=Online(partial(order.batch, relevant=3), 0.3, 0.1, logistic=True), inputs=8, outputs=8,
        returns="last", loss=BinaryCrossEntropy(), paper=571_100,
        units=8, batch=16, rates={"lstm": 0.01, "gru": 0.01, "rnn": 0.001, "elman": 0.001}, keep=4.0, input_bias=-4.0,
    ),
}  # fmt: skip
#: The Elman network occurs twice: with backpropagation through time, and trained as in Elman 1990.
CELLS = {"lstm": LSTM, "gru": GRU, "rnn": RNN, "elman": RNN}
#: The bound to which errors for an earlier state are clipped, which is practically zero.
NOTHING = 1e-30


def count(cell: str, problem: Problem, units: int) -> int:
    """The number of weights of a layer with this number of units."""
    blocks = len(CELLS[cell].gates)
    return blocks * (problem.inputs + units + 1) * units + (units + 1) * problem.outputs


def fair_units(cell: str, problem: Problem) -> int:
    """The number of units with which a cell has about as many weights as the LSTM."""
    wanted = count("lstm", problem, problem.units)
    return min(range(1, 8 * problem.units), key=lambda units: abs(count(cell, problem, units) - wanted))


def build(cell: str, problem: Problem, units: int, rate: float) -> graphnet.Layer:
    """Create a layer with its optimizer."""
    options = {"returns": problem.returns, "dtype": "float32"}
    if cell == "lstm":
        options["forget_bias"] = problem.keep
    if cell == "elman":
        options["clip_error"] = NOTHING
    layer = CELLS[cell](problem.inputs, units, problem.outputs, **options)
    layer.initialize(Xavier(), Constant(0.0))
    for gate, bias in (("input_gate", problem.input_bias), ("update_gate", problem.keep)):
        if gate in layer.gates:
            first = layer.gates.index(gate) * units
            weights = layer.get_weights()
            weights[-1, first : first + units] = bias
            layer.set_weights(weights)
    layer.set_optimizer(Adam(rate))
    return layer


def train(problem: Problem, layer: graphnet.Layer, limit: int) -> tuple[bool, int]:
    """Train until the criterion is met or ``limit`` sequences are used; return whether it is, and the number used."""
    used = 0
    while used < limit:
        batch = problem.task.next(min(problem.batch, limit - used))
        output = layer.forward(batch.inputs, batch.lengths)
        valid = None if problem.returns == "last" else np.arange(len(batch.inputs))[:, None] < batch.lengths
        _, error = problem.loss.value_and_error(output, batch.targets, valid)
        layer.backward(error)  # updates the weights
        used += len(batch.lengths)
        if problem.task.solved(layer, output, batch, used, limit):
            return True, used
    return False, used


def solve(problem: Problem, cell: str, seeds: int, limit: int | None, units: int | None, rate: float | None) -> int:
    """Run a problem with seeds 0 … ``seeds`` - 1, print each result, and return the number of seeds that solve it."""
    limit, units = limit or problem.paper, units or (problem.units if cell == "lstm" else fair_units(cell, problem))
    rate = rate or problem.rates[cell]
    print(
        f"{problem.name}: {cell}, {units} units, {count(cell, problem, units)} weights, learning rate {rate:g}",
        flush=True,
    )
    counts = []
    for seed in range(seeds):
        graphnet.seed(seed)
        problem.task.start(np.random.default_rng(seed))
        layer = build(cell, problem, units, rate)
        solved, used = train(problem, layer, limit)
        counts += [used] if solved else []
        outcome = "solved after" if solved else "not solved in"
        print(f"  seed {seed}: {outcome} {used} sequences; {problem.task.report(layer)}", flush=True)
    mean = f", on average after {np.mean(counts):.0f}" if counts else ""
    print(f"  solved {len(counts)} of {seeds} within {limit} sequences (the paper: {problem.paper}){mean}", flush=True)
    return len(counts)


def arguments() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(description="Problems of Hochreiter & Schmidhuber 1997.")
    parser.add_argument("problem", choices=[*PROBLEMS, "all"], help="order is experiment 6a, order3 is 6b")
    parser.add_argument(
        "--cell",
        choices=CELLS,
        default="lstm",
        help="rnn is the Elman network; elman is the same without errors to earlier steps, as in Elman 1990",
    )
    parser.add_argument("--seeds", type=at_least_one, default=5, help="number of seeds (5)")
    parser.add_argument("--limit", type=at_least_one, help="training sequences (default: as in the paper)")
    parser.add_argument("--units", type=at_least_one, help="hidden units (default: about the weights of the LSTM)")
    parser.add_argument("--learning-rate", type=above_zero, help="of Adam (default: that of the configuration)")
    parser.add_argument("--input-bias", type=float, help="initial bias of the input gates of the LSTM")
    return parser


def at_least_one(text: str) -> int:
    """Parse a positive integer."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not at least 1")
    return number


def above_zero(text: str) -> float:
    """Parse a positive number."""
    number = float(text)
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return number


def main() -> None:
    """Run the command line."""
    parser = arguments()
    options = parser.parse_args()
    if options.input_bias is not None and options.cell != "lstm":
        parser.error(f"--input-bias: {options.cell} has no input gate")
    with threadpool_limits(1):  # these products are too small for several threads
        for name in PROBLEMS if options.problem == "all" else [options.problem]:
            problem = PROBLEMS[name]
            if options.input_bias is not None:
                problem = replace(problem, input_bias=options.input_bias)
            solve(problem, options.cell, options.seeds, options.limit, options.units, options.learning_rate)


if __name__ == "__main__":
    main()
