"""Training runs that are stopped, or meet a disk that fails, at every operation on files."""

import random
import shutil

import pytest

from graphnet import FileError, Model, load
from graphnet.io import filesystem
from graphnet.io.run_folder import RunFolder

from . import lab
from .faults import ERRORS, Faulty, Recording


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    with lab.quick(monkeypatch):
        yield


@pytest.fixture
def whole(tmp_path):
    """The checkpoints and the results of a run of ``EPOCHS`` and of one that got ``MORE``."""
    checkpoints, results = lab.reference(tmp_path / "whole", keep_checkpoints=99)
    more = lab.copied(tmp_path / "whole", tmp_path / "more")
    all_checkpoints, more_results = lab.reference(more, lambda path: lab.resumed(path, lab.MORE))
    return {**checkpoints, **all_checkpoints}, results, more_results


def trial(path, work, system, whole, *, epochs=None):
    """Stop some work, and check what is there, and that it can go on; returns where the run went on from."""
    checkpoints, results, more = whole
    stopped, failed, saved = lab.killed(work, system)
    place = lab.check_readable(path, checkpoints, saved)
    if stopped is not None or failed is not None:
        lab.finish(path, epochs)
    lab.assert_same(path, more if epochs else results)
    return place


@pytest.mark.parametrize("fault", ["stop", "half"])
def test_new_run_stopped_at_every_operation(tmp_path, whole, fault):
    path = tmp_path / "runs" / "one"
    work = lambda: lab.fresh(path)  # noqa: E731
    total = lab.count(work)
    shutil.rmtree(path.parent)
    places = set()
    for at in range(1, total + 1, 3) if fault == "stop" else range(2, total + 1, 7):
        places.add(trial(path, work, Faulty(at, fault), whole))
        shutil.rmtree(path.parent)
    assert len(places) >= 5 and None in places


def test_resumed_run_stopped_at_every_operation(tmp_path, whole):
    path = tmp_path / "run"
    lab.fresh(path)
    work = lambda: lab.resumed(path, lab.MORE)  # noqa: E731
    begun = lab.copied(path, tmp_path / "begun")
    total = lab.count(work)
    for at in range(1, total + 1, 4):
        lab.copied(begun, path)
        trial(path, work, Faulty(at), whole, epochs=lab.MORE)


def test_stopped_again_and_again(tmp_path, whole):
    path = tmp_path / "run"
    checkpoints, results, _ = whole
    reported = (0, 0)
    for at in (150, 40, 90, 3, 70, 120, 20, 60):
        _, _, saved = lab.killed(lambda: lab.finish(path), Faulty(at))
        lab.check_readable(path, checkpoints, reported if path.exists() else None)
        reported = max(reported, saved or (0, 0))
    lab.finish(path)
    lab.assert_same(path, results)


@pytest.mark.parametrize("fault", [*ERRORS, "short", "full"])
def test_failing_disk(tmp_path, whole, fault):
    path = tmp_path / "runs" / "one"
    work = lambda: lab.fresh(path)  # noqa: E731
    total = lab.count(work)
    shutil.rmtree(path.parent)
    first = random.Random(fault).randrange(1, 12)
    for at in range(first, total + 1, 23):
        trial(path, work, Faulty(at, fault), whole)
        shutil.rmtree(path.parent, ignore_errors=True)


def test_power_lost_after_every_operation(tmp_path, whole):
    checkpoints, results, _ = whole
    disk, image, images, rng = tmp_path / "disk", tmp_path / "image", [], random.Random(5)
    disk.mkdir()
    path = disk / "runs" / "one"

    def lose_power(system):
        shutil.rmtree(image, ignore_errors=True)
        with filesystem.using(Faulty()):
            system.image(image, rng)
            saved = lab.current[-1].saved if lab.current else None
            images.append(lab.check_readable(image / "runs" / "one", checkpoints, saved))
            if system.count % 23 == 0:
                begun = list(lab.current)
                lab.finish(image / "runs" / "one")
                lab.assert_same(image / "runs" / "one", results)
                lab.current[:] = begun

    lab.current.clear()
    with filesystem.using(Recording(disk, lose_power)):
        lab.fresh(path)
    assert len(images) > 200 and len(set(images)) >= 5


