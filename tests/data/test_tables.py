"""Tables as data sets: compared with what pandas computes by other means."""

import json

import numpy as np
import pandas as pd
import pytest

from graphnet import ConfigError, DataError, FileError
from graphnet.data.tables import Preparation, TableSchema, table
from graphnet.data.tables.frames import read_frame
from graphnet.data.tables.table import read_all, read_table
from graphnet.data.tables.vocabulary import Vocabulary


@pytest.fixture
def motion():
    """Recordings of different length, with shuffled rows: time, a number, a category, a label for each recording."""
    rng = np.random.default_rng(3)
    rows = []
    for recording in range(40):
        label = ("walk", "run", "sit")[recording % 3]
        steps = int(rng.integers(3, 9))
        for t in rng.permutation(steps):
            rows.append((f"r{recording}", int(t), rng.normal(7.0, 3.0), ("left", "right")[rng.integers(2)], label))
    frame = pd.DataFrame(rows, columns=["recording", "t", "speed", "hand", "activity"])
    return frame.sample(frac=1.0, random_state=5).reset_index(drop=True)


@pytest.fixture
def demand():
    rng = np.random.default_rng(4)
    days = pd.date_range("2024-01-01", periods=120, freq="D").strftime("%Y-%m-%d")
    return pd.DataFrame({"day": days, "y": rng.normal(size=120).cumsum(), "z": rng.normal(size=120)})


def rows_of(split):
    return [tuple(row) for row in split.inputs["x"]]


# ---------------------------------------------------------------------- rows
def test_rows_become_features_and_class_numbers():
    frame = pd.DataFrame(
        {"a": [1.5, 2.0, 3.0, 4.0], "ok": [True, False, True, True], "c": ["u", "v", "u", "w"], "kind": list("yxxy")}
    )
    data = table(frame, "kind", test=0.0)
    assert data.classes == ("x", "y") and data.preparation.features == ["a", "ok", "c=u", "c=v", "c=w"]
    expected = pd.concat([frame[["a", "ok"]].astype(float), pd.get_dummies(frame["c"]).astype(float)], axis=1)
    np.testing.assert_array_equal(data.train.inputs["x"], expected.to_numpy())
    assert data.train.targets.tolist() == [1, 0, 0, 1]


@pytest.mark.parametrize(
    ("values", "classes", "targets"),
    [
        ([True, False, True], ("False", "True"), [1, 0, 1]),
        ([3, 1, 3], (), [3, 1, 3]),
        ([0.5, 1.5, 2.5], (), [[0.5], [1.5], [2.5]]),
        (pd.Categorical(["b", "a", "b"]), ("a", "b"), [1, 0, 1]),
    ],
)
def test_targets_of_every_kind(values, classes, targets):
    data = table(pd.DataFrame({"x": [1.0, 2.0, 3.0], "y": values}), "y", test=0.0)
    assert data.classes == classes and data.train.targets.tolist() == targets


def test_numbers_as_labels_are_sorted_as_numbers():
    data = table(pd.DataFrame({"x": [1.0, 2.0, 3.0, 4.0], "y": [10, 9, 10, -2]}), "y", labels=True, test=0.0)
    assert data.classes == ("-2", "9", "10") and data.train.targets.tolist() == [2, 1, 2, 0]


def test_several_targets_and_standardization_of_the_training_rows_only():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(5.0, 3.0, (50, 4)), columns=list("abcd"))
    frame["flag"] = rng.integers(0, 2, 50).astype(bool)
    frame["constant"] = 2.0
    data = table(frame, ["c", "d"], standardize=True, seed=1)
    mean, scale = data.preparation.standardization
    train = data.train.inputs["x"]
    np.testing.assert_allclose(mean[:2], train[:, :2].mean(0))
    np.testing.assert_allclose(scale[:2], np.sqrt(((train[:, :2] - mean[:2]) ** 2).mean(0)))
    assert mean[2:] == [0.0, 0.0] and scale[2:] == [1.0, 1.0]
    assert data.train.targets.shape == (40, 2) and len(data.test) == 10
    assert sorted(rows_of(data.train) + rows_of(data.test)) == sorted(
        map(tuple, frame[["a", "b", "flag", "constant"]].to_numpy(float))
    )


# ---------------------------------------------------------------------- sequences
def test_groups_become_sequences_in_the_order_of_time(motion):
    data = table(motion, "activity", group="recording", time="t", validation=0.2)
    assert (len(data.train), len(data.validation), len(data.test)) == (24, 8, 8)
    found = {}
    for split in (data.train, data.validation, data.test):
        for sequence, label in zip(split.inputs["x"], split.targets, strict=True):
            found[tuple(sequence[:, 0])] = data.classes[label]
    expected = {
        tuple(rows.sort_values("t")["speed"]): rows["activity"].iloc[0] for _, rows in motion.groupby("recording")
    }
    assert found == expected


