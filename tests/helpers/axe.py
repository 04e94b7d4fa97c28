"""axe-core in a page: what it finds there."""

from pathlib import Path

SCRIPT = Path(__file__).parents[1] / "third_party" / "axe-core" / "axe.min.js"


def violations(session, levels=("moderate", "serious", "critical"), rules=None, without=()):
    """What axe-core finds in the page that is open, as lines of text: level, rule, what is wrong, and where."""
    options = {"resultTypes": ["violations"], "rules": {rule: {"enabled": False} for rule in without}}
    if rules:
        options["runOnly"] = {"type": "rule", "values": list(rules)}
    if not session.run("return Boolean(window.axe)"):
        # As the body of a function: the policy of the page allows neither another script nor eval.
        session.run(SCRIPT.read_text(encoding="utf-8"))
    found = session.run_async(
        "const done = arguments[arguments.length - 1];"
        "axe.run(document, arguments[0]).then(r => done(r.violations), e => done([{impact: 'critical', id: 'axe',"
        " help: String(e), nodes: []}]));",
        options,
    )
    return [
        f"{rule['impact']} {rule['id']}: {rule['help']}: "
        + "; ".join(f"{node['target']} {node['html'][:120]}" for node in rule["nodes"][:4])
        for rule in found
        if rule["impact"] in levels
    ]
