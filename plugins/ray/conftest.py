"""Without Ray, which `make setup` does not install, only the tests are collected, and each file is skipped."""

from importlib.util import find_spec
from pathlib import Path

_FOLDER = Path(__file__).parent
_HELPERS = [str(file.relative_to(_FOLDER)) for file in _FOLDER.glob("tests/[!t]*.py") if file.name != "conftest.py"]

collect_ignore = [] if find_spec("ray") and find_spec("graphnet_ray") else ["src", "tests/training_runs.py", *_HELPERS]
