"""examples/long_time_lags: generators against independent oracles, criteria on cases made by hand, tiny trainings."""

import dataclasses
import functools
import importlib
import re
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("graphnet_recurrent")

import graphnet

pytestmark = pytest.mark.slow

FOLDER = Path(__file__).parents[2] / "examples" / "long_time_lags"
NAMES = ("sequences", "criteria", "adding", "order", "reber", "solve")


@pytest.fixture(scope="module")
def example():
    """The example's modules by name, imported as the script imports them."""
    before = {name: sys.modules.pop(name, None) for name in NAMES}
    sys.path.insert(0, str(FOLDER))
    try:
        result = {name: importlib.import_module(name) for name in NAMES}
    finally:
        sys.path.remove(str(FOLDER))
        for name, module in before.items():
            sys.modules.pop(name, None)
            if module is not None:
                sys.modules[name] = module
    return type("Example", (), result)


@pytest.fixture
def rng():
    return np.random.default_rng(7)


def decoded(inputs, row, length, alphabet):
    """A row of one-hot vectors as a string; everything beyond its end is zero."""
    assert not inputs[length:, row].any()
    result = ""
    for step in range(length):
        assert sorted(inputs[step, row].tolist()) == [0.0] * (len(alphabet) - 1) + [1.0]
        result += alphabet[inputs[step, row].tolist().index(1.0)]
    return result


# ---------------------------------------------------------------------- adding
def test_adding_targets_are_scaled_sums(example, rng):
    inputs, lengths, targets = example.adding.batch(rng, 3000)
    assert inputs.dtype == targets.dtype == np.float32
    assert inputs.shape == (110, 3000, 2) and targets.shape == (3000, 1)
    assert set(lengths) == set(range(100, 111))
    places = []
    for row, length in enumerate(lengths):
        pairs = inputs[:, row].tolist()
        marked = [step for step, (_, marker) in enumerate(pairs) if marker == 1.0]
        assert len(marked) == 2
        assert marked[0] < 10 and marked[1] < 50
        assert targets[row, 0] == pytest.approx(0.5 + (pairs[marked[0]][0] + pairs[marked[1]][0]) / 4, abs=1e-6)
        for step, (value, marker) in enumerate(pairs):
            if step >= length:
                assert (value, marker) == (0.0, 0.0)
            elif step not in marked:
                assert marker == (-1.0 if step in (0, length - 1) else 0.0)
            assert -1 <= value <= 1
        assert (pairs[0][0] == 0.0) == (marked[0] == 0)
        places += marked
    assert set(places) == set(range(50))


def test_adding_marks_and_values_are_uniform(example, rng):
    inputs, _, targets = example.adding.batch(rng, 40_000, shortest=20)
    counts = (inputs[:, :, 1] == 1.0).sum(axis=1)[:10] / 40_000
    # The first mark is at each of ten places alike, and so is the second at each of the nine that are left.
    np.testing.assert_allclose(counts, 0.2, atol=0.01)
    values = inputs[5, :, 0]
    assert abs(values.mean()) < 0.01 and values.var() == pytest.approx(1 / 3, abs=0.01)
    assert 0 <= targets.min() < 0.05 and 0.95 < targets.max() <= 1


def test_no_batch_comes_twice(example, rng):
    for make in (example.adding.batch, example.order.batch):
        assert not np.array_equal(make(rng, 4).inputs[:100], make(rng, 4).inputs[:100])
        again = [make(np.random.default_rng(3), 4) for _ in range(2)]
        np.testing.assert_array_equal(again[0].inputs, again[1].inputs)


# ---------------------------------------------------------------------- temporal order
CLASSES = {"XX": "Q", "XY": "R", "YX": "S", "YY": "U"}
CLASSES3 = {"XXX": "Q", "XXY": "R", "XYX": "S", "XYY": "U", "YXX": "V", "YXY": "A", "YYX": "B", "YYY": "C"}


