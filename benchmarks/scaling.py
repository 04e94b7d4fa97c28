"""Data-parallel training with 1, 2 and 4 workers on this machine, and what more machines would bring.

python benchmarks/scaling.py [--quick] [--models small medium large] [--rounds 3] [--plot FILE] [--json FILE]
python benchmarks/scaling.py --predict FILE [--plot FILE]     # the prediction of measurements that --json wrote

Trains three models with 1, 2 and 4 workers in turn, each with one thread, and separates a step into computation,
communication that the step waits for, and the rest: the update, batches, bookkeeping. Communication that happens while
rank 0 computes is hidden. Then it measures sums and broadcasts of 1 kB to 64 MB alone, fits computation, latency and
bandwidth, and predicts where more workers stop helping. It needs the plugin graphnet-ray.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"  # before numpy loads: each worker has one thread

import numpy as np  # noqa: E402
from environment import machine  # noqa: E402
from scaling_measure import MODELS, WORKERS, Step, collectives, measure  # noqa: E402
from scaling_model import RING, compute_fit, line, predict, shown_prediction  # noqa: E402

#: The largest share of a compute-bound step, the large model on two workers, that communication may cost.
ALLOWED = 0.05


def arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--rounds", type=int, help="trainings of each kind (3; with --quick 1)")
    parser.add_argument("--json", metavar="FILE", type=Path, help="write the measurements")
    parser.add_argument("--predict", metavar="FILE", type=Path, help="predict from measurements; measure nothing")
    parser.add_argument("--plot", metavar="FILE", type=Path, help="draw the predicted speed (matplotlib)")
    parser.add_argument("--no-collectives", action="store_true", help="steps only, and no prediction")
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    options.rounds = options.rounds or (1 if options.quick else 3)
    return options


def main() -> None:
    """Measure, fit and predict."""
    options = arguments()
    if options.predict is not None:
        found = json.loads(options.predict.read_text(encoding="utf-8"))
    else:
        found = measured(options)
        if options.json is not None:
            options.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    if found["collectives"]:
        print(shown_prediction(found))
        if options.plot is not None:
            draw(found, options.plot)


def measured(options: argparse.Namespace) -> dict[str, Any]:
    """Train in turn, measure sums and broadcasts, and print both."""
    try:
        from graphnet_ray import connect, disconnect
    except ImportError:
        sys.exit("graphnet-ray is not installed: pip install . ./plugins/recurrent ./plugins/ray")
    about = machine(("graphnet", "numpy", "ray"))
    print(f"{about}\n")
    connect(cpus=max(WORKERS), object_store=1 << 30)
    try:
        transfers = [] if options.no_collectives else collectives(options.quick)
        steps = {name: measure(name, options.rounds, options.quick) for name in options.models}
    finally:
        disconnect()
    fits = {name: compute_fit(name, found) for name, found in steps.items()}
    for name, found in steps.items():
        print(f"{table(name, found, transfers)}\n")
    if transfers:
        print(shown_transfers(transfers))
    return {"machine": about, "compute": fits, "collectives": transfers}


def table(name: str, steps: list[Step], transfers: list[dict[str, Any]]) -> str:
    """The parts of a step by number of workers; hidden is what the transfers take alone, less what is waited for."""
    model = MODELS[name]
    lines = [
        f"{name}: {model.text}, {model.bytes / 1e6:.3g} MB of weights, {model.rows} rows a step; medians in ms",
        "",
        "| workers | step | of one worker | computation | slower rank | communication not hidden | hidden | rest |",
        "|---|---|---|---|---|---|---|---|",
    ]
    whole = {count: [step for step in steps if step.workers == count and step.rows == model.rows] for count in WORKERS}
    one = median(whole[1], "seconds")
    for count, found in whole.items():
        step, compute, skew, waited, rest = (
            median(found, part) for part in ("seconds", "compute", "skew", "waited", "rest")
        )
        alone = [t for t in transfers if t["workers"] == count]
        sent = sum(line(alone, kind).at(model.bytes) for kind in ("broadcast", "sum")) if alone else 0.0
        hidden = f"{1e3 * max(sent - waited, 0):.3g}" if alone or count == 1 else "?"
        parts = f"{1e3 * compute:.3g} | {1e3 * skew:.3g} | {1e3 * waited:.3g} ({waited / step:.1%}) | {hidden} | "
        parts += f"{1e3 * rest:.3g}"
        lines.append(f"| {count} | {1e3 * step:.3g} | {step / one:.2f} | {parts} |")
    two = [each.waited / each.seconds for each in whole[2]]
    if name == "large":
        verdict = "met" if np.median(two) <= ALLOWED else "missed"
        lines += ["", f"two workers, communication that is not hidden: {np.median(two):.1%} of a step "
                  f"(target: at most {ALLOWED:.0%}, {verdict})"]  # fmt: skip
    return "\n".join(lines)


def median(steps: list[Step], part: str) -> float:
    return float(np.median([getattr(step, part) for step in steps]))


def shown_transfers(transfers: list[dict[str, Any]]) -> str:
    """The times of sums and broadcasts, and the lines through them."""
    lines = ["| bytes | workers | broadcast, ms | sum, ms |", "|---|---|---|---|"]
    lines += [
        f"| {t['bytes']} | {t['workers']} | {1e3 * t['broadcast']:.3g} | {1e3 * t['sum']:.3g} |" for t in transfers
    ]
    for kind in ("broadcast", "sum"):
        fitted = line([t for t in transfers if t["workers"] == 2], kind)
        lines.append(
            f"\n{kind}, two workers: {1e3 * fitted.latency:.2f} ms + bytes / ({1e-9 / fitted.per_byte:.2f} GB/s), "
            f"off by at most {fitted.error:.0%}"
        )
    return "\n".join(lines)


def draw(found: dict[str, Any], path: Path) -> None:
    """Draw the predicted speed by number of workers."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, len(found["compute"]), figsize=(11, 3.6), sharey=True, layout="constrained")
    for axis, (name, by_network) in zip(np.atleast_1d(axes), predict(found).items(), strict=True):
        for network, curve in by_network.items():
            style = {"linestyle": "--", "alpha": 0.5} if network.endswith(RING) else {"marker": "."}
            axis.plot([p.workers for p in curve], [p.speed for p in curve], label=network, **style)
        counts = [p.workers for p in curve]
        axis.plot(counts, counts, color="0.7", linestyle=":", label="ideal")
        axis.set(xscale="log", yscale="log", title=f"{name}: {MODELS[name].text}", xlabel="workers")
        axis.set_xticks(counts, [str(count) for count in counts])
        axis.minorticks_off()
    np.atleast_1d(axes)[0].set_ylabel("speed, in those of one worker")
    np.atleast_1d(axes)[0].legend(frameon=False)
    figure.savefig(path, dpi=120, metadata={"Software": None} if path.suffix == ".png" else None)
    print(f"wrote {path}")


if __name__ == "__main__":
    main()
