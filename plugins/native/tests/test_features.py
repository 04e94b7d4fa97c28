"""Levels of processor features: from what the processor reports, never from its name."""

from __future__ import annotations

import subprocess
import sys

import pytest

from graphnet import UnknownNameError
from graphnet_native import features
from graphnet_native.ir import F32, Module, Value

V4 = (
    "64bit cmov cx8 fxsr mmx sse sse2 sse3 ssse3 sse4.1 sse4.2 avx avx2 fma avx512f avx512cd avx512dq avx512bw avx512vl"
)


def names(found):
    return [each.level for each in found]


def test_levels_of_a_processor():
    known = dict.fromkeys(V4.split(), True)
    full = features.levels(known, "x86_64")
    assert names(full) == ["avx512", "avx2", "baseline"]
    assert [each.vector_bytes for each in full] == [64, 32, 16]
    assert [each.fused for each in full] == [True, True, False]


@pytest.mark.parametrize("hidden", ["avx512f", "avx512vl", "avx512dq", "avx512bw", "avx512cd"])
def test_virtual_machine_that_hides_one_feature_has_no_avx512(hidden):
    known = dict.fromkeys(V4.split(), True) | {hidden: False}
    found = features.levels(known, "AMD64")
    assert names(found) == ["avx2", "baseline"]
    assert f"-{hidden}" in found[0].flags.split(",")


def test_avx2_needs_fused_multiply_adds():
    assert names(features.levels(dict.fromkeys(V4.split(), True) | {"fma": False}, "x86_64")) == ["baseline"]


def test_flags_name_every_other_feature_as_absent():
    known = dict.fromkeys(V4.split(), True) | {"avx512fp16": True, "amx-tile": True, "avx10.1": False, "bmi2": True}
    for each in features.levels(known, "x86_64"):
        flags = each.flags.split(",")
        assert {flag[1:] for flag in flags} >= known.keys()
        assert {"-avx512fp16", "-amx-tile", "-avx10.1", "+sse2"} <= set(flags)
        assert ("+bmi2" in flags) == (each.level != "baseline")
        assert ("+avx512f" in flags) == (each.level == "avx512")


def test_level_can_be_lowered_and_not_raised():
    known = dict.fromkeys(V4.split(), True)
    assert names(features.levels(known, "x86_64", features.requested("avx2"))) == ["avx2", "baseline"]
    assert names(features.levels(known, "x86_64", features.requested("baseline"))) == ["baseline"]
    known["avx512f"] = False
    assert names(features.levels(known, "x86_64", features.requested("AVX512"))) == ["avx2", "baseline"]


def test_unknown_level_is_an_error_with_the_known_ones():
    with pytest.raises(UnknownNameError, match="avx512, avx2, baseline"):
        features.requested("avx3")


def test_arm_has_vectors_and_fused_multiply_adds():
    (only,) = features.levels({"neon": True, "fp-armv8": True, "sve": True}, "aarch64")
    assert (only.vector_bytes, only.fused, only.flags) == (16, True, "+fp-armv8,+neon,-sve")


def test_processor_that_llvm_cannot_read_has_the_baseline(monkeypatch):
    import llvmlite.binding as llvm

    def fail():
        raise RuntimeError("failed to get host cpu features.")

    monkeypatch.setattr(llvm, "get_host_cpu_features", fail)
    assert features.host() == {}
    assert names(features.levels(features.host(), "x86_64")) == ["baseline"]


def test_without_the_instruction_a_multiply_add_calls_no_library():
    for fused, expected in ((True, "llvm.fma.f32"), (False, "llvm.fmuladd.f32")):
        module = Module(16, 22, fused)
        f = module.function("f", [F32, F32, F32])
        f.fma(*(Value(F32, p.name) for p in f.parameters))
        assert expected in module.text()


@pytest.mark.parametrize("level", features.LEVELS)
def test_setting_is_read_from_the_environment(level, monkeypatch):
    code = "from graphnet_native import features; print(features.selected().level)"
    monkeypatch.setenv(features.VARIABLE, level)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert features.LEVELS.index(done.stdout.strip()) >= features.LEVELS.index(level)