@pytest.mark.parametrize(
    ("relevant", "ranges", "classes"),
    [(2, [(10, 20), (50, 60)], CLASSES), (3, [(10, 20), (33, 43), (66, 76)], CLASSES3)],
)
def test_order_strings_and_classes(example, rng, relevant, ranges, classes):
    inputs, lengths, targets = example.order.batch(rng, 1500, relevant)
    assert inputs.shape == (110, 1500, 8) and targets.shape == (1500, len(classes))
    assert set(lengths) == set(range(100, 111))
    seen, places = set(), [set() for _ in ranges]
    for row, length in enumerate(lengths):
        string = decoded(inputs, row, length, "abcdEBXY")
        assert re.fullmatch("E[abcdXY]+B", string)
        hits = list(re.finditer("[XY]", string))
        assert len(hits) == relevant
        for hit, result, (low, high) in zip(hits, places, ranges, strict=True):
            assert low <= hit.end() <= high  # counted from 1
            result.add(hit.end())
        expected = list(classes).index("".join(hit[0] for hit in hits))
        assert targets[row].tolist() == [float(k == expected) for k in range(len(classes))]
        seen.add(expected)
    assert seen == set(range(len(classes)))
    assert [(min(result), max(result)) for result in places] == ranges
    noise = inputs.sum(axis=(0, 1))[:4]
    np.testing.assert_allclose(noise / noise.sum(), 0.25, atol=0.01)


# ---------------------------------------------------------------------- embedded Reber grammar
#: The Reber grammar as a regular expression, with the loops written out by hand.
REBER = "B(?:TS*X(?:XT*VP)*(?:S|XT*VV)|PT*V(?:PXT*V)*(?:V|PS))E"
EMBEDDED = re.compile(f"B([TP]){REBER}\\1E")
#: Every beginning of a string is completed by one of these: a way to the end of the inner grammar, then the outer one.
ENDS = [f"{inner}{t}E" for inner in ("", "E", "SE", "VE", "XSE", "VVE", "TXSE", "BTXSE") for t in "TP"]
ENDS += [f"{t}{end}" for t in "TP" for end in (f"BTXSE{t}E",)] + ["E", ""]


@functools.cache
def possible_after(beginning):
    return {c for c in "BTPSXVE" if any(EMBEDDED.fullmatch(beginning + c + end) for end in ENDS)}


def test_the_oracle_knows_the_grammar():
    assert EMBEDDED.fullmatch("BTBTXSETE") and EMBEDDED.fullmatch("BPBPTTVPXVVEPE")
    assert not EMBEDDED.fullmatch("BTBTXSEPE") and not EMBEDDED.fullmatch("BTBTXXSETE")
    assert possible_after("B") == {"T", "P"} and possible_after("BT") == {"B"}
    assert possible_after("BTBTXSE") == {"T"} and possible_after("BPBTXSE") == {"P"}


def test_reber_strings_and_what_may_follow(example, rng):
    train, test = example.reber.sets(rng)
    assert len(train.strings) == len(test.strings) == 256
    assert not set(train.strings) & set(test.strings)
    for strings in (train, test):
        inputs, lengths, targets = strings.batch
        assert inputs.shape == targets.shape == strings.possible.shape
        assert inputs.dtype == targets.dtype == np.float32
        for row, string in enumerate(strings.strings):
            assert EMBEDDED.fullmatch(string), string
            assert lengths[row] == len(string) - 1
            assert decoded(inputs, row, len(string) - 1, "BTPSXVE") == string[:-1]
            assert decoded(targets, row, len(string) - 1, "BTPSXVE") == string[1:]
            assert not strings.possible[lengths[row] :, row].any()
            for step in range(lengths[row]):
                allowed = {c for c, yes in zip("BTPSXVE", strings.possible[step, row], strict=True) if yes}
                assert allowed == possible_after(string[: step + 1]), string[: step + 1]


def test_reber_edges_are_taken_alike(example, rng):
    drawn = [example.reber.embedded(rng)[0] for _ in range(20_000)]
    assert min(map(len, drawn)) == 9
    # Every choice has probability one half: BTBTXSETE takes four of them, the outer T among them.
    assert drawn.count("BTBTXSETE") / 20_000 == pytest.approx(1 / 16, abs=0.008)
    assert drawn.count("BPBPTVVEPE") / 20_000 == pytest.approx(1 / 32, abs=0.006)


def test_rows_of_a_batch(example, rng):
    train, _ = example.reber.sets(rng, 20)
    rows = np.array([3, 3, 11])
    part = train.batch.trimmed(rows)
    assert len(part.inputs) == len(part.targets) == max(len(train.strings[row]) - 1 for row in rows)
    for column, row in enumerate(rows):
        assert decoded(part.inputs, column, part.lengths[column], "BTPSXVE") == train.strings[row][:-1]
        assert decoded(part.targets, column, part.lengths[column], "BTPSXVE") == train.strings[row][1:]
    last = example.adding.batch(rng, 20).trimmed(rows)
    assert last.targets.shape == (3, 1) and last.inputs.shape[1:] == (3, 2)


