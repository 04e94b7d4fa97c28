"""Damage of files: of any bytes, and of the parts of each format, so that the damage gets past checksums and parsers."""

from __future__ import annotations

import json
import random
import re
import struct
import warnings
from collections.abc import Callable
from importlib.util import find_spec

import yaml

from fuzz_files.originals import npy, originals, tree, unzipped, zipped

NUMBERS = (
    0,
    -1,
    1,
    2**31 - 1,
    2**31,
    2**32,
    2**53,
    2**63 - 1,
    2**63,
    2**64,
    10**12,
    10**18,
    10**30,
    10**400,
    100_000_000,
)
VALUES = (*NUMBERS, None, True, False, "", "x", "é∞", "\x00", "a" * 5000, 1.5, -0.0, 1e308, float("nan"), float("inf"),
          [], {}, [[]], [1, [2, [3]]], {"a": {"b": 1}}, ".inf", "1e999999999", "~", "2001-01-01", "0x1F", "1:30")  # fmt: skip
DESCRS = ("<f8", ">f4", "|b1", "<U2", "<U300000000", "|S3", "|O", "<c16", "<M8[ns]", "<m8", "V7", "|V0", "<f2", "<f16",
          "<i8", "<u8", "f8,i4", "", "é", "?" * 40, "<U0", "(2,)f8", "<x9", "O,O")  # fmt: skip
SHAPES = ("()", "(3,)", "(10000000000000000000000, 4)", "(1000000000000, 4)", "(True, 2)", "(-1,)", "(0, 9999999999999999)",
          "(2.0,)", "3", "[3]", "(3, 2" , "(3L, 2L)", "None", "(" * 500 + ")" * 500, "(1,) * 3", "(1," * 70, "(65536, 65536, 65536)",
          "(5, 2)", "(2, 5)", "(10,)", "(8, 0)", "(1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,"
          " 1, 1, 1, 1, 1, 1, 10)")  # fmt: skip


# ---------------------------------------------------------------------- any bytes
def of_bytes(rng: random.Random, data: bytes) -> bytes:
    """Flip, cut, repeat, insert and overwrite bytes, in a few places."""
    result = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 8))):
        at = rng.randrange(len(result) + 1)
        length = rng.choice((1, 1, 2, 4, 8, 64, 1024))
        what = rng.randrange(7)
        if what == 0 and result:
            result[rng.randrange(len(result))] ^= 1 << rng.randrange(8)
        elif what == 1:
            del result[at : at + length]
        elif what == 2:
            result[at:at] = rng.randbytes(length)
        elif what == 3:
            result[at : at + length] = struct.pack("<Q", rng.choice(NUMBERS) & (2**64 - 1))[:length]
        elif what == 4:
            result[at:at] = bytes(result[at : at + length]) * rng.choice((1, 2, 100))
        elif what == 5:
            del result[at:]
        else:
            other = rng.choice(rng.choice(list(originals().values())))
            start = rng.randrange(len(other))
            result[at : at + length] = other[start : start + length]
    return bytes(result)


# ---------------------------------------------------------------------- models
def of_text(rng: random.Random, data: bytes) -> bytes:
    """Replace, swap and repeat words and lines; nest a value deeply."""
    text = data.decode()
    words = re.findall(r"[\w.]+|[{}\[\]:,&*!|>%@`\"'#-]|\s+", text)
    for _ in range(rng.choice((1, 1, 2, 4))):
        at = rng.randrange(len(words))
        what = rng.randrange(7)
        if what == 0:
            words[at] = words[rng.randrange(len(words))]
        elif what == 1:
            words[at] = str(rng.choice(VALUES))
        elif what == 2:
            words[at] = rng.choice(
                ("[", "{a: ", "? ", "- ", "&a ", "!!python/object:os.system ", "<<: ", "'", "|\n")
            ) * rng.choice((1, 3, 40, 600, 20000))
        elif what == 3:
            words[at:at] = words[at : at + 20] * rng.choice((1, 5, 300))
        elif what == 4:
            del words[at : at + rng.choice((1, 3, 20))]
        elif what == 5:
            words[at] = re.sub(r"\d+", lambda _: str(rng.choice(NUMBERS)), words[at])
        else:
            words[at] += rng.choice(
                ("\t", "\n", "\r", "\x00", "\ufeff", "\u2028", "\x85", " #", ": ", "é", "\U0001f600")
            )
    return "".join(words).encode("utf-8", "surrogatepass")


