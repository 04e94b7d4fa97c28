"""The table of the settings that are saved before a plugin loads, and restored and reported afterwards."""

from __future__ import annotations

from graphnet.plugins.isolation import log_settings, number_settings, process_settings, python_settings
from graphnet.plugins.isolation.setting import Setting

#: In the order in which they are read. The first search for BLAS libraries sets a variable of the environment.
SETTINGS: tuple[Setting, ...] = (
    *number_settings.SETTINGS,
    *process_settings.SETTINGS,
    *python_settings.SETTINGS,
    *log_settings.SETTINGS,
)

#: Restored and reported by other means, with what each covers; for the table in the documentation.
OTHERS: dict[str, str] = {
    "the recursion limit": "`sys.getrecursionlimit()`",
    "the warning filters": "`warnings.filters` and `warnings.showwarning`",
    "standard input, output and error": "`sys.stdin`, `sys.stdout`, `sys.stderr` and file descriptors 0 to 2; what the "
    "plugin prints is discarded, and what it reads from standard input is empty",
    "functions of numpy and of the standard library": "functions, classes and submodules that are replaced or deleted "
    "in their modules, constants of `numpy` and `math`, and entries of `sys.modules`, also those in place of a module "
    "that is not imported yet; the same of pluggy, networkx, PyYAML, click and packaging",
    "code of graphnet and of other plugins": "the same, attributes of classes, and the code of functions; the "
    "plugin is refused",
}