# ---------------------------------------------------------------------- criteria
def test_the_2000_most_recent_sequences(example):
    recent = example.criteria.Recent(0.04, 0.01)
    recent.add(np.full(1999, 0.009))
    assert not recent.met()
    recent.add(np.array([0.039]))
    assert recent.met() and recent.wrong == 0
    recent.add(np.array([0.04]))  # not below
    assert not recent.met() and recent.wrong == 1
    recent.add(np.full(1999, 0.001))
    assert not recent.met()
    recent.add(np.array([0.001]))
    assert recent.met()
    recent.add(np.array([np.nan]))
    assert not recent.met() and recent.wrong == 1


def test_all_right_is_not_enough(example):
    recent = example.criteria.Recent(0.3, 0.1, count=4)
    recent.add(np.array([0.1, 0.1, 0.1, 0.1]))
    assert recent.wrong == 0 and not recent.met()  # the average is to be below
    recent.add(np.array([0.05]))
    assert recent.met()


def test_final_errors_are_row_maxima(example):
    outputs = np.array([[0.9, 0.2, 0.1], [0.1, 0.1, 0.95]], np.float32)
    targets = np.array([[1, 0, 0], [1, 0, 0]], np.float32)
    np.testing.assert_allclose(example.criteria.final_errors(outputs, targets), [0.2, 0.95], rtol=1e-6)


def test_possible_symbols_come_first(example):
    outputs = np.array([[[3.0, 1.0, 2.0]], [[0.0, 5.0, 5.0]], [[9.0, 0.0, 0.0]]])
    possible = np.array([[[1, 0, 1]], [[0, 1, 1]], [[0, 1, 0]]], bool)
    first = functools.partial(example.criteria.possible_first, possible=possible)
    assert first(outputs, lengths=np.array([2])).tolist() == [True]
    assert first(outputs, lengths=np.array([3])).tolist() == [False]
    tie = outputs.copy()
    tie[0, 0] = [3.0, 2.0, 2.0]  # not *more* active
    assert first(tie, lengths=np.array([2])).tolist() == [False]
    assert first(np.full_like(outputs, np.nan), lengths=np.array([2])).tolist() == [False]


def test_reber_needs_second_symbol(example, rng):
    train, _ = example.reber.sets(rng, 60)
    first = functools.partial(example.criteria.possible_first, possible=train.possible, lengths=train.batch.lengths)
    assert first(train.possible.astype(float)).all()
    # Whoever forgets it, and says T each time, is right for the strings with T and wrong for the others.
    forgetful = train.possible.astype(float)
    for row, string in enumerate(train.strings):
        forgetful[len(string) - 3, row] = [0, 1, 0, 0, 0, 0, 0]
    assert first(forgetful).tolist() == [string[1] == "T" for string in train.strings]
    # To be right about the symbol that came is not enough where another one was possible.
    assert not first(train.batch.targets).any()


# ---------------------------------------------------------------------- solve.py
@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn", "elman"])
@pytest.mark.parametrize("name", ["reber", "adding", "order", "order3"])
def test_the_cells_have_about_as_many_weights(example, name, cell):
    solve = example.solve
    problem = solve.PROBLEMS[name]
    units = problem.units if cell == "lstm" else solve.fair_units(cell, problem)
    layer = solve.build(cell, problem, units, 0.01)
    result = layer.get_weights().size + layer.get_output_weights().size
    assert result == solve.count(cell, problem, units)
    wanted = solve.count("lstm", problem, problem.units)
    assert all(abs(result - wanted) <= abs(solve.count(cell, problem, n) - wanted) for n in (units - 1, units + 1)) or (
        cell == "lstm"
    )


def test_gates_start_at_configured_bias(example):
    solve = example.solve
    problem = dataclasses.replace(solve.PROBLEMS["adding"], keep=4.5, input_bias=-3.5)
    assert solve.build("lstm", problem, 2, 0.01).get_weights()[-1].tolist() == [-3.5, -3.5, 4.5, 4.5, 0, 0, 0, 0]
    assert solve.build("gru", problem, 2, 0.01).get_weights()[-1].tolist() == [0, 0, 4.5, 4.5, 0, 0]
    assert solve.build("rnn", problem, 2, 0.01).get_weights()[-1].tolist() == [0, 0]


