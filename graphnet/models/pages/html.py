"""A page as text: data in one escaped block, one script and one style sheet, and a policy that allows nothing else."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from graphnet.core.distribution import VERSION

HERE = Path(__file__).parent


def page(data: Mapping[str, Any], title: str, kind: str = "page") -> str:
    """The page with this data; ``kind`` names its script, and a style sheet that is added to that of all pages.

    Names, docstrings and settings come from strangers. They are in one block of JSON in which no character can end it,
    and the script shows them by ``textContent`` only. The policy allows the script and the styles of this page, by
    their hashes, and no connection, picture, frame or form.
    """
    text = json_block(dict(data) | {"title": title})
    sheets = list(dict.fromkeys(("page.css", f"{kind}.css")))
    return _document(" ".join(title.split()), text, [("text.js", f"{kind}.js")], sheets=sheets)[0]


def live_page() -> tuple[str, str]:
    """A page without data, which asks the server that it comes from for them; and its policy."""
    return _document("graphnet watch", "", [("text.js", "page.js"), ("live.js",)], "; connect-src 'self'")


def _document(
    title: str, data: str, scripts_of: Sequence[Sequence[str]], more: str = "", sheets: Sequence[str] = ("page.css",)
) -> tuple[str, str]:
    style, *scripts = (
        "".join((HERE / name).read_text(encoding="utf-8") for name in names) for names in (sheets, *scripts_of)
    )
    hashes = " ".join(map(_hash, scripts))
    policy = (
        f"default-src 'none'; script-src {hashes}; style-src {_hash(style)}; base-uri 'none'; form-action 'none'{more}"
    )
    elements = "\n".join(f"<script>{script}</script>" for script in scripts)
    return (
        f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<meta name="generator" content="graphnet {VERSION}, MIT License">
<title>{escape(title)}</title>
<style>{style}</style>
</head>
<body>
<noscript>This page needs JavaScript; it loads nothing from elsewhere.</noscript>
<script type="application/json" id="data">{data}</script>
{elements}
</body>
</html>
""",
        policy,
    )


def json_block(data: Any) -> str:
    """JSON for a script element: ``<``, ``>`` and ``&`` are escaped, so that nothing in it ends the element.

    Examples
    --------
    >>> json_block({"a": "</script><!--"})
    '{"a":"\\\\u003c/script\\\\u003e\\\\u003c!--"}'
    """
    text = json.dumps(data, allow_nan=False, separators=(",", ":"))  # ASCII only: also no U+2028
    for letter in "<>&":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    return text


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
