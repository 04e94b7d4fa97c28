"""Objects on disk: private, whole, their own, bounded, and never needed."""

from __future__ import annotations

import dataclasses
import os
import threading

import numpy as np
import pytest
from small_layers import Logistic, Tanh

import graphnet
from graphnet import Builder, Cell, FullyConnected, Runner, Scan, concatenate
from graphnet_native import availability, backend, cache, engine
from graphnet_native.digest import digest
from graphnet_native.emitter import Emitter

OBJECTS = [b"first", b"", bytes(range(256))]
KEY = "ab" * 32


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("GRAPHNET_CACHE", str(tmp_path))
    monkeypatch.setattr(backend, "_programs", type(backend._programs)())
    monkeypatch.setattr(cache, "problem", "")
    monkeypatch.setattr(availability._state, "warned", set())


def scan(units=3, name="recurrent"):
    cell = Cell(name, sequences="x", states={"h": units})
    h = Tanh()(FullyConnected(None, units, dtype="float32")(concatenate(cell.x, cell.h)))
    gate = Logistic()(FullyConnected(None, units, dtype="float32")(cell.x))
    built = cell.build(output=h * gate, h=h)
    builder = Builder(f"graph of {name}")
    return builder.build(Scan(built)(builder.input("x", "time, batch, feature=2")))


def run(graph):
    backend._programs.clear()
    graphnet.seed(1)
    runner = Runner(graph, backend="native")
    return runner.forward({"x": np.ones((4, 3, 2), "float32")})["output"]


def file(key=KEY):
    return cache.place() / f"{key}.gno"


def test_objects_come_back():
    assert cache.read(KEY) is None
    cache.write(KEY, OBJECTS)
    assert cache.read(KEY) == OBJECTS
    assert file().stat().st_mode & 0o777 == 0o600
    assert cache.usage() == (1, file().stat().st_size)


@pytest.mark.parametrize("position", [0, 10, 30, 60, 70, 130, 140, -1])
def test_file_with_a_flipped_bit_is_not_read(position):
    cache.write(KEY, OBJECTS)
    data = bytearray(file().read_bytes())
    data[position] ^= 4
    file().write_bytes(bytes(data))
    assert cache.read(KEY) is None


def test_truncated_file_is_not_read():
    cache.write(KEY, OBJECTS)
    data = file().read_bytes()
    for length in range(0, len(data), 7):
        file().write_bytes(data[:length])
        assert cache.read(KEY) is None


def test_file_under_another_name_is_not_read():
    cache.write(KEY, OBJECTS)
    other = "cd" * 32
    os.rename(file(), file(other))
    assert cache.read(other) is None


def test_file_that_others_can_write_is_not_read():
    cache.write(KEY, OBJECTS)
    file().chmod(0o666)
    assert cache.read(KEY) is None


def test_folder_of_another_user_is_not_used(monkeypatch):
    cache.write(KEY, OBJECTS)
    user = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: user + 1)
    assert cache.read(KEY) is None
    assert "another user" in cache.problem


def test_folder_is_private():
    folder = cache.folder()
    assert folder is not None and folder.stat().st_mode & 0o777 == 0o700
    folder.chmod(0o777)
    assert cache.folder() is None


