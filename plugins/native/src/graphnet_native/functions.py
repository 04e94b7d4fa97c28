"""Elementary functions on vectors: exp, log and tanh of our own, the rest by LLVM's intrinsics or the C library, lane
by lane.

NaN passes through every function, as in numpy: clamps are a comparison and a selection, which keep it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from graphnet_native.ir import Function, Type, Value, floating, integer


def number(f: Function, value: float, like: Value) -> Value:
    """A constant of the type of another value."""
    return floating(value, like.type)


def polynomial(f: Function, x: Value, coefficients: Sequence[float]) -> Value:
    """The polynomial with these coefficients, the highest power first, by Horner's rule."""
    result = number(f, coefficients[0], x)
    for c in coefficients[1:]:
        result = f.fma(result, x, number(f, c, x))
    return result


def clamp(f: Function, x: Value, low: float, high: float) -> Value:
    """``x`` between two numbers; NaN stays NaN."""
    a, b = number(f, low, x), number(f, high, x)
    x = f.select(f.compare("fcmp olt", x, a), a, x)
    return f.select(f.compare("fcmp ogt", x, b), b, x)


def _bits(x: Value) -> tuple[Type, int, int]:
    """The integer type of a float type's bits, the bits of its fraction and its exponent's bias."""
    return (x.type.of("i64"), 52, 1023) if x.type.scalar == "double" else (x.type.of("i32"), 23, 127)


def _whole(kind: Type, value: int) -> Value:
    if not kind.lanes:
        return integer(value, kind)
    return Value(kind, "<" + ", ".join([f"{kind.scalar} {value}"] * kind.lanes) + ">")


def exp(f: Function, x: Value) -> Value:
    """``exp(x)``: x = n ln 2 + r with |r| at most ln 2 / 2, a Taylor polynomial of r, and 2**n in two factors."""
    double = x.type.scalar == "double"
    low, high, degree = (-746.0, 710.0, 13) if double else (-104.0, 89.0, 7)
    clamped = clamp(f, x, low, high)
    n = f.call(f"llvm.rint.{x.type.mangled}", x.type, f.binary("fmul", clamped, number(f, 1 / math.log(2), x)))
    upper, lower = (6.93147180369123816490e-01, 1.90821492927058770002e-10) if double else (0.693359375, -2.12194440e-4)
    r = f.fma(n, number(f, -upper, x), clamped)
    r = f.fma(n, number(f, -lower, x), r)
    p = polynomial(f, r, [1 / math.factorial(k) for k in range(degree, -1, -1)])
    whole, fraction, bias = _bits(x)
    n = f.select(f.compare("fcmp ord", x, x), n, number(f, 0.0, x))
    power = f.convert("fptosi", n, whole)
    half = f.binary("ashr", power, _whole(whole, 1))
    for part in (half, f.binary("sub", power, half)):
        shifted = f.binary("shl", f.binary("add", part, _whole(whole, bias)), _whole(whole, fraction))
        p = f.binary("fmul", p, f.convert("bitcast", shifted, x.type))
    return p


def log(f: Function, x: Value) -> Value:
    """``log(x)``: x = 2**e m with m in [√½, √2); log m = 2 artanh((m - 1) / (m + 1)) as a series."""
    whole, fraction, bias = _bits(x)
    bits = f.convert("bitcast", x, whole)
    exponent = f.binary("sub", f.binary("lshr", bits, _whole(whole, fraction)), _whole(whole, bias))
    m = f.binary("and", bits, _whole(whole, (1 << fraction) - 1))
    m = f.convert("bitcast", f.binary("or", m, _whole(whole, bias << fraction)), x.type)
    e = f.convert("sitofp", exponent, x.type)
    large = f.compare("fcmp ogt", m, number(f, math.sqrt(2), x))
    m = f.select(large, f.binary("fmul", m, number(f, 0.5, x)), m)
    e = f.select(large, f.binary("fadd", e, number(f, 1.0, x)), e)
    one = number(f, 1.0, x)
    s = f.binary("fdiv", f.binary("fsub", m, one), f.binary("fadd", m, one))
    z = f.binary("fmul", s, s)
    terms = 11 if x.type.scalar == "double" else 5
    series = polynomial(f, z, [2 / (2 * k + 1) for k in range(terms - 1, 0, -1)])
    tail = f.binary("fmul", f.binary("fmul", series, z), s)
    upper, lower = 6.93147180369123816490e-01, 1.90821492927058770002e-10
    if x.type.scalar == "float":
        upper, lower = 0.693359375, -2.12194440e-4
    low = f.fma(e, number(f, lower, x), tail)
    result = f.fma(e, number(f, upper, x), f.binary("fadd", f.binary("fmul", s, number(f, 2.0, x)), low))
    inf = number(f, math.inf, x)
    result = f.select(f.compare("fcmp oeq", x, inf), inf, result)
    result = f.select(f.compare("fcmp olt", x, number(f, 0.0, x)), number(f, math.nan, x), result)
    tiny = number(f, 2.0**-1022 if x.type.scalar == "double" else 2.0**-126, x)
    zero = f.compare("fcmp olt", f.call(f"llvm.fabs.{x.type.mangled}", x.type, x), tiny)  # denormals count as zero
    result = f.select(zero, number(f, -math.inf, x), result)
    return f.select(f.compare("fcmp uno", x, x), x, result)


