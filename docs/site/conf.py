"""The manual as a site: settings of Sphinx. Built by `make docs`; the front page is build/docs/index.html.

The source folder is the whole checkout, so that links between the pages, to the READMEs of the examples and to
CHANGELOG.md are the same on a code host and in the site. The pages of the API are written before each build, one for
each public module of scripts/public_names.py and one for each of its names.
"""

from __future__ import annotations

import inspect
import os
import re
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))
import api_pages  # noqa: E402
import drawn_cells  # noqa: E402

import graphnet  # noqa: E402

project = "graphnet"
author = "The graphnet contributors"
release = version = graphnet.__version__
copyright = "The graphnet contributors"
extensions = ["sphinx.ext.autodoc", "sphinx.ext.autosummary", "numpydoc", "myst_nb"]

# ---------------------------------------------------------------------- what belongs to the site
#: Where the pages of the API are written, relative to the checkout; git ignores it.
API = Path("docs/site/api")
#: The objects that have a page, by their identity.
PUBLIC = api_pages.public_objects()
root_doc = "docs/site/index"
include_patterns = ["docs/*.md", "docs/site/**", "examples/*/README.md", "examples/third_party/*/README.md"]
include_patterns += ["README.md", "CHANGELOG.md", "CONTRIBUTING.md"]
exclude_patterns = ["build", "dist", "runs", ".*", "**/node_modules", "**/__pycache__", "**/*.egg-info"]
templates_path: list[str] = []

# ---------------------------------------------------------------------- pages in Markdown
# Anchors as code hosts make them from headings, so that links such as models.md#axes hold in both.
myst_heading_anchors = 4
myst_links_external_new_tab = False
nb_execution_mode = "force"
nb_execution_timeout = 120
nb_execution_raise_on_error = True
nb_execution_show_tb = True
nb_output_stderr = "remove"  # notices of other packages, such as tqdm's about widgets; an error ends the build
suppress_warnings = ["misc.highlighting_failure", "myst.strikethrough", "mystnb.unknown_mime_type", "myst-nb.lexer"]

# ---------------------------------------------------------------------- docstrings
autosummary_generate = False
autodoc_typehints = "none"
autodoc_member_order = "bysource"
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False

# ---------------------------------------------------------------------- the site
html_theme = "pydata_sphinx_theme"
html_title = "graphnet"
html_static_path = ["_static"]
html_css_files = ["manual.css"]
html_sidebars = {"README": [], "docs/site/index": []}
html_search_scorer = str(Path(__file__).with_name("scorer.js"))
html_context = {"default_mode": "auto"}
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {
    "navigation_with_keys": True,
    "show_toc_level": 2,
    "navigation_depth": 2,  # the pages of a module's names are listed on the page of the module only
    "footer_end": [],
    "secondary_sidebar_items": ["page-toc"],
    "search_bar_text": "Search the manual",
    "header_links_before_dropdown": 8,
}
# No request to another host: neither formulae nor widgets are used, so nothing of theirs is loaded.
nb_ipywidgets_js: dict[str, Any] = {}
linkcheck_anchors = False
linkcheck_timeout = 20


def ipython_folder(app: Any, config: Any) -> None:
    """Run the notebooks with settings of their own: none of the user's, and without the notice that TCP is local."""
    folder = Path(app.doctreedir) / "ipython"
    (folder / "profile_default").mkdir(parents=True, exist_ok=True)
    settings = "c = get_config()\nc.IPKernelApp.log_level = 40\n"
    (folder / "profile_default" / "ipython_kernel_config.py").write_text(settings, encoding="utf-8")
    os.environ["IPYTHONDIR"] = str(folder)


def write_reference(app: Any, config: Any) -> None:
    """Write the pages of the API."""
    api_pages.write(ROOT / API)


def write_traces(app: Any, error: Exception | None) -> None:
    """Write the pages that step through the cells of docs/drawn_cells.md, which shows them in frames."""
    if error is None and app.builder.format == "html":
        drawn_cells.write_traces(Path(app.outdir) / "docs" / "traces")


def shown_signature(
    app: Any, what: str, name: str, value: Any, options: Any, signature: str | None, returns: Any
) -> Any:
    """Show the arguments of a class as the class declares them; the wrappers that explain wrong ones take any."""
    if what != "class" or not (signature or "").startswith("(*"):
        return None
    try:
        declared = inspect.signature(value)
    except (TypeError, ValueError):
        return None
    plain = [each.replace(annotation=inspect.Parameter.empty) for each in declared.parameters.values()]
    return str(inspect.Signature(plain)), None


def shown_bases(app: Any, name: str, value: Any, options: Any, bases: list[type]) -> None:
    """Name only those bases of a class that have a page, or belong to others."""
    bases[:] = [base for base in bases if id(base) in PUBLIC or not base.__module__.startswith("graphnet")] or [object]


def linked_pages(app: Any, what: str, name: str, value: Any, options: Any, lines: list[str]) -> None:
    """Make links of the pages that a docstring names: docs/threads.md."""
    lines[:] = [re.sub(r"(?<![`/\w])docs/(\w+)\.md(?!`)", r":doc:`/docs/\1`", line) for line in lines]


def front_page(app: Any, error: Exception | None) -> None:
    """Let the folder of the site open at its front page."""
    if error is None and app.builder.format == "html":
        head = f"""<!doctype html><meta charset="utf-8"><title>graphnet</title>
<meta http-equiv="refresh" content="0; url={root_doc}.html">
<a href="{root_doc}.html">graphnet</a>
"""
        (Path(app.outdir) / "index.html").write_text(head, encoding="utf-8")


def setup(app: Any) -> None:
    """Connect the steps above."""
    app.connect("config-inited", ipython_folder)
    app.connect("config-inited", write_reference)
    app.connect("autodoc-process-signature", shown_signature)
    app.connect("autodoc-process-bases", shown_bases)
    app.connect("autodoc-process-docstring", linked_pages)
    app.connect("build-finished", front_page)
    app.connect("build-finished", write_traces)