def test_a_target_for_each_step(motion):
    motion["turn"] = motion["speed"] > 7.0
    data = table(motion, "turn", inputs=["speed"], group="recording", time="t")
    assert data.preparation.per_step
    for sequence, target in zip(data.train.inputs["x"], data.train.targets, strict=True):
        assert target.tolist() == (sequence[:, 0] > 7.0).astype(int).tolist()
    with pytest.raises(DataError, match="changes within a group"):
        table(motion, "turn", group="recording", per="sequence")


# ---------------------------------------------------------------------- windows
def test_windows_and_the_rows_that_follow(demand):
    shuffled = demand.sample(frac=1.0, random_state=0)
    data = table(shuffled, "y", time="day", window=7, horizon=2, validation=0.1)
    y = demand["y"].to_numpy()
    every = [*data.train.targets, *data.validation.targets, *data.test.targets]
    positions = [int(np.flatnonzero(y == target[0])[0]) for target in every]
    for start, inputs in zip(
        positions, [*data.train.inputs["x"], *data.validation.inputs["x"], *data.test.inputs["x"]], strict=True
    ):
        np.testing.assert_array_equal(inputs, demand[["y", "z"]].to_numpy()[start - 7 : start])
    for target, start in zip(every, positions, strict=True):
        assert target.tolist() == y[start : start + 2].tolist()
    border = positions[len(data.train) + len(data.validation)]
    assert max(positions[: len(data.train)]) + 1 < positions[len(data.train)]  # no target of training is in validation
    assert all(start + 1 < border for start in positions[: -len(data.test)])


def test_a_prediction_has_the_window_that_nothing_follows(demand):
    data = table(demand, "y", time="day", window=7)
    windows = data.preparation.inputs(demand)["x"]
    assert len(windows) == 120 - 7 + 1
    np.testing.assert_array_equal(windows[-1], demand[["y", "z"]].to_numpy()[-7:])


def test_windows_stay_inside_groups(demand):
    frame = pd.concat([demand.assign(shop=shop) for shop in ("b", "a")])
    data = table(frame, "y", group="shop", time="day", inputs=["y", "z"], window=100, test=0.0, split_by="shop")
    assert len(data.train) == 2 * 20
    with pytest.raises(DataError, match="no series is as long"):
        table(frame, "y", group="shop", time="day", window=120)


# ---------------------------------------------------------------------- splits
def test_a_split_by_a_column_keeps_values_together(motion):
    data = table(motion, "speed", inputs=["t"], split_by="recording", test=0.25)
    sizes = motion.groupby("recording").size()
    assert len(data.train) + len(data.test) == len(motion)
    held_out = [int(size) for size in sizes]
    assert len(data.test) <= sum(sorted(held_out)[-10:])
    train_speeds = set(np.asarray(data.train.targets).reshape(-1).tolist())
    for _, rows in motion.groupby("recording"):
        assert len({speed in train_speeds for speed in rows["speed"]}) == 1


def test_a_split_by_time_holds_out_the_last_rows(demand):
    data = table(demand.sample(frac=1.0, random_state=0), "y", inputs="z", time="day", split="time", test=0.3)
    assert data.test.targets[:, 0].tolist() == demand["y"].to_numpy()[84:].tolist()


def test_another_file_is_the_test_split(tmp_path, demand):
    demand[:100].to_csv(tmp_path / "train.csv", index=False)
    demand[100:].to_csv(tmp_path / "test.csv", index=False)
    schema = TableSchema(target="y", inputs="z", ignore="day", test="test.csv")
    data = read_table(tmp_path / "train.csv", schema, tmp_path)
    np.testing.assert_allclose(data.test.targets[:, 0], demand["y"][100:])
    assert len(data.train) == 100


# ---------------------------------------------------------------------- text
def test_text_becomes_tokens_by_frequency():
    frame = pd.DataFrame({"text": ["b a b", "a b c!", "It's b."], "y": ["p", "n", "p"]})
    data = table(frame, "y", inputs="text", tokens="words", vocabulary=4, test=0.0)
    assert data.preparation.vocabulary.tokens == ("<unknown>", "b", "a", "!")
    assert [ids.tolist() for ids in data.train.inputs["x"]] == [[1, 2, 1], [2, 1, 0, 3], [0, 1, 0]]
    assert data.preparation.inputs(pd.DataFrame({"text": ["B zebra"]}))["x"][0].tolist() == [1, 0]


def test_characters_keep_their_case():
    vocabulary = Vocabulary.fit(["aAb", "a"], "characters")
    assert vocabulary.encode("Aab?").tolist() == [2, 1, 3, 0]


