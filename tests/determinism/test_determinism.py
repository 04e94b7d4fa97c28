"""Each cell of the table in docs/determinism.md: what is equal to the bit, and what to which tolerance."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("graphnet_native")
HERE = Path(__file__).parent
#: Relative to the largest number of each array, after one epoch of four updates, as the page says.
TOLERANCES = {"float32": 1e-4, "float64": 1e-11}
PLAIN = {"OMP_NUM_THREADS": "1", "PYTHONHASHSEED": "1"}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Runs the child process, once for each setting."""
    folder, found = tmp_path_factory.mktemp("determinism"), {}

    def run(backend, threads="1", **variables):
        key = (backend, threads, *sorted(variables.items()))
        if key not in found:
            path = folder / f"{len(found)}.npz"
            environment = {**os.environ, **PLAIN, **variables}
            command = [sys.executable, str(HERE / "child.py"), str(path), backend, threads]
            done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
            assert done.returncode == 0, done.stderr
            with np.load(path) as file:
                found[key] = dict(file)
        return found[key]

    return run


def differences(a, b, dtype):
    """The largest difference of each array, relative to its largest number."""
    assert a.keys() == b.keys()
    names = [name for name in a if name.startswith(dtype)]
    assert len(names) > 5
    return {name: float(np.max(np.abs(a[name] - b[name])) / np.max(np.abs(a[name]))) for name in names}


@pytest.mark.parametrize("backend", ["numpy", "native"])
def test_equal_to_the_bit_in_another_process_with_another_hash_seed_and_number_of_threads(trained, backend):
    first, second = trained(backend), trained(backend, PYTHONHASHSEED="77", OMP_NUM_THREADS="2")
    assert first.keys() == second.keys()
    for name in first:
        np.testing.assert_array_equal(first[name], second[name], err_msg=name)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("first", "second"),
    [
        (("numpy", "1", {}), ("native", "1", {})),
        (("numpy", "1", {}), ("reference", "1", {})),
        (("numpy", "1", {}), ("numpy", "all", {"OMP_NUM_THREADS": "2"})),
        (("native", "1", {}), ("native", "all", {"OMP_NUM_THREADS": "2"})),
        (("native", "1", {}), ("native", "1", {"GRAPHNET_NATIVE_FEATURES": "baseline"})),
        (("numpy", "1", {}), ("numpy", "1", {"OPENBLAS_CORETYPE": "Nehalem"})),
    ],
    ids=[
        "native",
        "reference",
        "threads=None",
        "threads=None, native",
        "features of the processor, native",
        "features of the processor, BLAS",
    ],
)
def test_equal_to_a_tolerance(trained, first, second, dtype):
    a, b = (trained(backend, threads, **variables) for backend, threads, variables in (first, second))
    assert max(differences(a, b, dtype).values()) < TOLERANCES[dtype]


@pytest.mark.parametrize("backend", ["numpy", "native"])
def test_another_numpy_gives_the_same_training(trained, backend):
    """Figures that numpy 2.x on another machine has given: the generator's numbers are the same, too."""
    expected = json.loads((HERE / "figures.json").read_text())
    found = trained(backend)
    for name, values in expected.items():
        dtype = name.partition(" ")[0]
        got = np.ravel(found[name])[:: max(1, found[name].size // 8)][:8]
        np.testing.assert_allclose(got, values, rtol=0, atol=TOLERANCES[dtype] * float(np.max(np.abs(found[name]))))


def test_the_page_has_these_tolerances():
    page = (HERE.parents[1] / "docs" / "determinism.md").read_text(encoding="utf-8")
    assert "1e-4 in float32, 1e-11 in float64" in page