def of_tree(rng: random.Random, data: bytes) -> bytes:
    """Change values of the tree: the text stays valid YAML."""
    whole = tree(data)
    for _ in range(rng.choice((1, 1, 2, 3))):
        places = list(_places(whole))
        holder, key = rng.choice(places)
        what = rng.randrange(4)
        if what == 0:
            holder[key] = rng.choice(VALUES)
        elif what == 1:
            other, name = rng.choice(places)
            holder[key] = other[name]
        elif what == 2:
            del holder[key]
        elif isinstance(holder, dict):
            holder[rng.choice(("a", "layer", "graph", "scan", "x", "é", "", "training"))] = holder.pop(key)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return yaml.dump(whole, sort_keys=False, allow_unicode=rng.random() < 0.5).encode("utf-8", "replace")
        except RecursionError:  # a value that holds itself
            return data


def _places(value: object) -> list[tuple]:
    """Every (collection, key) of a tree, each collection once."""
    found, seen, waiting = [], set(), [value]
    while waiting:
        holder = waiting.pop()
        if isinstance(holder, (dict, list)) and id(holder) not in seen:
            seen.add(id(holder))
            keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
            found += [(holder, key) for key in keys]
            waiting += [holder[key] for key in keys]
    return found or [({"": value}, "")]


# ---------------------------------------------------------------------- arrays
def of_npy(rng: random.Random, data: bytes) -> bytes:
    """Another header in front of the same numbers."""
    body = data[data.find(b"\n") + 1 :]
    fields = {
        "descr": repr(rng.choice(DESCRS)),
        "fortran_order": rng.choice(("False", "True", "0", "None")),
        "shape": rng.choice(SHAPES),
    }
    what = rng.randrange(6)
    if what == 0:
        fields["descr"] = rng.choice(("'<f8'", "[('a', '<f8')]", "None", "3", "{}", "lambda: 0", "__import__('os')"))
    elif what == 1:
        fields["shape"] = f"({rng.choice(NUMBERS)}, {rng.choice(NUMBERS[:6])})"
    elif what == 2:
        fields.pop(rng.choice(list(fields)))
    elif what == 3:
        fields["descr"] = "'<f8'"
        fields["shape"] = f"({len(body) // 8},)"
    header = (
        "{" + ", ".join(f"'{key}': {value}" for key, value in fields.items()) + ", }" + " " * rng.randrange(20) + "\n"
    )
    if what == 4:
        header = of_bytes(rng, header.encode()).decode("latin1")
    return npy(header, body if rng.random() < 0.8 else body * rng.choice((0, 2)), rng.choice((1, 1, 1, 2, 3, 4)))


def of_members(rng: random.Random, data: bytes) -> bytes:
    """Damaged arrays, and other names, in a whole archive."""
    members = unzipped(data)
    for _ in range(rng.choice((1, 1, 2))):
        at = rng.randrange(len(members))
        name, content = members[at]
        what = rng.randrange(7)
        if what < 3:
            members[at] = name, of_npy(rng, content)
        elif what == 3:
            members[at] = rng.choice(("a", "../x.npy", "train_x.npy", "é.npy", "", "classes.npy", "x" * 3000)), content
        elif what == 4:
            members[at] = name, of_bytes(rng, content)
        elif what == 5:
            members[at] = name, members[rng.randrange(len(members))][1]
        else:
            del members[at]
        if not members:
            break
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # two members of one name
        return zipped(members, rng.random() < 0.5)


def of_zip(rng: random.Random, data: bytes) -> bytes:
    """Other fields in the records of a zip archive: sizes, method, flags, offsets."""
    result = bytearray(data)
    records = [m.start() for m in re.finditer(rb"PK(\x01\x02|\x03\x04|\x05\x06)", data)]
    for _ in range(rng.choice((1, 1, 2, 4))):
        at = rng.choice(records) + rng.choice((4, 6, 8, 10, 14, 16, 18, 20, 22, 24, 26, 28, 30, 42))
        width = rng.choice((1, 2, 4))
        value = rng.choice((*NUMBERS, 1, 8, 9, 12, 14, 93, 97, 99)) & (2 ** (8 * width) - 1)
        result[at : at + width] = value.to_bytes(width, "little")
    return bytes(result)


