"""A character model of Python's language reference, compared with n-gram models.

    python examples/characters/characters.py
    python examples/characters/characters.py --minutes 1 --sample 2000 --temperature 0.5

An LSTM is trained on the text as parallel streams with its state carried over (truncated backpropagation through time),
evaluated in bits per character on held-out text, and used to generate text, one character at a time.
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
    """The text of the language reference that ships with this Python, with each paragraph once.

    Topics are in alphabetical order. Some repeat others word for word; without removing these, parts of the end of the
    text would also be in its beginning.
    """
    try:
        from pydoc_data.topics import topics
    except ImportError:
        raise SystemExit(
            "This Python comes without pydoc_data, the training text of this example. "
            "Install your system's full Python (on Debian: libpython3-stdlib), or use one from python.org."
        ) from None
    paragraphs = (part for name in sorted(topics) for part in topics[name].strip("\n").split("\n\n"))
    return "\n\n".join(unique(paragraphs)) + "\n"


def unique(paragraphs: Iterable[str]) -> list[str]:
    """Each paragraph at its first position; differences in white space are ignored."""
    first: dict[str, str] = {}
    for paragraph in paragraphs:
        first.setdefault(" ".join(paragraph.split()), paragraph)
    return list(first.values())


class Alphabet:
    """Numbers for characters: 0 for all characters that a text does not contain, then those of the text in order."""

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


def split_text(text: str, shares: Sequence[float] = SHARES) -> list[str]:
    """Split a text into consecutive parts with these shares."""
    ends = [round(len(text) * total / sum(shares)) for total in np.cumsum(shares)]
    return [text[start:end] for start, end in zip([0, *ends], ends, strict=False)]


# ---------------------------------------------------------------------- n-gram models
class Counts:
    """An n-gram model with interpolated Kneser-Ney smoothing (Kneser & Ney 1995; Chen & Goodman 1999, section 4.1).

    With a context of m = n - 1 tokens h and the same one without its first token h'::

        p(w | h) = max(N(h w) - D, 0) / N(h ·) + D · |{w: N(h w) > 0}| / N(h ·) · p(w | h')

    N counts occurrences for the longest context, and different tokens to the left for all shorter ones; the uniform
    distribution is below the empty context. For a context that did not occur, the shorter one is used.

    Parameters
    ----------
    tokens : int array or sequence
    order : int
        n, at least 1.
    size : int
        The size of the alphabet.
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
        self._totals = [{context: sum(counts.values()) for context, counts in table.items()} for table in self.tables]

    def probability(self, context: Tokens, token: int, discount: float) -> float:
        """p(token | context) for a discount D in (0, 1); only the last n - 1 tokens of the context are used."""
        result = 1 / self.size
        known = tuple(context)
        for length in range(min(self.order, len(known) + 1)):
            history = known[len(known) - length :]
            counts = self.tables[length].get(history)
            if counts is None:
                break
            share = discount * len(counts) * result
            result = (max(counts[token] - discount, 0.0) + share) / self._totals[length][history]
        return result

    def bits(self, tokens: Tokens, discount: float) -> float:
        """The mean of -log2 p over all tokens but the first."""
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
    """An embedding, an LSTM, and a dense layer for the scores of the next character."""
    model = Builder("characters")
    characters = model.input("characters", "time, batch", integer=True)
    vectors = Embedding(size, embedded, dtype="float32")(characters, name="vectors")
    lstm = LSTM(embedded, units, None, forget_bias=1.0, keep_state=0.8, dtype="float32")
    thinned = Dropout(0.6)(lstm(vectors, name="lstm"), name="thinned")
    return model.build(scores=FullyConnected(units, size, dtype="float32")(thinned, name="scores"))


def stream(tokens: np.ndarray, rows: int = 1) -> Stream:
    """The stream of tokens, each with the next one as its target."""
    return Stream(tokens[:-1], tokens[1:], batch=rows)


def bits(model: Model, tokens: np.ndarray) -> float:
    """The mean of -log2 p over all tokens but the first, in one stream."""
    return model.evaluate(stream(tokens))["loss"] / np.log(2)


def write(model: Model, start: Tokens, length: int, temperature: float, rng: np.random.Generator) -> list[int]:
    """Generate the tokens after ``start``, each drawn with p proportional to exp(score / temperature)."""
    model.reset_state()
    scores = model.predict(np.asarray(start)[:, None], stateful=True)[-1, 0]
    generated: list[int] = []
    while len(generated) < length:
        weights = np.exp((scores - scores.max()).astype(float) / temperature)
        generated.append(int(rng.choice(len(weights), p=weights / weights.sum())))
        scores = model.predict(np.array([[generated[-1]]]), stateful=True)[-1, 0]
    return generated


class Report(Callback):
    """Prints a line for each epoch."""

    def on_epoch_end(self, trainer: graphnet.Trainer, record: graphnet.training.history.EpochRecord) -> None:
        """Print losses in bits per character."""
        training, validation = record.loss / np.log(2), record.validation_loss / np.log(2)
        print(
            f"epoch {record.epoch:3}  training {training:.3f}  validation {validation:.3f}  {record.seconds:.1f} s",
            flush=True,
        )


def main(arguments: Sequence[str] | None = None) -> None:
    """Evaluate the n-grams, train and evaluate the network, generate text."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=20, help="epochs (20)")
    parser.add_argument("--minutes", type=float, help="stop at the end of the first epoch that ends after this time")
    parser.add_argument("--units", type=int, default=320, help="width of the LSTM (320)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--sample", type=int, default=600, help="characters to generate (600)")
    parser.add_argument("--temperature", type=float, default=0.8, help="values below 1 favour likely characters (0.8)")
    parser.add_argument("--start", default="The ", help="the beginning of the sample")
    options = parser.parse_args(arguments)

    text = reference()
    parts = split_text(text)
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
    model.fit(stream(train, ROWS), validation_data=stream(validation, ROWS), callbacks=callbacks, verbose=0)
    label = f"LSTM of {options.units} units".ljust(20)
    print(f"{label}validation {bits(model, validation):.3f}  test {bits(model, test):.3f}")
    written = write(
        model, alphabet.encode(options.start), options.sample, options.temperature, np.random.default_rng(options.seed)
    )
    print(f"\n{options.start}{alphabet.decode(written)}")


def compare(train: np.ndarray, validation: np.ndarray, test: np.ndarray, size: int) -> None:
    """Print the bits of the n-gram models, each with the discount that is best on the validation text."""
    for order in ORDERS:
        model = Counts(train, order, size)
        discount, validation_bits = chosen_discount(model, validation)
        label = f"{order}-gram counts".ljust(20)
        print(
            f"{label}validation {validation_bits:.3f}  test {model.bits(test, discount):.3f}  (discount {discount})",
            flush=True,
        )


if __name__ == "__main__":
    main()