def test_saved_model_appears_whole(tmp_path):
    model = Model(lab.graph(), lab.config())
    model.fit(lab.X, lab.Y)
    path = tmp_path / "models" / "one"
    total = lab.count(lambda: model.save(path))
    expected = {file.name: file.read_bytes() for file in path.iterdir()}
    for fault in ("stop", "half", "ENOSPC", "EINTR", "short"):
        for at in range(1, total + 1):
            shutil.rmtree(path.parent)
            stopped, failed, _ = lab.killed(lambda: model.save(path), Faulty(at, fault))
            if path.exists():
                assert {file.name: file.read_bytes() for file in path.iterdir()} == expected
                load(path)
            else:
                assert stopped or failed
                model.save(path)


@pytest.mark.parametrize("exchanges", [True, False], ids=["exchange", "two renames"])
def test_saved_model_is_replaced_whole(tmp_path, exchanges):
    """The old model or the new one is there; where two renames are needed, the old one beside its place in between."""
    models = []
    for seed in (1, 2):
        models.append(Model(lab.graph(), lab.config()))
        models[-1].fit(lab.X, lab.Y, seed=seed)
    old, new = models
    kept, path = tmp_path / "kept", tmp_path / "models" / "one"
    old.save(kept)

    def fresh():
        shutil.rmtree(path.parent, ignore_errors=True)
        shutil.copytree(kept, path)

    class System(Faulty):
        def exchange(self, one, other):
            if not exchanges:
                raise OSError(22, "invalid argument")
            super().exchange(one, other)

    def contents(folder):
        return (folder / "weights.safetensors").read_bytes()

    fresh()
    with filesystem.using(System()) as system:
        new.save(path, overwrite=True)
    states = {contents(kept): "old", contents(path): "new"}
    seen = set()
    for fault in ("stop", "ENOSPC"):
        for at in range(1, system.count + 1):
            fresh()
            _, failed, _ = lab.killed(lambda: new.save(path, overwrite=True), System(at, fault))
            place = path if path.exists() else path.with_name("one.before")
            load(place)
            seen.add((states[contents(place)], place == path))
            if failed:  # without a kill nothing is left beside it
                assert place == path and [entry.name for entry in path.parent.iterdir()] == ["one"]
    assert seen == {("old", True), ("new", True)} | (set() if exchanges else {("old", False)})


def test_power_lost_while_a_model_is_saved(tmp_path):
    model = Model(lab.graph(), lab.config())
    model.fit(lab.X, lab.Y)
    disk, image, rng = tmp_path / "disk", tmp_path / "image", random.Random(7)
    disk.mkdir()
    loaded = []

    def lose_power(system):
        for _ in range(4):
            shutil.rmtree(image, ignore_errors=True)
            system.image(image, rng)
            if (image / "models" / "one").exists():
                loaded.append(load(image / "models" / "one"))

    with filesystem.using(Recording(disk, lose_power)):
        model.save(disk / "models" / "one")
    assert loaded


def test_recording_finds_a_file_that_is_not_synced(tmp_path):
    """The lab itself: contents and names that no sync followed are lost in some image."""
    rng = random.Random(3)
    seen = set()

    def lose_power(system):
        for number in range(8):
            image = tmp_path / f"image{system.count}-{number}"
            system.image(image, rng)
            file = image / "file"
            seen.add(file.read_bytes() if file.exists() else None)

    disk = tmp_path / "disk"
    disk.mkdir()
    with filesystem.using(Recording(disk, lose_power)) as system:
        handle = system.create(disk / "beside")
        system.write(handle, b"data")
        system.close(handle)
        system.rename(disk / "beside", disk / "file")
    assert seen == {None, b"", b"data"}


def test_full_disk_does_not_end_training(tmp_path):
    system = Faulty()
    with filesystem.using(system):
        folder = RunFolder(tmp_path / "run", background=False)
        trainer = lab.Trainer(lab.graph(), lab.config(), callbacks=[folder])

        class Fill(lab.graphnet.training.Callback):
            def on_epoch_end(self, trainer, record):
                system.fault, system.at = ("full", 1) if record.epoch == 2 else (system.fault, system.at)

            def state(self):
                return {}

            def load_state(self, state):
                pass

        trainer.callbacks = (*trainer.callbacks, Fill())
        with pytest.raises(FileError, match="No space left"):
            trainer.fit(lab.X, lab.Y)
        assert (len(trainer.history) == lab.EPOCHS and folder.saved == (2, 4)) or folder.saved == (1, 4)
    lab.finish(tmp_path / "run")
    assert len(lab.results(tmp_path / "run")["metrics"]) == lab.EPOCHS
