"""The states of random generators as plain data, and the generators that a function refers to."""

from __future__ import annotations

import random
import types
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

#: Converts a value to JSON, with its arrays elsewhere; and back.
Convert = Callable[[Any], Any]

#: Those whose state is integers, which JSON has.
OF_INTEGERS = ("PCG64", "PCG64DXSM")
#: The bit generators of numpy by name; a checkpoint names no other class.
BIT_GENERATORS = {name: getattr(np.random, name) for name in ("PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64")}


def is_generator(value: object) -> bool:
    """Whether a value draws random numbers: a numpy Generator, BitGenerator or RandomState, or Python's Random."""
    return isinstance(
        value, (np.random.Generator, np.random.BitGenerator, np.random.RandomState, random.Random)
    ) and not isinstance(value, random.SystemRandom)


def known(generator: Any) -> bool:
    """Whether the class of a generator is numpy's or Python's own, so that it can be made again."""
    if isinstance(generator, random.Random):
        return type(generator) is random.Random
    if isinstance(generator, np.random.RandomState):
        name = generator.get_state(legacy=False)["bit_generator"]
        return type(generator) is np.random.RandomState and name in BIT_GENERATORS
    return type(generator) in (np.random.Generator, *BIT_GENERATORS.values()) and (
        type(_bits(generator)) in BIT_GENERATORS.values()
    )


def written(generator: Any, convert: Convert) -> dict[str, Any]:
    """The state of a generator; ``convert`` takes its numbers and arrays."""
    if isinstance(generator, random.Random):
        version, words, gauss = generator.getstate()
        return {"kind": "Random", "version": version, "words": convert(np.array(words, np.uint64)), "gauss": gauss}
    if isinstance(generator, np.random.RandomState):
        return {"kind": "RandomState", "state": convert(generator.get_state(legacy=False))}
    bits = _bits(generator)
    return {
        "kind": "Generator" if isinstance(generator, np.random.Generator) else "BitGenerator",
        "bits": type(bits).__name__,
        "state": {"plain": bits.state} if type(bits).__name__ in OF_INTEGERS else convert(bits.state),
        "spawned": int(getattr(bits.seed_seq, "n_children_spawned", 0)),
        "seed": _seed(bits.seed_seq),
    }


def restored(values: Mapping[str, Any], existing: Any, convert: Convert) -> Any:
    """The generator of :func:`written`: ``existing``, with its state set, if it is of the same kind; else a new one."""
    kind = values["kind"]
    if kind == "Random":
        made = existing if type(existing) is random.Random else random.Random()
        words = tuple(int(word) for word in convert(values["words"]))
        made.setstate((values["version"], words, values["gauss"]))
        return made
    if kind == "RandomState":
        state = convert(values["state"])
        legacy = existing if type(existing) is np.random.RandomState else None
        if legacy is None or legacy.get_state(legacy=False)["bit_generator"] != state["bit_generator"]:
            legacy = np.random.RandomState(BIT_GENERATORS[state["bit_generator"]]())
        legacy.set_state(state)
        return legacy
    of_numpy = isinstance(existing, (np.random.Generator, np.random.BitGenerator))
    bits = _bits(existing) if of_numpy else None
    if bits is None or type(bits).__name__ != values["bits"] or not _continues(bits.seed_seq, values):
        bits = BIT_GENERATORS[values["bits"]](_sequence(values["seed"], values["spawned"]))
        existing = None
    behind = values["spawned"] - int(getattr(bits.seed_seq, "n_children_spawned", 0))
    if behind > 0:
        bits.seed_seq.spawn(behind)
    bits.state = values["state"]["plain"] if "plain" in values["state"] else convert(values["state"])
    if existing is not None and isinstance(existing, np.random.Generator) == (kind == "Generator"):
        return existing
    return np.random.Generator(bits) if kind == "Generator" else bits


def _bits(generator: Any) -> Any:
    """The bit generator of a generator of numpy."""
    return generator.bit_generator if isinstance(generator, np.random.Generator) else generator


def _seed(sequence: Any) -> dict[str, Any] | None:
    """What a seed sequence is made of; its children depend on it."""
    if not isinstance(sequence, np.random.SeedSequence):
        return None
    entropy: Any = sequence.entropy
    several = isinstance(entropy, (list, tuple, np.ndarray))
    return {
        "entropy": [int(number) for number in entropy] if several else None if entropy is None else int(entropy),
        "spawn_key": [int(number) for number in sequence.spawn_key],
        "pool_size": int(sequence.pool_size),
    }


def _sequence(seed: Mapping[str, Any] | None, spawned: int) -> Any:
    if seed is None:
        return None
    return np.random.SeedSequence(
        seed["entropy"],
        spawn_key=tuple(seed["spawn_key"]),
        pool_size=seed["pool_size"],
        n_children_spawned=spawned,
    )


def _continues(sequence: Any, values: Mapping[str, Any]) -> bool:
    """Whether a generator has the saved seed sequence, or one that has given as many children, or fewer."""
    spawned = int(getattr(sequence, "n_children_spawned", 0))
    return spawned <= values["spawned"] and (not values["spawned"] or _seed(sequence) == values["seed"])


def of_function(function: Any, seen: frozenset[int] = frozenset()) -> Iterator[tuple[str, Any]]:
    """The generators that a function refers to, by name: those of its closure, its defaults and its module.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> def draw(count, source=rng):
    ...     return source.normal(size=count)
    >>> [name for name, _ in of_function(draw)]
    ['default 0']
    """
    if not isinstance(function, types.FunctionType) or id(function) in seen:
        return
    seen |= {id(function)}
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            value = cell.cell_contents
        except ValueError:  # not assigned yet
            continue
        if is_generator(value):
            yield f"closure {name}", value
        else:
            yield from ((f"{name}: {inner}", found) for inner, found in of_function(value, seen))
    defaults: dict[Any, Any] = dict(enumerate(function.__defaults__ or ()))
    defaults |= function.__kwdefaults__ or {}
    yield from ((f"default {name}", value) for name, value in defaults.items() if is_generator(value))
    names = sorted(_names(function.__code__))
    found_in_module = ((name, function.__globals__.get(name)) for name in names)
    yield from ((f"global {name}", value) for name, value in found_in_module if is_generator(value))


def _names(code: types.CodeType) -> set[str]:
    """The global names that a function and the functions inside it use."""
    names = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            names |= _names(constant)
    return names
