"""Train on one series of a million steps, read from disk piece by piece, with constant memory.

    python examples/stream/stream.py

The series is a vibration measured with noise: a damped oscillator driven by random pushes. Predicting the next
measurement requires memory, and the smallest possible error is known from the Riccati equation of the Kalman filter. An
LSTM without knowledge of oscillators learns the prediction from the stream.
"""

import argparse
import resource
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import graphnet
from graphnet import Builder, Model, TrainingConfig
from graphnet.callbacks import Callback
from graphnet.datasets import Stream
from graphnet.losses import MeanSquaredError
from graphnet.optimizers import Adam
from graphnet_recurrent import LSTM

PIECE = 10_000  # steps that are generated and written at a time
STEPS = 100  # steps of a training piece


# ---------------------------------------------------------------------- the series
@dataclass(frozen=True)
class Oscillator:
    """``s_{t+1} = A s_t + w_t``, ``y_t = s_t[0] + v_t``: A rotates by 2 pi / period and scales by ``damping``.

    ``w`` is normal with variance ``1 - damping**2`` in both directions, so that ``s_t[0]`` has variance 1; ``v`` is
    normal with variance ``noise``.
    """

    period: float = 25.0
    damping: float = 0.99
    noise: float = 1.0

    @property
    def turn(self) -> np.ndarray:
        """The matrix A."""
        angle = 2 * np.pi / self.period
        return self.damping * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])

    def pieces(self, steps: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
        """Pieces of measurements (steps, 1), ``steps`` in total, from the stationary distribution."""
        factor = self.damping * np.exp(2j * np.pi / self.period)  # the state as a complex number
        push = np.sqrt(1 - self.damping**2)
        state = complex(*rng.standard_normal(2))
        for start in range(0, steps, PIECE):
            pushes = push * rng.standard_normal((min(PIECE, steps - start), 2)) @ [1, 1j]
            states = np.empty(len(pushes))
            for i, pushed in enumerate(pushes.tolist()):
                states[i] = state.real
                state = factor * state + pushed
            yield (states + np.sqrt(self.noise) * rng.standard_normal(len(states)))[:, None]

    def covariance(self) -> np.ndarray:
        """P: the covariance of s_{t+1} given y_1 … y_t, for large t.

        The fixed point of ``P = A (P - P c c' P / (c' P c + noise)) A' + (1 - damping**2) I``, c = (1, 0) (Kalman 1960;
        Anderson & Moore 1979, chapter 4).
        """
        turn, covariance = self.turn, np.eye(2)
        while True:
            column = covariance[:, :1]
            posterior = covariance - column @ column.T / (covariance[0, 0] + self.noise)
            new = turn @ posterior @ turn.T + (1 - self.damping**2) * np.eye(2)
            if np.abs(new - covariance).max() < 1e-14:
                return new
            covariance = new

    def best_error(self) -> float:
        """The least mean squared error of a prediction of y_{t+1} from y_1 … y_t, for large t: P[0, 0] + noise."""
        return float(self.covariance()[0, 0] + self.noise)

    @property
    def slope(self) -> float:
        """The best prediction of y_{t+1} from y_t alone is slope times y_t: their covariance over the variance of y."""
        return float(self.turn[0, 0] / (1 + self.noise))

    def memoryless_error(self) -> float:
        """The least mean squared error of a prediction from y_t alone: ``v (1 - slope**2)``, v = 1 + noise."""
        return (1 + self.noise) * (1 - self.slope**2)

    def errors(self, series: np.ndarray) -> tuple[float, float]:
        """Mean squared errors on one series (steps, 1) from its second step, of the optimal predictors.

        These are the Kalman filter, and the best predictor without memory.
        """
        gain = self.covariance()[:, 0] / self.best_error()
        (a, b), (c, d) = self.turn.tolist()
        first, second, squares = 0.0, 0.0, 0.0  # the expected state
        for number, measured in enumerate(series[:, 0].tolist()):
            innovation = measured - first
            squares += innovation**2 if number else 0.0
            x, y = first + gain[0] * innovation, second + gain[1] * innovation
            first, second = a * x + b * y, c * x + d * y
        memoryless = np.mean((series[1:].astype(float) - self.slope * series[:-1]) ** 2)
        return float(squares / (len(series) - 1)), float(memoryless)


def write_series(path: Path, steps: int, oscillator: Oscillator, rng: np.random.Generator) -> None:
    """Write a series (steps, 1) of float32 to an .npy file, with at most one piece in memory."""
    with path.open("wb") as file:
        header = {"descr": "<f4", "fortran_order": False, "shape": (steps, 1)}
        np.lib.format.write_array_header_1_0(file, header)
        for piece in oscillator.pieces(steps, rng):
            file.write(piece.astype("<f4").tobytes())


def stream(series: np.ndarray) -> Stream:
    """The stream of measurements, each with the next one as its target."""
    return Stream(series[:-1], series[1:], batch=1)


# ---------------------------------------------------------------------- the network
def network(units: int) -> graphnet.Graph:
    """An LSTM whose output at each step is a linear function of its hidden state."""
    model = Builder("vibration")
    measured = model.input("measured", "time, batch, feature=1")
    return model.build(next=LSTM(1, units, 1, forget_bias=1.0, dtype="float32")(measured, name="lstm"))


def peak_memory() -> float:
    """The peak memory of this process in MB."""
    unit = 1 if sys.platform == "darwin" else 1024  # bytes on macOS, else kB
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


class Progress(Callback):
    """Prints ten lines for a stream: the mean error so far, the speed and the peak memory."""

    def on_start(self, trainer: graphnet.Trainer, batches: int) -> None:
        """Start the clock."""
        self.batches, self.start = batches, time.perf_counter()
        self.memory: list[float] = []

    def on_batch_end(self, trainer: graphnet.Trainer, epoch: int, batch: int, loss: float) -> None:
        """Print a line after each tenth of the stream."""
        tenth = 10 * batch // self.batches
        if tenth == 10 * (batch - 1) // self.batches:
            return
        self.memory.append(peak_memory())
        rate = batch * STEPS / (time.perf_counter() - self.start)
        print(
            f"{10 * tenth:3} %  mean error so far {loss:.4f}  {rate:.0f} steps/s  {self.memory[-1]:.1f} MB", flush=True
        )

    @property
    def growth(self) -> float:
        """The growth of the peak memory from the first tenth to the last, in MB."""
        return self.memory[-1] - self.memory[0]


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the series, train on it once, evaluate on the steps after it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--steps", type=int, default=1_000_000, help="training steps (1000000); a tenth more for evaluation"
    )
    parser.add_argument("--units", type=int, default=16, help="width of the LSTM (16)")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)

    oscillator = Oscillator()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "series.npy"
        total = options.steps + options.steps // 10
        write_series(path, total + 1, oscillator, np.random.default_rng(options.seed))
        print(f"{total} steps written: {path.stat().st_size / 1e6:.1f} MB", flush=True)
        series = np.load(path, mmap_mode="r")
        config = TrainingConfig(
            loss=MeanSquaredError(), optimizer=Adam(0.002), tbptt=(STEPS, STEPS), epochs=1, clip_norm=1.0,
            seed=options.seed,
        )  # fmt: skip
        model, progress = Model(network(options.units), config), Progress()
        model.fit(stream(series[: options.steps + 1]), callbacks=[progress], verbose=0)
        after = series[options.steps :]
        error, (kalman, memoryless) = model.evaluate(stream(after))["loss"], oscillator.errors(after)
        del series, after  # before their file is deleted
    print(f"peak memory grew by {progress.growth:.1f} MB between 10 % and 100 % of the stream,", end=" ")
    print(f"while {0.9 * 4 * options.steps / 1e6:.1f} MB of the mapped file were read")
    print(f"mean squared errors on the {options.steps // 10} steps that follow, and in theory:")
    print(f"  LSTM            {error:.4f}")
    print(f"  Kalman filter   {kalman:.4f}  {oscillator.best_error():.4f}  (with the true oscillator; optimal)")
    print(f"  without memory  {memoryless:.4f}  {oscillator.memoryless_error():.4f}  (with the true oscillator)")
    print(f"share of the possible gain from memory: {(memoryless - error) / (memoryless - kalman):.1%}")


if __name__ == "__main__":
    main()
