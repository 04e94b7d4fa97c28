"""Other distributions that own the package graphnet are reported."""

import pytest

from graphnet.plugins import PluginManager
from graphnet.plugins.installing import other_owners


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)

    def install(name, version, *files):
        info = tmp_path / f"{name}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        (info / "RECORD").write_text("".join(f"{file},,\n" for file in files))

    return install


def test_other_project_of_the_former_name_is_reported(folder):
    assert other_owners() == []
    folder("graphnet", "1.8.0", "graphnet/__init__.py")
    assert other_owners() == other_owners(thorough=False) == ["graphnet 1.8.0"]
    host = PluginManager()
    host.load(allow=())
    (note,) = host.plugins[0].notes
    assert "the package graphnet also belongs to graphnet 1.8.0; run: pip uninstall graphnet" in note


def test_any_distribution_with_files_in_the_package_is_found(folder):
    folder("unrelated", "2.0", "graphnet/data/__init__.py")
    folder("harmless", "2.0", "graphnet.py", "harmless/graphnet/x.py")
    assert other_owners() == ["unrelated 2.0"]
    assert other_owners(thorough=False) == []