#: tanh(x) = x P(x²) / Q(x²) on |x| <= 9: the rational approximation of Eigen (MPL 2.0), the highest power first.
TANH_P = (-2.76076847742355e-16, 2.00018790482477e-13, -8.60467152213735e-11, 5.12229709037114e-08,
          1.48572235717979e-05, 6.37261928875436e-04, 4.89352455891786e-03)  # fmt: skip
TANH_Q = (1.19825839466702e-06, 1.18534705686654e-04, 2.26843463243900e-03, 4.89352518554385e-03)
#: The same for |x| < 0.625 in double precision: x + x z P(z) / Q(z) with z = x² (Cephes, Moshier 1989).
SMALL_P = (-9.64399179425052238628e-1, -9.92877231001918586564e1, -1.61468768441708447952e3)
SMALL_Q = (1.0, 1.12811678491632931402e2, 2.23548839060100448583e3, 4.84406305325125486048e3)


def tanh(f: Function, x: Value) -> Value:
    """``tanh(x)``, with a relative error of 3e-7 in single and 1e-15 in double precision."""
    if x.type.scalar == "float":
        clamped = clamp(f, x, -9.0, 9.0)  # where the ratio is exactly 1
        z = f.binary("fmul", clamped, clamped)
        p = f.binary("fmul", polynomial(f, z, TANH_P), clamped)
        return f.binary("fdiv", p, polynomial(f, z, TANH_Q))
    z = f.binary("fmul", x, x)
    ratio = f.binary("fdiv", polynomial(f, z, SMALL_P), polynomial(f, z, SMALL_Q))
    small = f.fma(f.binary("fmul", x, z), ratio, x)
    size = f.call(f"llvm.fabs.{x.type.mangled}", x.type, x)
    grown = exp(f, f.binary("fadd", size, size))
    two, one = number(f, 2.0, x), number(f, 1.0, x)
    large = f.binary("fsub", one, f.binary("fdiv", two, f.binary("fadd", grown, one)))
    large = f.call(f"llvm.copysign.{x.type.mangled}", x.type, large, x)
    return f.select(f.compare("fcmp olt", size, number(f, 0.625, x)), small, large)


def lane_by_lane(f: Function, name: str, *args: Value) -> Value:
    """A function of the C library, called for each lane; in single precision through double where that is exact
    enough.
    """
    kind = args[0].type
    if not kind.lanes:
        return f.call(name + ("f" if kind.scalar == "float" else ""), kind, *args)
    scalar = Type(kind.scalar)
    result = Value(kind, "poison")
    for lane in range(kind.lanes):
        parts = [f.emit(scalar, f"extractelement {a}, i64 {lane}") for a in args]
        one = lane_by_lane(f, name, *parts)
        result = f.emit(kind, f"insertelement {result}, {one}, i64 {lane}")
    return result


def _intrinsic(name: str) -> Callable[..., Value]:
    def call(f: Function, *args: Value) -> Value:
        return f.call(f"llvm.{name}.{args[0].type.mangled}", args[0].type, *args)

    return call


def _library(name: str) -> Callable[..., Value]:
    return lambda f, *args: lane_by_lane(f, name, *args)


def _binary(operation: str) -> Callable[..., Value]:
    return lambda f, a, b: f.binary(operation, a, b)


def maximum(f: Function, a: Value, b: Value, relation: str = "fcmp ogt") -> Value:
    """The larger of two; NaN if either is."""
    larger = f.select(f.compare(relation, a, b), a, b)
    return f.select(f.compare("fcmp uno", a, a), a, larger)


def fmax(f: Function, a: Value, b: Value, relation: str = "fcmp ogt") -> Value:
    """The larger of two; the other one if one is NaN."""
    larger = f.select(f.compare(relation, a, b), a, b)
    return f.select(f.compare("fcmp uno", b, b), a, larger)


def sign(f: Function, x: Value) -> Value:
    """-1, 0 or 1; NaN for NaN."""
    zero, one = number(f, 0.0, x), number(f, 1.0, x)
    result = f.select(
        f.compare("fcmp ogt", x, zero), one, f.select(f.compare("fcmp olt", x, zero), number(f, -1.0, x), zero)
    )
    return f.select(f.compare("fcmp uno", x, x), x, result)


def heaviside(f: Function, x: Value, middle: Value) -> Value:
    """0 below zero, ``middle`` at zero, 1 above; NaN for NaN."""
    zero = number(f, 0.0, x)
    result = f.select(f.compare("fcmp olt", x, zero), zero, number(f, 1.0, x))
    result = f.select(f.compare("fcmp oeq", x, zero), middle, result)
    return f.select(f.compare("fcmp uno", x, x), x, result)


