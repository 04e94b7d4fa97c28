"""A model of the characters of Python's own language reference, beside models that count.

    python examples/characters/characters.py
    python examples/characters/characters.py --minutes 1 --sample 2000 --temperature 0.5

An LSTM reads the text as parallel streams with its state carried over (truncated backpropagation through time), is
measured in bits per character on text that it has not seen, and then writes, one character at a time.
"""

import argparse
import platform
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

import graphnet
from graphnet import Builder, Dropout, Embedding, FullyConnected, Model, TrainingConfig
from graphnet.callbacks import Callback, TimeLimit
from graphnet.datasets import Stream
from graphnet.losses import CrossEntropy
from graphnet.optimizers import AdamW
from graphnet_recurrent import LSTM

Tokens = Sequence[int] | np.ndarray

ROWS, STEPS = 16, 64  # parallel streams; steps of a piece
SHARES = (0.8, 0.1, 0.1)  # of the text, in order: training, validation, test
DISCOUNTS = (0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
ORDERS = (1, 2, 5, 10)  # of the n-grams


# ---------------------------------------------------------------------- the text
def reference() -> str:
    """The text of the language reference that comes with this Python, every paragraph once.

    Topics stand in alphabetical order. Some repeat others word for word; without leaving that out, the end of the text
    would be known from its beginning.
    """
    try:
        from pydoc_data.topics import topics
    except ImportError:
        raise SystemExit(
            "This Python comes without pydoc_data, the text that this example learns from. "
            "Install your system's full Python (on Debian: libpython3-stdlib), or use one from python.org."
        ) from None
    return "\n\n".join(once(part for name in sorted(topics) for part in topics[name].strip("\n").split("\n\n"))) + "\n"


def once(paragraphs: Iterable[str]) -> list[str]:
    """Every paragraph where it stands first; white space makes no difference."""
    found: dict[str, str] = {}
    for paragraph in paragraphs:
        found.setdefault(" ".join(paragraph.split()), paragraph)
    return list(found.values())


class Alphabet:
    """Whole numbers for characters: 0 for every one that a text does not have, then its own in order."""

    UNKNOWN = "\N{REPLACEMENT CHARACTER}"

    def __init__(self, text: str) -> None:
        self.characters = self.UNKNOWN + "".join(sorted({*text} - {self.UNKNOWN}))
        self._numbers = {character: number for number, character in enumerate(self.characters)}

    def __len__(self) -> int:
        return len(self.characters)

    def encode(self, text: str) -> np.ndarray:
        """The number of each character."""
        return np.array([self._numbers.get(character, 0) for character in text], np.int64)

    def decode(self, numbers: Iterable[int]) -> str:
        """The characters of some numbers."""
        return "".join(self.characters[number] for number in numbers)


def divided(text: str, shares: Sequence[float] = SHARES) -> list[str]:
    """A text in consecutive parts of these shares."""
    ends = [round(len(text) * total / sum(shares)) for total in np.cumsum(shares)]
    return [text[start:end] for start, end in zip([0, *ends], ends, strict=False)]


# ---------------------------------------------------------------------- models that count
class Counts:
    """An n-gram model with interpolated Kneser-Ney smoothing (Kneser & Ney 1995; Chen & Goodman 1999, section 4.1).

    With a context of m = n - 1 tokens h and the same one without its first token h'::

        p(w | h) = max(N(h w) - D, 0) / N(h ·) + D · |{w: N(h w) > 0}| / N(h ·) · p(w | h')

    N counts occurrences for the longest context, and different tokens to the left for all shorter ones; below the empty
    context is the uniform distribution. A context that did not occur leaves it to the shorter one.

    Parameters
    ----------
    tokens : int array or sequence
    order : int
        n, at least 1.
    size : int
        Of the alphabet.
    """

    def __init__(self, tokens: Tokens, order: int, size: int) -> None:
        self.order, self.size = order, size
        tokens = tuple(int(token) for token in tokens)
        grams: Iterable[tuple[int, ...]] = zip(*(tokens[i:] for i in range(order)), strict=False)
        counted = Counter(grams)
        self.tables: list[dict[tuple[int, ...], Counter[int]]] = []
        for _ in range(order):
            table: dict[tuple[int, ...], Counter[int]] = {}
            for gram, count in counted.items():
                table.setdefault(gram[:-1], Counter())[gram[-1]] = count
            self.tables.insert(0, table)
            counted = Counter(gram[1:] for gram in counted)
        self._totals = [{context: sum(found.values()) for context, found in table.items()} for table in self.tables]

    def probability(self, context: Tokens, token: int, discount: float) -> float:
        """p(token | context) for a discount D in (0, 1); of a longer context the last n - 1 tokens count."""
        found = 1 / self.size
        known = tuple(context)
        for length in range(min(self.order, len(known) + 1)):
            history = known[len(known) - length :]
            counts = self.tables[length].get(history)
            if counts is None:
                break
            share = discount * len(counts) * found
            found = (max(counts[token] - discount, 0.0) + share) / self._totals[length][history]
        return found

    def bits(self, tokens: Tokens, discount: float) -> float:
        """Mean of -log2 p over all tokens but the first."""
        text = tuple(int(token) for token in tokens)
        start = self.order - 1
        return -float(
            np.mean(
                [np.log2(self.probability(text[max(0, i - start) : i], text[i], discount)) for i in range(1, len(text))]
            )
        )


def chosen_discount(model: Counts, validation: Tokens) -> tuple[float, float]:
    """The best of DISCOUNTS, and its bits."""
    return min((model.bits(validation, discount), discount) for discount in DISCOUNTS)[::-1]


# ---------------------------------------------------------------------- the network
def network(size: int, units: int, embedded: int = 64) -> graphnet.Graph:
    """Characters to vectors, an LSTM, the scores of the next character."""
    model = Builder("characters")
    characters = model.input("characters", "time, batch", integer=True)
    vectors = Embedding(size, embedded, dtype="float32")(characters, name="vectors")
    lstm = LSTM(embedded, units, None, forget_bias=1.0, keep_state=0.8, dtype="float32")
    thinned = Dropout(0.6)(lstm(vectors, name="lstm"), name="thinned")
    return model.build(scores=FullyConnected(units, size, dtype="float32")(thinned, name="scores"))


def stream(tokens: np.ndarray, rows: int = 1) -> Stream:
    """Each token with the next one as its target."""
    return Stream(tokens[:-1], tokens[1:], batch=rows)


def bits(model: Model, tokens: np.ndarray) -> float:
    """Mean of -log2 p over all tokens but the first, read in one stream."""
    return model.evaluate(stream(tokens))["loss"] / np.log(2)


def write(model: Model, start: Tokens, length: int, temperature: float, rng: np.random.Generator) -> list[int]:
    """Tokens that go on after ``start``, each drawn with p proportional to exp(score / temperature)."""
    model.reset_state()
    scores = model.predict(np.asarray(start)[:, None], stateful=True)[-1, 0]
    found: list[int] = []
    while len(found) < length:
        weights = np.exp((scores - scores.max()).astype(float) / temperature)
        found.append(int(rng.choice(len(weights), p=weights / weights.sum())))
        scores = model.predict(np.array([[found[-1]]]), stateful=True)[-1, 0]
    return found


class Report(Callback):
    """A line an epoch."""

    def on_epoch_end(self, trainer: graphnet.Trainer, record: graphnet.training.history.EpochRecord) -> None:
        """Print it."""
        trained, held = record.loss / np.log(2), record.validation_loss / np.log(2)
        print(
            f"epoch {record.epoch:3}  training {trained:.3f}  validation {held:.3f}  {record.seconds:.1f} s", flush=True
        )


def main(arguments: Sequence[str] | None = None) -> None:
    """Count, train, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=20, help="times through the training text (20)")
    parser.add_argument("--minutes", type=float, help="end with the first epoch that ends after so many minutes")
    parser.add_argument("--units", type=int, default=320, help="width of the LSTM (320)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--sample", type=int, default=600, help="characters to write (600)")
    parser.add_argument("--temperature", type=float, default=0.8, help="below 1: likelier characters (0.8)")
    parser.add_argument("--start", default="The ", help="what the sample goes on from")
    options = parser.parse_args(arguments)

    text = reference()
    parts = divided(text)
    alphabet = Alphabet(parts[0])
    train, validation, test = (alphabet.encode(part) for part in parts)
    print(f"Python {platform.python_version()}: {len(text)} characters, {len(alphabet)} different ones")
    print(f"training {len(train)}, validation {len(validation)}, test {len(test)}; bits per character:")
    compare(train, validation, test, len(alphabet))

    callbacks = [Report(), *([TimeLimit(60 * options.minutes)] if options.minutes else [])]
    config = TrainingConfig(
        loss=CrossEntropy(),
        optimizer=AdamW(0.006, weight_decay=0.02),
        tbptt=(STEPS, STEPS),
        epochs=options.epochs,
        schedule="cosine",
        clip_norm=1.0,
        seed=options.seed,
    )
    model = Model(network(len(alphabet), options.units), config)
    model.fit(stream(train, ROWS), validation_data=stream(validation, ROWS), callbacks=callbacks)
    told = f"LSTM of {options.units} units".ljust(20)
    print(f"{told}validation {bits(model, validation):.3f}  test {bits(model, test):.3f}")
    written = write(
        model, alphabet.encode(options.start), options.sample, options.temperature, np.random.default_rng(options.seed)
    )
    print(f"\n{options.start}{alphabet.decode(written)}")


def compare(train: np.ndarray, validation: np.ndarray, test: np.ndarray, size: int) -> None:
    """Print the bits of models that count, each with the discount that suits the validation text best."""
    for order in ORDERS:
        model = Counts(train, order, size)
        discount, held = chosen_discount(model, validation)
        told = f"{order}-gram counts".ljust(20)
        print(f"{told}validation {held:.3f}  test {model.bits(test, discount):.3f}  (discount {discount})", flush=True)


if __name__ == "__main__":
    main()
