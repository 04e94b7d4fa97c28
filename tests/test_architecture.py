"""The packages import each other in one direction, modules never in a circle, and the diagram of the design shows it."""

import ast
import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def architecture():
    spec = importlib.util.spec_from_file_location("architecture", ROOT / "scripts" / "architecture.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def graph(architecture):
    return architecture.imports()


def test_imports_follow_the_order_of_packages(architecture, graph):
    assert architecture.against_order(graph) == []


def test_modules_do_not_import_in_circles(architecture, graph):
    assert architecture.cycles(graph) == []


def test_exceptions_are_in_use(architecture, graph):
    assert all(graph.has_edge(*edge) for edge in architecture.EXCEPTIONS)


def test_diagram_shows_the_imports(architecture, graph):
    page = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
    assert architecture.drawn(page) == architecture.diagram(graph), "run: python scripts/architecture.py"


def test_top_of_the_package_has_at_most_18_entries():
    entries = {
        path.stem for path in (ROOT / "graphnet").iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()
    }
    assert len(entries - {"__init__", "__main__"}) <= 18


def test_files_that_the_pages_name_exist():
    for page in ("docs/design.md", "CONTRIBUTING.md"):
        text = (ROOT / page).read_text(encoding="utf-8")
        for name in re.findall(r"`([\w./]+\.py)`", text):
            name = name.removeprefix("../")
            found = [
                path
                for top in ("graphnet", "plugins", "scripts", "benchmarks", "tests")
                for path in ROOT.glob(f"{top}/**/{name}")
            ]
            assert found or (ROOT / name).exists(), f"{page} names {name}"


def test_import_inside_a_function_counts(architecture, tmp_path):
    package = tmp_path / "graphnet" / "core"
    package.mkdir(parents=True)
    (tmp_path / "graphnet" / "__init__.py").write_text("")
    (package / "__init__.py").write_text("")
    (package / "errors.py").write_text("def late():\n    from graphnet.core.dtypes import name\n")
    (package / "dtypes.py").write_text("import graphnet.core.errors\nname = 1\n")
    graph = architecture.imports(tmp_path)
    assert architecture.cycles(graph) == [["graphnet.core.dtypes", "graphnet.core.errors"]]


#: Calls that change what is on the disk, by the module or the type that has them.
WRITING = {
    "os": "open replace rename renames remove unlink mkdir makedirs rmdir removedirs link symlink truncate ftruncate "
    "write writev pwrite fsync fdatasync chmod fchmod chown fchown utime mkfifo sendfile copy_file_range",
    "shutil": "copy copy2 copyfile copyfileobj copytree move rmtree chown",
    "tempfile": "mkstemp mkdtemp mktemp NamedTemporaryFile TemporaryFile TemporaryDirectory SpooledTemporaryFile",
    "np": "save savez savez_compressed savetxt memmap",
}
METHODS = "write_text write_bytes mkdir rmdir unlink touch symlink_to hardlink_to rename chmod tofile savefig"
#: The one file that calls the operating system, and those whose files are no results: the conformance kit and the audit
#: of plugins work in temporary folders, the cache of the native backend checks what it reads, and writing again is cheap.
LAYER = "graphnet/io/filesystem.py"
ELSEWHERE = ("graphnet/testing/", "graphnet/plugins/isolation/", "plugins/native/src/graphnet_native/cache.py")
#: Calls that write to no file: to a descriptor of the process, a buffer, or (os.open) to read.
HARMLESS = {
    ("graphnet/exercise/worker.py", "os.write"),  # to the pipe of the parent process
    ("graphnet/cli/streams.py", "os.open"),  # the null device
    ("graphnet/sweeps/worker.py", "os.write"),  # to the pipe of the sweep
    ("graphnet/sweeps/picture.py", "savefig"),  # a buffer
    ("graphnet/cli/signals.py", "os.write"),  # standard error
    ("graphnet/io/learning_curve.py", "savefig"),  # a buffer
    ("graphnet/training/nonfinite/saved_batch.py", "np.savez_compressed"),  # a buffer
    ("graphnet/io/lock.py", "os.open"),  # looks whether somebody holds a lock
    ("graphnet/io/checkpoint.py", "os.open"),  # reads
    ("graphnet/models/watching/address.py", "os.open"),  # reads
}


def writing_calls(tree):
    """The calls in a module that write, rename or remove files."""
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        function = call.func
        if isinstance(function, ast.Name) and function.id == "open":
            mode = (
                call.args[1] if len(call.args) > 1 else next((k.value for k in call.keywords if k.arg == "mode"), None)
            )
            if mode is not None and not (isinstance(mode, ast.Constant) and set(mode.value) <= set("rbt")):
                yield "open"
        elif isinstance(function, ast.Attribute):
            owner = function.value.id if isinstance(function.value, ast.Name) else None
            if function.attr in WRITING.get(owner, "").split():
                yield f"{owner}.{function.attr}"
            elif owner not in ("system", *WRITING) and function.attr in METHODS.split():
                if not ast.unparse(function.value).startswith("filesystem"):
                    yield function.attr
            elif function.attr == "open" and any(
                isinstance(argument, ast.Constant)
                and isinstance(argument.value, str)
                and set(argument.value) & set("wax+")
                for argument in call.args[:1]
            ):
                yield "open"


def test_everything_is_written_through_one_layer():
    found = set()
    for top in ("graphnet", *(f"plugins/{path.name}/src" for path in (ROOT / "plugins").iterdir())):
        for path in (ROOT / top).rglob("*.py"):
            name = path.relative_to(ROOT).as_posix()
            if name != LAYER and not name.startswith(ELSEWHERE):
                found |= {(name, call) for call in writing_calls(ast.parse(path.read_text(encoding="utf-8")))}
    assert found == HARMLESS


@pytest.mark.parametrize(
    "text",
    ["open(p, 'w')", "open(p, mode='ab')", "open(p, mode)", "p.open('x')", "os.replace(a, b)", "p.write_text('')",
     "np.savez(p)", "shutil.rmtree(p)", "(a / b).unlink()"],
)  # fmt: skip
def test_writing_is_recognized(text):
    assert list(writing_calls(ast.parse(text)))
    assert not list(writing_calls(ast.parse("open(p, 'rb'); p.read_text(); text.replace('a', 'b'); system.unlink(p)")))
