"""``graphnet doctor``: what it reports of ordinary and of odd environments."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from graphnet.cli import main
from graphnet.core.run import backend_choice, backends
from graphnet.inspect import doctor


def run(*arguments):
    return CliRunner().invoke(main, ["doctor", *arguments])


@pytest.fixture(autouse=True)
def _plain(monkeypatch):
    for name in doctor.SETTINGS:
        monkeypatch.delenv(name, raising=False)


def test_text_has_every_section():
    result = run()
    assert result.exit_code == 0, result.output
    for section in ("backends", "machine", "libraries", "plugins", "problems", "what would be faster"):
        assert f"\n{section}\n" in result.output
    assert "runs where none is named" in result.output


def test_json_names_backends_threads_and_versions():
    found = json.loads(run("--json").output)
    assert {"numpy", "reference"} <= {each["name"] for each in found["backends"]}
    assert [each["name"] for each in found["backends"] if each["default"]] == [found["default"]]
    assert found["threads"]["threads_of_a_pass"] >= 1 and found["versions"]["packages"]["numpy"]


def test_unknown_backend_in_the_environment_is_a_problem(monkeypatch):
    monkeypatch.setenv("GRAPHNET_BACKEND", "nowhere")
    result = run()
    assert result.exit_code == 1 and "GRAPHNET_BACKEND=nowhere names no backend" in result.output


def test_without_plugins_it_says_how_to_install_the_fastest_backend():
    result = CliRunner().invoke(main, ["--no-plugins", "doctor"])
    assert result.exit_code == 0
    assert "install graphnet-native (173 MB)" in result.output


def test_unavailable_backend_has_its_reason(monkeypatch):
    class Native(backends.NumpyBackend):
        priority = 9

        @classmethod
        def unavailable(cls):
            return "executable memory is forbidden"

    class Source:
        def find(self, name):
            return Native() if name == "native" else None

        def names(self):
            return ["native"]

        def automatic(self):
            return [("native", Native)]

    monkeypatch.setattr(backends, "_sources", [Source])
    monkeypatch.setattr(backend_choice, "_said", set())
    for named in ("", "native"):
        monkeypatch.setenv("GRAPHNET_BACKEND", named)
        found = json.loads(run("--json").output)
        assert found["default"] == "numpy"
        assert {each["name"]: each["reason"] for each in found["backends"]}[
            "native"
        ] == "executable memory is forbidden"
        assert "make the backend 'native' available: executable memory is forbidden" in found["advice"]


def test_what_cannot_be_examined_is_a_problem_and_not_a_traceback(monkeypatch):
    def fails(*arguments):
        raise OSError("no such library")

    for name in ("versions", "allowed_threads", "manager"):
        monkeypatch.setattr(doctor, name, fails)
    result = run()
    assert result.exit_code == 1 and result.output.count("OSError: no such library") == 3
    assert isinstance(result.exception, SystemExit)


def test_limited_kernels_of_blas_are_named(monkeypatch):
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    assert "OPENBLAS_CORETYPE=Haswell limits BLAS" in run().output