def test_user_without_a_home_has_no_cache(monkeypatch):
    def missing():
        raise RuntimeError("Could not determine home directory.")

    for name in ("GRAPHNET_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(cache.Path, "home", missing)
    assert cache.folder() is None
    cache.write(KEY, OBJECTS)
    assert cache.read(KEY) is None


def test_place_that_is_a_file_costs_the_cache_only(tmp_path, monkeypatch):
    (tmp_path / "taken").write_text("a file")
    monkeypatch.setenv("GRAPHNET_CACHE", str(tmp_path / "taken"))
    with pytest.warns(graphnet.GraphnetWarning, match="compiled again in each process"):
        assert run(scan()).shape == (4, 3, 3)
    assert cache.problem


def test_full_disk_costs_the_cache_only(monkeypatch):
    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(cache.os, "replace", full)
    with pytest.warns(graphnet.GraphnetWarning, match="No space left"):
        assert run(scan()).shape == (4, 3, 3)
    assert "No space left" in cache.problem
    assert list(cache.place().iterdir()) == []


def test_oldest_files_are_removed_beyond_the_limit(monkeypatch):
    keys = [f"{i:064x}" for i in range(12)]
    for age, key in enumerate(keys):
        cache.write(key, [bytes(1000)])
        os.utime(file(key), (1000 + age, 1000 + age))
    cache.read(keys[0])  # read just now: the last to be removed
    cache.prune(cache.place(), 8000)
    left = [key for key in keys if file(key).exists()]
    assert left == [keys[0], *keys[-len(left) + 1 :]]
    assert cache.usage()[1] <= 6000


def test_leftovers_of_interrupted_processes_are_removed():
    old, new = (cache.folder() / f"{KEY}.{i}.tmp" for i in (1, 2))
    for path in (old, new):
        path.write_bytes(b"half")
    os.utime(old, (1000, 1000))
    cache.write(KEY, OBJECTS)
    assert not old.exists() and new.exists()


@pytest.mark.parametrize("where", ["build", "compile_text", "replace"])
def test_interrupt_while_compiling_leaves_nothing_broken(where, monkeypatch):
    def interrupted(*arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        if where == "build":
            patch.setattr(Emitter, "_function", interrupted)
        elif where == "compile_text":
            patch.setattr(engine, "compile_text", interrupted)
        else:
            patch.setattr(cache.os, "replace", interrupted)
        with pytest.raises(KeyboardInterrupt):
            run(scan())
    assert not [path for path in cache.place().iterdir() if path.name.endswith(".tmp")]
    assert run(scan()).shape == (4, 3, 3)


def test_program_seen_before_is_not_emitted(monkeypatch):
    expected = run(scan())
    monkeypatch.setattr(Emitter, "emit", None)
    monkeypatch.setattr(engine, "compile_text", None)
    np.testing.assert_array_equal(run(scan()), expected)
    # names of nodes and of the graph are not part of the code
    np.testing.assert_array_equal(run(scan(name="other")), expected)


def test_kernels_of_another_program_are_not_compiled(monkeypatch):
    compiled = []
    original = engine.compile_text
    monkeypatch.setattr(engine, "compile_text", lambda text: compiled.append(text) or original(text))
    run(scan())
    first = len(compiled)
    run(scan(5))
    assert first > 2
    assert len(compiled) == first + 1


def programs(graph):
    run(graph)
    return [key[0] for key in backend._programs]


def test_programs_that_differ_have_other_digests():
    (first,), (same,), (other,) = (programs(scan(units, name)) for units, name in ((3, "a"), (3, "b"), (4, "a")))
    assert digest(first) == digest(same) != digest(other)
    for field in dataclasses.fields(first):  # every part of a program counts
        value = getattr(first, field.name)
        changed = not value if isinstance(value, bool) else value[:-1]
        if changed != value:
            assert digest(dataclasses.replace(first, **{field.name: changed})) != digest(first), field.name


def test_digest_tells_shared_weights_from_equal_ones():
    (program,) = programs(scan())
    weights = [e.attr for e in program.expressions if e.name == "weight"]
    assert len(set(weights)) > 1

    def renamed(names):
        return dataclasses.replace(
            program,
            expressions=tuple(
                dataclasses.replace(e, attr=names[e.attr]) if e.name == "weight" else e for e in program.expressions
            ),
            gradients=tuple((names[key], number) for key, number in program.gradients),
        )

    others = {key: (f"layer {i}", "w") for i, key in enumerate(dict.fromkeys(weights))}
    assert digest(renamed(others)) == digest(program)
    assert digest(renamed(dict.fromkeys(others, ("layer", "w")))) != digest(program)


def test_threads_that_compile_at_once_give_the_same_numbers():
    graphs = [scan(2 + i % 3) for i in range(9)]
    expected = [run(graph) for graph in graphs]
    backend._programs.clear()
    results = [None] * len(graphs)

    def work(i):
        results[i] = Runner(graphs[i], backend="native").forward({"x": np.ones((4, 3, 2), "float32")})["output"]

    threads = [threading.Thread(target=work, args=(i,)) for i in range(len(graphs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for a, b in zip(results, expected, strict=True):
        np.testing.assert_array_equal(a.shape, b.shape)