def logaddexp(f: Function, a: Value, b: Value) -> Value:
    """``log(exp(a) + exp(b))``."""
    larger = maximum(f, a, b)
    distance = f.call(f"llvm.fabs.{a.type.mangled}", a.type, f.binary("fsub", a, b))
    small = lane_by_lane(f, "log1p", exp(f, f.emit(a.type, f"fneg {distance}")))
    result = f.binary("fadd", larger, small)
    equal = f.compare("fcmp oeq", a, b)  # also two equal infinities, whose difference is NaN
    result = f.select(equal, f.binary("fadd", a, number(f, math.log(2), a)), result)
    unbounded = f.compare("fcmp oeq", distance, number(f, math.inf, a))
    return f.select(unbounded, larger, result)


FLOATS: dict[str, Callable[..., Value]] = {
    "add": _binary("fadd"),
    "subtract": _binary("fsub"),
    "multiply": _binary("fmul"),
    "divide": _binary("fdiv"),
    "negative": lambda f, x: f.emit(x.type, f"fneg {x}"),
    "positive": lambda f, x: x,
    "copy": lambda f, x: x,
    "absolute": _intrinsic("fabs"),
    "fabs": _intrinsic("fabs"),
    "square": lambda f, x: f.binary("fmul", x, x),
    "sqrt": _intrinsic("sqrt"),
    "cbrt": _library("cbrt"),
    "reciprocal": lambda f, x: f.binary("fdiv", number(f, 1.0, x), x),
    "power": _library("pow"),
    "exp": exp,
    "exp2": _library("exp2"),
    "expm1": _library("expm1"),
    "log": log,
    "log1p": _library("log1p"),
    "log2": _library("log2"),
    "log10": _library("log10"),
    "hypot": _library("hypot"),
    "logaddexp": logaddexp,
    "sin": _library("sin"),
    "cos": _library("cos"),
    "tan": _library("tan"),
    "arcsin": _library("asin"),
    "arccos": _library("acos"),
    "arctan": _library("atan"),
    "arctan2": _library("atan2"),
    "tanh": tanh,
    "sinh": _library("sinh"),
    "cosh": _library("cosh"),
    "arcsinh": _library("asinh"),
    "arccosh": _library("acosh"),
    "arctanh": _library("atanh"),
    "maximum": maximum,
    "minimum": lambda f, a, b: maximum(f, a, b, "fcmp olt"),
    "fmax": fmax,
    "fmin": lambda f, a, b: fmax(f, a, b, "fcmp olt"),
    "sign": sign,
    "copysign": _intrinsic("copysign"),
    "heaviside": heaviside,
    "floor": _intrinsic("floor"),
    "ceil": _intrinsic("ceil"),
    "rint": _intrinsic("rint"),
    "trunc": _intrinsic("trunc"),
}

RELATIONS = {
    "greater": "fcmp ogt",
    "greater_equal": "fcmp oge",
    "less": "fcmp olt",
    "less_equal": "fcmp ole",
    "equal": "fcmp oeq",
    "not_equal": "fcmp une",
}


def truth(f: Function, x: Value) -> Value:
    """Whether a number is not zero; a truth value itself."""
    return x if x.type.scalar == "i1" else f.compare("fcmp une", x, number(f, 0.0, x))


def as_number(f: Function, x: Value, scalar: str) -> Value:
    """A truth value as 0 or 1; a number itself."""
    return f.convert("uitofp", x, x.type.of(scalar)) if x.type.scalar == "i1" else x


def apply(f: Function, name: str, args: Sequence[Value], scalar: str) -> Value:
    """One operation of a program's table on vectors; truth values come out as ``i1``."""
    if name in ("logical_and", "logical_or"):
        return f.binary("and" if name == "logical_and" else "or", truth(f, args[0]), truth(f, args[1]))
    if name == "logical_not":
        x = truth(f, args[0])
        ones = Value(x.type, "<" + ", ".join(["i1 true"] * x.type.lanes) + ">" if x.type.lanes else "true")
        return f.binary("xor", x, ones)
    if name == "where":
        condition = truth(f, args[0])
        if args[1].type.scalar == args[2].type.scalar == "i1":
            return f.select(condition, args[1], args[2])
        return f.select(condition, as_number(f, args[1], scalar), as_number(f, args[2], scalar))
    if name == "copy":
        return args[0]
    numbers = [as_number(f, a, scalar) for a in args]
    if name in RELATIONS:
        return f.compare(RELATIONS[name], *numbers)
    if name == "isnan":
        return f.compare("fcmp uno", numbers[0], numbers[0])
    if name == "isfinite":
        size = f.call(f"llvm.fabs.{numbers[0].type.mangled}", numbers[0].type, numbers[0])
        return f.compare("fcmp olt", size, number(f, math.inf, size))
    return FLOATS[name](f, *numbers)
