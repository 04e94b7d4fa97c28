"""A small character model of this project's documentation with each recurrent cell, in one table.

    python examples/language_model/language_model.py
    python examples/language_model/language_model.py --steps 1000 --units 128 --cells lstm mamba retention

Each model is an Embedding, one or more RecurrentBlocks and a dense layer. All are trained on the same pieces of the
same text with the same settings; the table has bits per character on text that was held out, the number of weights, and
the time of a training step and of one character at a time.
"""

import argparse
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

import graphnet
from graphnet import Builder, Embedding, Model, TrainingConfig, dense, rms_normalization
from graphnet.datasets import Stream
from graphnet.losses import CrossEntropy
from graphnet.optimizers import AdamW
from graphnet_recurrent import recurrent_block

ROWS, STEPS = 16, 64  # parallel streams; characters of a piece
HELD_OUT = 0.1  # of the text, at its end
#: The cells in the order of the table, and whether they have heads.
CELLS = {
    "lstm": False,
    "gru": False,
    "min_gru": False,
    "min_lstm": False,
    "rg_lru": False,
    "qrnn": False,
    "lru": False,
    "s5": False,
    "sru": False,
    "cfc": False,
    "slstm": True,
    "mlstm": True,
    "mamba": False,
    "retention": True,
    "gated_linear_attention": True,
    "hgrn2": True,
    "rwkv6": True,
    "delta_net": True,
    "gated_delta_net": True,
}


def documentation() -> str:
    """The text of README.md and docs/ of this checkout, page after page in alphabetical order."""
    root = Path(__file__).parents[2]
    pages = [root / "README.md", *sorted((root / "docs").glob("*.md"))]
    return "\n".join(page.read_text(encoding="utf-8") for page in pages if page.exists())


def encoded(text: str) -> tuple[np.ndarray, int]:
    """The numbers of the characters of a text, 0 for those that occur fewer than 20 times; and how many there are."""
    characters, counts = np.unique(np.array(list(text)), return_counts=True)
    kept = sorted(characters[counts >= 20])
    numbers = {character: number for number, character in enumerate(kept, 1)}
    return np.array([numbers.get(character, 0) for character in text], np.int64), len(kept) + 1


def network(cell: str, size: int, options: argparse.Namespace) -> graphnet.Graph:
    """An embedding, blocks around the cell, a norm, and the scores of the next character."""
    model = Builder(cell, dtype="float32")
    characters, heads = model.input("characters", "time, batch", integer=True), options.heads if CELLS[cell] else 1
    x = Embedding(size, options.units, dtype="float32")(characters, name="vectors")
    for i in range(options.layers):
        x = recurrent_block(x, cell, options.units, heads, window_size=options.window, name=f"block_{i}")
    return model.build(scores=dense(rms_normalization(x, name="norm"), size, name="scores"))


def pieces(tokens: np.ndarray, count: int) -> Stream:
    """A stream of ``count`` pieces of the text, again from the beginning where it ends."""

    def read() -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        length = (len(tokens) - 1) // ROWS
        rows = np.stack([tokens[i * length : (i + 1) * length + 1] for i in range(ROWS)], axis=1)
        starts = range(0, length - STEPS + 1, STEPS)
        for i in range(count):
            start = starts[i % len(starts)]
            part = rows[start : start + STEPS + 1]
            yield part[:-1], part[1:], np.full(ROWS, start == 0)

    return Stream(read)


def character_time(model: Model, tokens: np.ndarray) -> float:
    """The milliseconds of one character at a time, in one stream: the median."""
    stepper, times = model.runner.stepper(batch=1), []
    for token in tokens:
        start = time.perf_counter()
        stepper.step({"characters": np.array([token])})
        times.append(time.perf_counter() - start)
    return 1e3 * float(np.median(times[len(times) // 5 :]))


def row(cell: str, train: np.ndarray, held: np.ndarray, size: int, options: argparse.Namespace) -> dict[str, float]:
    """Train and evaluate a model with one cell."""
    config = TrainingConfig(
        loss=CrossEntropy(),
        optimizer=AdamW(options.rate, weight_decay=0.01),
        tbptt=(STEPS, STEPS),
        epochs=1,
        clip_norm=1.0,
        seed=options.seed,
        backend=options.backend,
    )
    model = Model(network(cell, size, options), config)
    model.fit(pieces(train, 2), verbose=0)  # compiles
    start = time.perf_counter()
    model.fit(pieces(train, options.steps), verbose=0)
    seconds = time.perf_counter() - start
    loss = model.evaluate(Stream(held[:-1], held[1:], batch=ROWS))["loss"]
    return {
        "bits": loss / np.log(2),
        "weights": sum(p.value.size for p in model.runner.parameters.values()),
        "training": 1e3 * seconds / options.steps,
        "character": character_time(model, held[:200]),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table row by row."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=200, help=f"updates, each of {ROWS} × {STEPS} characters (200)")
    parser.add_argument("--cells", nargs="+", choices=CELLS, default=list(CELLS), metavar="CELL", help=", ".join(CELLS))
    parser.add_argument("--units", type=int, default=64, help="features between the layers (64)")
    parser.add_argument("--heads", type=int, default=4, help="of cells with heads (4)")
    parser.add_argument("--layers", type=int, default=1, help="blocks (1)")
    parser.add_argument("--window", type=int, default=4, help="of the convolution before each cell; 1: none (4)")
    parser.add_argument("--rate", type=float, default=0.01, help="the learning rate (0.01)")
    parser.add_argument("--backend", help="default: the fastest that is installed")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)

    tokens, size = encoded(documentation())
    cut = round(len(tokens) * (1 - HELD_OUT))
    train, held = tokens[:cut], tokens[cut:]
    print(f"{len(tokens)} characters, {size} different ones; {options.steps} updates of {ROWS * STEPS} characters\n")
    print("| cell | bits per character | weights | training step, ms | one character, ms |\n|---|---|---|---|---|")
    for cell in options.cells:
        found = row(cell, train, held, size, options)
        bits, weights = f"{found['bits']:.3f}", int(found["weights"])
        print(f"| {cell} | {bits} | {weights} | {found['training']:.1f} | {found['character']:.3f} |", flush=True)


if __name__ == "__main__":
    main()