def bomb(rng: random.Random, data: bytes) -> bytes:
    """A small file that declares, and holds, many zeros."""
    size = rng.choice((10**5, 10**7))
    name = rng.choice(unzipped(data))[0]
    descr, width = rng.choice((("|u1", 1), ("<i8", 8), ("<f4", 4), ("<U1", 4)))
    shape = (size // width,)
    header = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n"
    kept = [member for member in unzipped(data) if member[0] != name]
    return zipped([*kept, (name, npy(header, bytes(size)))], True)


# ---------------------------------------------------------------------- tensors
def of_header(rng: random.Random, data: bytes) -> bytes:
    """Other values in the header of a safetensors file."""
    length = int.from_bytes(data[:8], "little")
    header, body = json.loads(data[8 : 8 + length]), data[8 + length :]
    for _ in range(rng.choice((1, 1, 2))):
        places = _places(header)
        holder, key = rng.choice(places)
        what = rng.randrange(5)
        if what == 0:
            holder[key] = rng.choice(("F64", "F32", "BF16", "F16", "I8", "BOOL", "F8_E4M3", "C64", *VALUES))
        elif what == 1:
            holder[key] = rng.choice(NUMBERS)
        elif what == 2:
            other, name = rng.choice(places)
            holder[key] = json.loads(json.dumps(other[name]))
        elif what == 3:
            del holder[key]
        elif isinstance(holder, dict):
            holder[rng.choice(("a", "__metadata__", "*fresh", "é"))] = holder.pop(key)
    text = json.dumps(header).encode()
    if rng.random() < 0.15:
        text = rng.choice(
            (b"[" * 100_000, b'{"a":' * 50_000, b'{"a": 1' + b"0" * 5000 + b"}", text.replace(b"}", b', "a": 1}'))
        )
    return (
        len(text).to_bytes(8, "little")
        + text
        + (body if rng.random() < 0.8 else body[:-4] + b"\xff" * rng.randrange(9))
    )


def of_json(rng: random.Random, data: bytes) -> bytes:
    """Other values in a JSON file."""
    length = len(data)
    return of_header(rng, length.to_bytes(8, "little") + data)[8:]


#: Whether the files of graphnet-onnx can be read.
ONNX = find_spec("graphnet_onnx") is not None and find_spec("onnx") is not None


def onnx_files() -> tuple[bytes, ...]:
    """Whole ONNX models."""
    from fuzz_files.onnx_models import models

    return models()


def of_onnx(rng: random.Random, data: bytes) -> bytes:
    """Other fields in the messages of an ONNX file."""
    from fuzz_files.onnx_models import of_messages

    return of_messages(rng, data)


DAMAGE: dict[str, tuple[Callable[[random.Random, bytes], bytes], ...]] = {
    "model": (of_bytes, of_text, of_text, of_tree, of_tree),
    "run": (of_bytes, of_text, of_tree, of_tree),
    "training": (of_bytes, of_text, of_tree, of_tree),
    "npz": (of_bytes, of_members, of_members, of_zip, bomb),
    "inputs": (of_bytes, of_members, of_members, of_zip, bomb),
    "series": (of_bytes, of_npy, of_npy),
    "weights": (of_bytes, of_header, of_header),
    "state": (of_bytes, of_header, of_header),
    "manifest": (of_bytes, of_json, of_json),
    "progress": (of_bytes, of_json, of_json, of_json),
    "moments": (of_bytes, of_header, of_header),
    **({"onnx": (of_bytes, of_onnx, of_onnx, of_onnx)} if ONNX else {}),
}


def damaged(seed: int, only: str | None = None) -> tuple[str, bytes]:
    """The kind and the bytes of one damaged file; ``only``: of that kind."""
    rng = random.Random(seed)
    kind = only or rng.choice(list(DAMAGE))
    files = onnx_files() if kind == "onnx" else originals()[kind]
    original, change = rng.choice(files), rng.choice(DAMAGE[kind])
    try:
        return kind, change(rng, original)
    except Exception:  # no such file can be written
        return kind, of_bytes(rng, original)
