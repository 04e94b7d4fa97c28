"""The builder of IR refuses operations on wrong types, and its literals are exact."""

from __future__ import annotations

import struct

import pytest

from graphnet_native.ir import F32, F64, I1, I64, PTR, IRError, Module, Type, Value, floating, integer


@pytest.fixture
def function():
    return Module(32).function("f", [PTR, I64])


def test_sum_of_two_types_is_refused(function):
    with pytest.raises(IRError, match="fadd of float and double"):
        function.binary("fadd", floating(1.0, F32), floating(1.0, F64))


def test_fma_of_different_lanes_is_refused(function):
    wide = floating(1.0, Type("float", 8))
    with pytest.raises(IRError, match="fma"):
        function.fma(wide, wide, floating(1.0, F32))


def test_load_from_a_number_is_refused(function):
    with pytest.raises(IRError, match="load from i64"):
        function.load(F32, function.parameters[1])


def test_selection_needs_a_truth_value(function):
    with pytest.raises(IRError, match="select"):
        function.select(integer(1), floating(1.0, F32), floating(2.0, F32))
    assert function.select(Value(I1, "true"), floating(1.0, F32), floating(2.0, F32)).type == F32


def test_loop_must_return_what_it_carries(function):
    with pytest.raises(IRError, match="carries"):
        function.loop(integer(0), integer(4), 1, lambda i, v: [i], [floating(0.0, F32)])


@pytest.mark.parametrize("number", [0.1, -0.0, 1e-45, float("inf"), 3.5e38])
def test_single_literals_hold_the_rounded_number(number):
    bits = int(floating(number, F32).name, 16)
    held = struct.unpack("<d", struct.pack("<Q", bits))[0]
    expected = number if number > 3.4e38 else struct.unpack("<f", struct.pack("<f", number))[0]
    assert held == expected