# ---------------------------------------------------------------------- missing values
def test_missing_values(demand):
    demand.loc[[3, 50], "z"] = np.nan
    with pytest.raises(DataError, match=r"2 of 120 values are missing.*row 3"):
        table(demand, "y", ignore="day")
    dropped = table(demand, "y", ignore="day", missing="drop", test=0.0)
    assert len(dropped.train) == 118
    with pytest.raises(DataError, match="row 3"):  # a prediction that is left out would shift the others
        dropped.preparation.inputs(demand)
    filled = table(demand, "y", ignore="day", missing="mean", test=0.0)
    assert filled.train.inputs["x"][3, 0] == pytest.approx(demand["z"].mean())
    demand.loc[7, "y"] = np.nan
    with pytest.raises(DataError, match="target"):
        table(demand, "y", ignore="day", missing="mean")


# ---------------------------------------------------------------------- files
@pytest.mark.parametrize(("ending", "separator"), [("csv", ","), ("csv", ";"), ("tsv", "\t"), ("csv", "|")])
def test_separators_are_found(tmp_path, motion, ending, separator):
    path = tmp_path / f"motion.{ending}"
    motion.to_csv(path, index=False, sep=separator)
    pd.testing.assert_frame_equal(read_frame(path), motion)


def test_parquet(tmp_path, motion):
    pytest.importorskip("pyarrow")
    motion.to_parquet(tmp_path / "m.parquet")
    data = table(tmp_path / "m.parquet", "activity", group="recording", time="t")
    assert len(data.train) == 32


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ("", FileError, "cannot be read"),
        ("a,b\n", DataError, "no rows"),
        (",a,y\n0,1,2\n1,3,4\n", DataError, "index=False"),
        ("a,a,y\n1,2,3\n", DataError, "different names"),
        ("a,y\n1,2,3\n1,2,3\n", FileError, "more fields"),
        ("a;y\n1,5;2\n2,5;3\n", DataError, "decimal comma"),
        ("a,y\n2024-01-02,1\n2024-01-03,2\n", DataError, "dates"),
        ("a,y\n,1\n,2\n", DataError, "empty"),
        ("a,y\n1,u\n2,u\n", DataError, "same class"),
        ("a,y\ninf,1\n2,2\n", DataError, "infinite"),
    ],
)
def test_bad_tables_are_refused(tmp_path, text, error, words):
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(error, match=words):
        table(tmp_path / "t.csv", "y", test=0.0)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"standardise": True}, "Did you mean 'standardize'"),
        ({"missing": "none"}, "refuse, drop, mean"),
        ({"horizon": 3}, "needs a window"),
        ({"split": "time"}, "time: COLUMN"),
        ({"test": 0.6, "validation": 0.5}, "leave no training rows"),
        ({"tokens": "words", "group": "recording"}, "row by row"),
        ({"inputs": ["speed", "activity"]}, "both input and target"),
    ],
)
def test_settings_that_make_no_sense(motion, settings, words):
    with pytest.raises(ConfigError, match=words):
        table(motion, "activity", **settings)


def test_unknown_columns_and_categories(motion):
    with pytest.raises(DataError, match="Did you mean 'activity'"):
        table(motion, "activty")
    preparation = table(motion, "activity", group="recording", time="t").preparation
    with pytest.raises(DataError, match=r"row 2: an unknown category"):
        preparation.inputs(
            pd.DataFrame({"recording": 1, "t": [1, 2, 3], "speed": 0.5, "hand": ["left", "left", "none"]})
        )
    with pytest.raises(DataError, match="'hand'"):
        preparation.inputs(motion[["recording", "t", "speed"]])


# ---------------------------------------------------------------------- preparations
def test_a_preparation_survives_json_and_reads_alike(motion):
    data = table(motion, "activity", group="recording", time="t", standardize=True)
    stored = Preparation.of(json.loads(json.dumps(data.preparation.values())), "file")
    assert stored == data.preparation
    again = read_all(motion, stored)
    assert len(again) == 40
    both = {tuple(sequence[:, 0]): label for sequence, label in zip(again.inputs["x"], again.targets, strict=True)}
    for sequence, label in zip(data.test.inputs["x"], data.test.targets, strict=True):
        assert both[tuple(sequence[:, 0])] == label


@pytest.mark.parametrize(
    "damage", [{}, {"format": "x"}, {"columns": [{"name": 1}]}, {"classes": [1]}, {"schema": {"a": 1}}]
)
def test_damaged_preparations_are_refused(motion, damage):
    values = table(motion, "activity", group="recording").preparation.values()
    with pytest.raises(FileError, match="preparation"):
        Preparation.of({**values, **damage} if damage else [], "file")