def test_elmans_training_sends_no_error_back(example, rng):
    solve = example.solve
    batch = example.adding.batch(rng, 3, shortest=20)
    for cell, reaches in (("rnn", True), ("elman", False)):
        layer = solve.build(cell, solve.PROBLEMS["adding"], 6, 0.01)
        layer.forward(batch.inputs, np.full(3, 20))
        error = layer.backward(np.ones((3, 1), np.float32))
        assert np.abs(error[19]).max() > 1e-3
        assert (np.abs(error[18]).max() > 1e-6) == reaches


def test_training_sequences_are_counted(example):
    solve = example.solve
    made = []

    def make(rng, size):
        made.append(size)
        return example.adding.batch(rng, size, shortest=10)

    task = solve.Online(make, 0.0, 0.0, logistic=False)
    problem = dataclasses.replace(solve.PROBLEMS["adding"], task=task)
    task.start(np.random.default_rng(0))
    assert solve.train(problem, solve.build("rnn", problem, 2, 0.01), 45) == (False, 45)
    assert made == [16, 16, 13]
    # Whoever may be wrong by ten is right about all; 2000 sequences are the first that can tell.
    task = solve.Online(make, 10.0, 10.0, logistic=False)
    problem = dataclasses.replace(problem, task=task)
    task.start(np.random.default_rng(0))
    assert solve.train(problem, solve.build("rnn", problem, 2, 0.01), 5000) == (True, 2000)


def test_a_short_adding_problem_is_learnt(example):
    solve = example.solve
    task = solve.Online(functools.partial(example.adding.batch, shortest=20), 0.04, 0.01, logistic=False)
    problem = dataclasses.replace(solve.PROBLEMS["adding"], task=task)
    graphnet.seed(0)
    task.start(np.random.default_rng(0))
    layer = solve.build("lstm", problem, 8, 0.01)
    solve.train(problem, layer, 12_000)
    # Who always says 0.5 is wrong by 1/6 on average.
    assert task.recent.errors.mean() < 0.05


def test_a_small_lstm_learns_the_grammar(example, capsys):
    assert example.solve.solve(example.solve.PROBLEMS["reber"], "lstm", 2, None, None, None) >= 1
    output = capsys.readouterr().out
    assert "reber: lstm, 16 units, 1655 weights, learning rate 0.02\n" in output
    assert "wrong: 0 of 256 training strings, 0 of 256 others\n" in output
    counts = [int(count) for count in re.findall(r"solved after (\d+) sequences", output)]
    expected = f"solved {len(counts)} of 2 within 8440 sequences (the paper: 8440), on average after"
    assert float(output.split(expected)[1]) == pytest.approx(sum(counts) / len(counts), abs=0.5)


def test_the_command_line(example, monkeypatch, capsys):
    def run(*words):
        monkeypatch.setattr(sys, "argv", ["solve.py", *words])
        example.solve.main()
        return capsys.readouterr().out

    output = run("order", "--cell", "gru", "--seeds", "1", "--limit", "48", "--units", "3", "--learning-rate", "0.5")
    assert output.startswith("order: gru, 3 units, 124 weights, learning rate 0.5\n")
    assert re.search(r"seed 0: not solved in 48 sequences; test: \d+ of 2560 wrong, average error 0\.\d+\n", output)
    assert output.endswith("solved 0 of 1 within 48 sequences (the paper: 31390)\n")
    closed, opened = (run("order", "--seeds", "1", "--limit", "16", "--input-bias", bias) for bias in ("-4", "4"))
    assert closed.splitlines()[0] == opened.splitlines()[0] and closed != opened
    assert closed == run("order", "--seeds", "1", "--limit", "16")
    output = run("all", "--seeds", "1", "--limit", "2", "--units", "2")
    assert [line.split(":")[0] for line in output.splitlines() if line[0] != " "] == [
        "reber",
        "adding",
        "order",
        "order3",
    ]
    for words in (
        ["sorting"],
        ["adding", "--seeds", "0"],
        ["adding", "--limit", "x"],
        ["adding", "--cell", "gru", "--input-bias", "1"],
        ["adding", "--learning-rate", "-1"],
    ):
        with pytest.raises(SystemExit):
            run(*words)
