"""Names and texts that would run as a script, or break a page, if they were anything but text."""

import itertools
import json
import re

from graphnet import Builder, Cell, Layer
from graphnet.training.history import EpochRecord, History

HOSTILE = [
    "</script><script>document.documentElement.dataset.hacked=1</script>",
    "<img src=x onerror=document.documentElement.dataset.hacked=1>",
    "<!--<script>",
    "']];document.documentElement.dataset.hacked=1//",
    "javascript:document.documentElement.dataset.hacked=1",
    "\u2028document.documentElement.dataset.hacked=1\u2029",
    "<svg/onload=document.documentElement.dataset.hacked=1>",
    "__proto__",
    "\x00\x1b[31m&lt;script&gt;",
    "{{constructor.constructor('document.documentElement.dataset.hacked=1')()}}",
    *(
        f"<{tag} {event}=document.documentElement.dataset.hacked=1 src=x autofocus>"
        for tag, event in itertools.product(
            ("img", "svg", "input", "video", "details open", "body"), ("onerror", "onload", "onfocus", "ontoggle")
        )
    ),
    "<iframe srcdoc='<script>parent.document.documentElement.dataset.hacked=1</script>'></iframe>",
    "<a href=javascript:document.documentElement.dataset.hacked=1>x</a>",
    "<math><mtext><style><img src=x onerror=document.documentElement.dataset.hacked=1></style></mtext></math>",
    "<template><script>document.documentElement.dataset.hacked=1</script></template>",
    "</title><script>document.documentElement.dataset.hacked=1</script>",
    "</style><script>document.documentElement.dataset.hacked=1</script>",
    "</noscript><img src=x onerror=document.documentElement.dataset.hacked=1>",
    "--><script>document.documentElement.dataset.hacked=1</script>",
    "]]><script>document.documentElement.dataset.hacked=1</script>",
    "\\u003cscript\\u003edocument.documentElement.dataset.hacked=1\\u003c/script\\u003e",
    "${document.documentElement.dataset.hacked=1}",
    "`;document.documentElement.dataset.hacked=1;`",
    '"; document.documentElement.dataset.hacked=1; "',
    "data:text/html,<script>document.documentElement.dataset.hacked=1</script>",
    "<meta http-equiv=refresh content='0;url=javascript:document.documentElement.dataset.hacked=1'>",
    "<base href=javascript:/>",
]


NODES = ["constructor", "toString", "valueOf", *(f"n{i}" for i in range(len(HOSTILE) - 3))]


class Hostile(Layer):
    text: str

    def infer(self, x):
        return x

    def apply(self, x):
        return x, None

    def pull(self, error, saved):
        return error


Hostile.__doc__ = "\n".join(HOSTILE)
Hostile.__name__ = HOSTILE[0]


def hostile_graph():
    g = Builder("".join(HOSTILE))
    value = g.input("x", "batch, feature=2")
    for text, name in zip(HOSTILE, NODES, strict=True):
        value = Hostile(text)(value, name=name)
    return g.build(constructor=value, hasOwnProperty=value)


def hostile_cell():
    """A cell with a node for each text; names of nodes are identifiers."""
    cell = Cell("".join(HOSTILE), sequences="x", states={"hasOwnProperty": 2})
    value = cell.x
    for text, name in zip(HOSTILE, NODES, strict=True):
        value = Hostile(text)(value, name=name)
    return cell.build(__proto__=value, hasOwnProperty=value + cell.hasOwnProperty)


def hostile_history():
    """A history whose figures have these names."""
    figures = dict.fromkeys(HOSTILE, 0.5)
    return History([EpochRecord(i, 1 / i, figures, 2 / i, figures) for i in (1, 2)], best_epoch=1)


def block(page):
    """The data of a page."""
    (found,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    return json.loads(found)
