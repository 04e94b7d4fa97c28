"""The examples of sequences: their parts against oracles, and each of them whole on something small."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import graphnet
from graphnet import Model
from graphnet.data import datasets
from graphnet_recurrent.cells import BY_NAME

pytestmark = pytest.mark.slow

EXAMPLES = Path(__file__).parents[2] / "examples"


def loaded(name):
    spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / name / f"{name}.py")
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


characters = loaded("characters")
stream = loaded("stream")
language_model = loaded("language_model")

TEXT = "the cat sat on the mat; that cat, the fat cat, ate the hat. " * 12


# ---------------------------------------------------------------------- characters: the text
def test_each_paragraph_stands_once():
    assert characters.unique(["a b", "c", "a\n  b", "c d", "c"]) == ["a b", "c", "c d"]


def test_the_reference_repeats_no_paragraph():
    topics = pytest.importorskip("pydoc_data.topics").topics
    text = characters.reference()
    assert len(text) < sum(map(len, topics.values()))
    assert all(part.strip() in text for part in (topics["assert"].split("\n\n")[0], topics["yield"].split("\n\n")[-1]))
    longest = max((part for name in topics for part in topics[name].split("\n\n")), key=len)
    assert text.count(longest.strip()) == 1


def test_missing_text_is_reported(monkeypatch):
    monkeypatch.setitem(sys.modules, "pydoc_data.topics", None)
    with pytest.raises(SystemExit, match="without pydoc_data"):
        characters.reference()


@pytest.mark.parametrize("length", [0, 1, 9, 10, 1237])
def test_the_parts_are_the_text_in_order(length):
    text = "".join(chr(97 + i * i % 26) for i in range(length))
    parts = characters.split_text(text)
    assert "".join(parts) == text
    assert [abs(len(part) - share * length) <= 1 for part, share in zip(parts, characters.SHARES, strict=True)]


def test_alphabet_maps_unknown_characters():
    alphabet = characters.Alphabet("banana\n")
    assert len(alphabet) == 5
    numbers = alphabet.encode("nab x\n")
    assert alphabet.decode(numbers) == "nab\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}\n"
    assert sorted({*numbers.tolist()}) == [0, 1, 2, 3, 4]


# ---------------------------------------------------------------------- characters: models that count
def brute_force(text, context, token, order, discount, size):
    """Interpolated Kneser-Ney straight from its definition, by looking through the text again for each number."""

    def count(gram, length):
        """Occurrences for n-grams of full length, else the different tokens that stand before the gram."""
        places = [i for i in range(len(text) - len(gram) + 1) if text[i : i + len(gram)] == gram]
        if length == order:
            return len(places)
        before = set()
        for i in places:
            # What stands before counts as part of a gram one token longer, which for the same reason must be counted.
            if i > 0 and (length + 1 == order or count(text[i - 1 : i + len(gram)], length + 1)):
                before.add(text[i - 1])
        return len(before)

    def probability(context, length):
        if length == 0:
            return 1 / size
        lower = probability(context[1:], length - 1)
        counts = {w: count([*context, w], length) for w in range(size)}
        total = sum(counts.values())
        if not total:
            return lower
        kinds = sum(1 for c in counts.values() if c)
        return max(counts[token] - discount, 0) / total + discount * kinds / total * lower

    context = context[max(0, len(context) - order + 1) :]
    return probability(context, len(context) + 1)


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_smoothed_counts_against_the_definition(order):
    rng = np.random.default_rng(order)
    text = rng.choice(6, p=[0.4, 0.3, 0.15, 0.1, 0.05, 0.0], size=70).tolist()
    model = characters.Counts(text, order, 6)
    for _ in range(30):
        context, token = rng.integers(0, 6, size=rng.integers(0, 6)).tolist(), int(rng.integers(0, 6))
        result = model.probability(context, token, 0.7)
        assert result == pytest.approx(brute_force(text, context, token, order, 0.7, 6), rel=1e-12)


@pytest.mark.parametrize("discount", characters.DISCOUNTS)
@pytest.mark.parametrize("order", [1, 2, 5])
def test_probabilities_add_up_to_1(order, discount):
    alphabet = characters.Alphabet(TEXT)
    model = characters.Counts(alphabet.encode(TEXT), order, len(alphabet))
    for context in ("", "t", "the ca", "zzzz", "t;t;t", "xthe"):
        result = [model.probability(alphabet.encode(context), token, discount) for token in range(len(alphabet))]
        assert min(result) > 0
        assert sum(result) == pytest.approx(1, abs=1e-12)


def test_bits_are_mean_over_predictions():
    tokens = np.random.default_rng(5).integers(0, 4, size=60)
    model, size = characters.Counts(tokens, 3, 4), 4
    product = 1.0
    for i in range(1, len(tokens)):
        product *= model.probability(tokens[:i].tolist(), int(tokens[i]), 0.5)
    assert model.bits(tokens, 0.5) == pytest.approx(-np.log2(product) / (len(tokens) - 1))
    assert model.bits(tokens, 0.5) < np.log2(size)


def test_the_discount_is_the_best_one():
    train, held = (np.random.default_rng(s).choice(5, p=[0.5, 0.3, 0.1, 0.05, 0.05], size=400) for s in (1, 2))
    model = characters.Counts(train, 3, 5)
    result = {discount: model.bits(held, discount) for discount in characters.DISCOUNTS}
    discount, bits = characters.chosen_discount(model, held)
    assert bits == min(result.values()) == result[discount]
    assert len({*result.values()}) == len(result)


# ---------------------------------------------------------------------- characters: the network
@pytest.fixture(scope="module")
def small():
    alphabet = characters.Alphabet(TEXT)
    model = Model(characters.network(len(alphabet), units=9, embedded=5), graphnet.TrainingConfig(tbptt=(7, 7)))
    graphnet.seed(4)
    model.runner.materialize()
    rng = np.random.default_rng(4)
    for parameter in model.runner.parameters.values():
        parameter.value[...] = rng.normal(scale=0.6, size=parameter.value.shape)
    return model, alphabet


def test_bits_do_not_depend_on_pieces(small):
    model, alphabet = small
    tokens = alphabet.encode(TEXT)[:101]
    scores = model.predict(tokens[:-1, None])[:, 0].astype(float)
    powers = np.exp(scores)
    result = -np.log2([powers[i, t] / powers[i].sum() for i, t in enumerate(tokens[1:])]).mean()
    assert characters.bits(model, tokens) == pytest.approx(result, rel=1e-5)


def test_writing_continues_from_state(small):
    model, alphabet = small
    start = alphabet.encode("the ")
    result = characters.write(model, start, 25, 1e-6, np.random.default_rng(0))
    known = start.tolist()
    for token in result:  # the likeliest one, from the whole text again
        assert token == model.predict(np.array(known)[:, None])[-1, 0].argmax()
        known.append(token)


def test_the_temperature_flattens(small):
    model, alphabet = small
    start = alphabet.encode("the ")
    kinds = [
        len({*characters.write(model, start, 120, temperature, np.random.default_rng(0))})
        for temperature in (1e-6, 100.0)
    ]
    assert kinds[0] < kinds[1] == len(alphabet)


def test_characters_whole(monkeypatch, capsys):
    monkeypatch.setattr(characters, "reference", lambda: TEXT * 6)
    monkeypatch.setattr(characters, "ROWS", 4)
    characters.main(["--epochs", "2", "--units", "12", "--sample", "15", "--start", "cat"])
    output = capsys.readouterr().out
    for words in ("1-gram counts", "2-gram counts", "5-gram counts", "epoch   2", "LSTM of 12 units"):
        assert words in output
    assert len(output.partition("\n\n")[2].removesuffix("\n")) == len("cat") + 15


def test_characters_in_no_time(monkeypatch, capsys):
    monkeypatch.setattr(characters, "reference", lambda: TEXT * 6)
    monkeypatch.setattr(characters, "ROWS", 4)
    characters.main(["--minutes", "1e-6", "--units", "3", "--sample", "1"])
    output = capsys.readouterr().out
    assert "epoch   1" in output and "epoch   2" not in output


# ---------------------------------------------------------------------- stream
OSCILLATORS = [stream.Oscillator(), stream.Oscillator(period=7.0, damping=0.9, noise=0.3)]


def autocovariance(oscillator, lags):
    """Of the measurements, for lags 0 … lags - 1, by hand."""
    k = np.arange(lags)
    result = oscillator.damping**k * np.cos(2 * np.pi * k / oscillator.period)
    result[0] += oscillator.noise
    return result


@pytest.mark.parametrize("oscillator", OSCILLATORS)
def test_best_errors_match_theory(oscillator):
    def conditional(known):
        covariance = autocovariance(oscillator, known + 1)
        i = np.arange(known)
        weights = np.linalg.solve(covariance[abs(i[:, None] - i)], covariance[1:])
        return covariance[0] - weights @ covariance[1:]

    assert oscillator.memoryless_error() == pytest.approx(conditional(1), rel=1e-12)
    assert oscillator.best_error() == pytest.approx(conditional(400), rel=1e-9)


@pytest.mark.parametrize("oscillator", OSCILLATORS)
def test_errors_on_a_series(oscillator):
    series = np.concatenate([*oscillator.pieces(3000, np.random.default_rng(3))])
    lags = 300
    covariance = autocovariance(oscillator, lags + 1)
    i = np.arange(lags)
    weights = np.linalg.solve(covariance[abs(i[:, None] - i)], covariance[1:])
    known, plain = oscillator.errors(series[1000:])
    # The filter forgets how it began; a linear prediction from 300 steps is the same but for that.
    output = [series[t, 0] - weights @ series[t - lags : t, 0][::-1] for t in range(1001, 3000)]
    assert known == pytest.approx(np.mean(np.square(output)), rel=0.03)
    slope = covariance[1] / covariance[0]
    output = [series[t, 0] - slope * series[t - 1, 0] for t in range(1001, 3000)]
    assert plain == pytest.approx(np.mean(np.square(output)), rel=1e-9)


@pytest.mark.parametrize("oscillator", OSCILLATORS)
def test_series_covariances_match_theory(oscillator):
    series = np.concatenate([*oscillator.pieces(120_000, np.random.default_rng(2))])[:, 0]
    for lag, expected in enumerate(autocovariance(oscillator, 6)):
        assert np.mean(series[: len(series) - lag] * series[lag:]) == pytest.approx(expected, abs=0.05)


def test_written_file_is_the_series(tmp_path, monkeypatch):
    monkeypatch.setattr(stream, "PIECE", 64)
    oscillator = stream.Oscillator()
    stream.write_series(tmp_path / "series.npy", 300, oscillator, np.random.default_rng(8))
    result = np.load(tmp_path / "series.npy", mmap_mode="r")
    pieces = [*oscillator.pieces(300, np.random.default_rng(8))]
    assert [len(piece) for piece in pieces] == [64, 64, 64, 64, 44]
    assert result.dtype == np.float32
    np.testing.assert_array_equal(result, np.concatenate(pieces).astype(np.float32))
    (first, second) = stream.stream(result).pieces(200)
    np.testing.assert_array_equal(first.targets[:-1], first.inputs[1:])
    np.testing.assert_array_equal(second.inputs[:, 0], result[200:299])


def test_stream_whole(capsys):
    stream.main(["--steps", "20000", "--units", "8"])
    output = capsys.readouterr().out
    assert output.count("steps/s") == 10
    lines = {line[:16].strip(): line[16:].split() for line in output.splitlines() if line.startswith("  ")}
    assert float(lines["Kalman filter"][0]) < float(lines["LSTM"][0]) < float(lines["without memory"][0])
    assert float(lines["Kalman filter"][1]) == pytest.approx(1.1946, abs=1e-4)


def test_memory_does_not_grow_with_the_stream():
    script = EXAMPLES / "stream" / "stream.py"
    options = ["--steps", "60000", "--units", "8"]
    done = subprocess.run([sys.executable, script, *options], capture_output=True, text=True, check=True)
    (grown,) = re.findall(r"grew by (\S+) MB", done.stdout)
    # Kept inputs, states and gates of each piece would be more than 10 MB.
    assert float(grown) < 4


# ---------------------------------------------------------------------- bidirectional vowels
@pytest.fixture
def vowels():
    model = graphnet.load(EXAMPLES / "bidirectional_vowels" / "model.yaml")
    train = datasets.load(model.config.data).train
    return model, list(train.inputs["frames"]), np.asarray(train.targets)


def test_the_vowels_are_learnt(vowels):
    model, frames, speakers = vowels
    few = np.arange(0, len(frames), 4)
    history = model.fit([frames[i] for i in few], speakers[few], epochs=6, seed=1)
    assert history.best.loss < 0.7 * history.epochs[0].loss
    result = model.predict(frames[:9])
    for i in range(9):  # independent of the rest of the batch
        np.testing.assert_allclose(model.predict([frames[i]])[0], result[i], rtol=1e-4, atol=1e-5)


def test_time_turned_round_turns_the_directions_round(vowels):
    model, frames, speakers = vowels
    model.fit(frames[::9], speakers[::9], epochs=1, seed=2)
    before = model.predict(frames[:7])
    values = {name: np.array(p.value) for name, p in model.runner.parameters.items()}
    names = [name for name in values if name.startswith("forwards/")]
    assert names
    for name in names:
        other = name.replace("forwards/", "backwards/")
        model.runner.parameters[name].value[...] = values[other]
        model.runner.parameters[other].value[...] = values[name]
    units = (len(values["scores/weights"]) - 1) // 2
    rows = [*range(units, 2 * units), *range(units), 2 * units]
    model.runner.parameters["scores/weights"].value[...] = values["scores/weights"][rows]
    turned = model.predict([each[::-1] for each in frames[:7]])
    np.testing.assert_allclose(turned, before, rtol=1e-4, atol=1e-5)
    assert abs(model.predict(frames[:7]) - before).max() > 1e-2  # the order does matter


# ---------------------------------------------------------------------- a language model with each cell
def test_pieces_follow_each_other_and_start_again(monkeypatch):
    monkeypatch.setattr(language_model, "ROWS", 3)
    monkeypatch.setattr(language_model, "STEPS", 4)
    tokens = np.arange(40)  # three rows of 13 characters with a target, three pieces each
    read = list(language_model.pieces(tokens, 5).pieces(4))
    assert [piece.inputs[:, 1].tolist() for piece in read[:2]] == [[13, 14, 15, 16], [17, 18, 19, 20]]
    assert all((piece.targets == piece.inputs + 1).all() for piece in read)
    np.testing.assert_array_equal(read[3].inputs, read[0].inputs)
    assert [bool(np.any(piece.fresh)) for piece in read] == [True, False, False, True, False]


def test_rare_characters_are_one():
    numbers, size = language_model.encoded("a" * 30 + "xb" * 20 + "xyz")
    assert size == 4 and numbers[-2:].tolist() == [0, 0] and numbers[0] == 1 and set(numbers) == {0, 1, 2, 3}


def test_language_model_whole(monkeypatch, capsys):
    monkeypatch.setattr(language_model, "documentation", lambda: TEXT * 20)
    monkeypatch.setattr(language_model, "STEPS", 8)
    options = ["--steps", "30", "--units", "8", "--heads", "2", "--cells", "lstm", "retention"]
    language_model.main(options)
    rows = [line.split("|")[1:-1] for line in capsys.readouterr().out.splitlines() if line.startswith("| ")][1:]
    assert [row[0].strip() for row in rows] == ["lstm", "retention"]
    size = language_model.encoded(TEXT * 20)[1]
    for _, bits, weights, training, character in rows:
        assert 0 < float(bits) < np.log2(size) and int(weights) > 300
        assert float(training) > 0 and float(character) > 0
    assert language_model.CELLS.keys() <= BY_NAME.keys()
