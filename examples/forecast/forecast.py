"""Forecast the carbon dioxide in the air over Mauna Loa, and compare with standard baselines.

    pip install statsmodels
    python examples/forecast/forecast.py             # the test years, about a minute
    python examples/forecast/forecast.py --choose    # the candidates on earlier years: the model selection

Monthly means of the weekly record in statsmodels (March 1958 to December 2001, ppm; missing months are
interpolated linearly). For each month the next twelve are forecast from the earlier ones, without refitting. The model
was selected on 1975 to 1994, in four spans of five years, each forecast by models fitted on the years before the span.
The comparison uses models fitted until 1994, evaluated on 1995 to 2001.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from graphnet import Builder, FullyConnected, Model
from graphnet.datasets import windows
from graphnet.losses import MeanSquaredError
from graphnet.optimizers import AdamW
from graphnet_recurrent import GRU

YEAR = HORIZON = 12
#: The last year of the fit before each span of the model selection, and the last year of the last span.
SPANS, LAST_SELECTION_YEAR = (1974, 1979, 1984, 1989), 1994
#: Forecasts ``(origins, HORIZON)`` from months at the given positions, each from the values before it.
Forecast = Callable[[np.ndarray], np.ndarray]


def series() -> tuple[np.ndarray, np.ndarray]:
    """Monthly means in ppm, and the year of each."""
    try:
        from statsmodels.datasets import co2
    except ImportError:
        raise SystemExit("The data come with statsmodels: pip install statsmodels") from None
    monthly = co2.load_pandas().data["co2"].resample("MS").mean().interpolate()
    return monthly.to_numpy(), monthly.index.year.to_numpy()


# ---------------------------------------------------------------------- the baselines
def seasonal_naive(y: np.ndarray) -> Forecast:
    """The same month of the year before."""
    return lambda origins: np.stack([y[o - YEAR : o] for o in origins])


def seasonal_drift(y: np.ndarray) -> Forecast:
    """The same month of the year before, plus the difference of the last two yearly means."""

    def forecast(origins: np.ndarray) -> np.ndarray:
        forecasts = []
        for o in origins:
            growth = y[o - YEAR : o].mean() - y[o - 2 * YEAR : o - YEAR].mean()
            forecasts.append(y[o - YEAR : o] + growth)
        return np.stack(forecasts)

    return forecast


def autoregressive(y: np.ndarray, fitted: int) -> Forecast:
    """Trend, a level for each month and autoregression of the order with the smallest AIC up to 24, by statsmodels."""
    from statsmodels.tsa.ar_model import AutoReg, ar_select_order

    options = {"trend": "ct", "seasonal": True, "period": YEAR}
    lags = ar_select_order(y[:fitted], maxlag=24, ic="aic", **options).ar_lags
    parameters = AutoReg(y[:fitted], lags, **options).fit().params

    def forecast(origins: np.ndarray) -> np.ndarray:
        return np.stack(
            [AutoReg(y[:o], lags, **options).predict(parameters, start=o, end=o + HORIZON - 1) for o in origins]
        )

    return forecast


def autoregressive_differences(y: np.ndarray, fitted: int) -> Forecast:
    """Autoregression of the differences to the year before, of the order with the smallest AIC up to 36."""
    from statsmodels.tsa.ar_model import AutoReg, ar_select_order

    growth = y[YEAR:] - y[:-YEAR]
    lags = ar_select_order(growth[: fitted - YEAR], maxlag=36, ic="aic", trend="c").ar_lags
    parameters = AutoReg(growth[: fitted - YEAR], lags, trend="c").fit().params

    def forecast(origins: np.ndarray) -> np.ndarray:
        forecasts = []
        for o in origins:
            at = o - YEAR
            ahead = AutoReg(growth[:at], lags, trend="c").predict(parameters, start=at, end=at + HORIZON - 1)
            forecasts.append(y[o - YEAR : o] + ahead)
        return np.stack(forecasts)

    return forecast


# ---------------------------------------------------------------------- the network
@dataclass(frozen=True)
class Candidate:
    """One configuration: the months that the network reads, its units, and its training."""

    steps: int
    units: int
    epochs: int
    weight_decay: float


CANDIDATES = [
    Candidate(24, 8, 20, 0.1),
    Candidate(24, 8, 40, 0.1),
    Candidate(24, 8, 80, 0.1),
    Candidate(24, 4, 20, 1.0),
    Candidate(36, 4, 20, 1.0),
    Candidate(36, 8, 20, 1.0),
    Candidate(36, 16, 20, 1.0),
    Candidate(48, 4, 20, 1.0),
]
#: The one with the smallest error over all twelve months (--choose).
CHOSEN = CANDIDATES[7]


@dataclass(frozen=True)
class Scale:
    """Centres and scales the growth over a year, by its mean and deviation in the fitted months."""

    mean: float
    deviation: float

    @classmethod
    def of(cls, y: np.ndarray, fitted: int) -> Scale:
        """Computed from the first ``fitted`` months."""
        growth = y[YEAR:fitted] - y[: fitted - YEAR]
        return cls(float(growth.mean()), float(growth.std()))

    def growth(self, y: np.ndarray) -> np.ndarray:
        """The scaled growth of all months after the first year."""
        return (y[YEAR:] - y[:-YEAR] - self.mean) / self.deviation


def features(growth: np.ndarray) -> np.ndarray:
    """The features of each month: the growth over a year, and its change since the month before."""
    return np.stack([growth[1:], np.diff(growth)], axis=1)


def fit(y: np.ndarray, fitted: int, candidate: Candidate, seed: int) -> Forecast:
    """A GRU that predicts how the growth will change from now in each of the next twelve months.

    Fitted on the first ``fitted`` months; its forecast is added to the same months of the year before.
    """
    scale = Scale.of(y, fitted)
    growth = scale.growth(y)
    inputs, targets, origins = windows(features(growth[: fitted - YEAR]), candidate.steps, horizon=HORIZON)
    now = growth[origins]  # of the last month of the window: ``features`` starts a month later than ``growth``
    g = Builder("co2")
    x = g.input("x", "time, batch, feature=2")
    h = GRU(2, candidate.units, None, returns="last", dtype="float32")(x, name="gru")
    model = Model(g.build(FullyConnected(candidate.units, HORIZON, dtype="float32")(h, name="ahead")))
    model.fit(
        inputs,
        targets[:, :, 0] - now[:, None],
        loss=MeanSquaredError(),
        optimizer=AdamW(0.01, weight_decay=candidate.weight_decay),
        epochs=candidate.epochs,
        batch_size=32,
        clip_norm=1.0,
        schedule="cosine",
        seed=seed,
        verbose=0,
    )

    def forecast(origins: np.ndarray) -> np.ndarray:
        months = features(growth)
        last = origins - YEAR  # positions in ``growth`` of the first unknown month
        read = np.stack([months[at - 1 - candidate.steps : at - 1] for at in last], axis=1)
        ahead = model.predict(read) + growth[last - 1][:, None]
        before = np.stack([y[o - YEAR : o] for o in origins])
        return before + scale.mean + scale.deviation * ahead

    return forecast


def mean_of(forecasts: list[Forecast]) -> Forecast:
    """The mean of several forecasts."""
    return lambda origins: np.mean([f(origins) for f in forecasts], axis=0)


# ---------------------------------------------------------------------- evaluation
def origins_between(years: np.ndarray, first: int, last: int) -> np.ndarray:
    """The months from which the next twelve are within these years."""
    inside = np.flatnonzero((years >= first) & (years <= last))
    return inside[: len(inside) - HORIZON + 1]


def errors(y: np.ndarray, forecast: Forecast, origins: np.ndarray) -> dict[str, float]:
    """Root mean square and mean absolute error in ppm, one and twelve months ahead, and over all twelve."""
    difference = forecast(origins) - np.stack([y[o : o + HORIZON] for o in origins])
    results = {}
    for name, part in (("1", difference[:, 0]), ("12", difference[:, -1]), ("1-12", difference)):
        results[f"RMSE {name}"] = float(np.sqrt(np.mean(part**2)))
        results[f"MAE {name}"] = float(np.mean(np.abs(part)))
    return results


def line(name: str, results: dict[str, float]) -> str:
    """A row of the table."""
    return f"{name:48}" + "".join(f"{value:10.3f}" for value in results.values())


def choose(y: np.ndarray, years: np.ndarray, seeds: int) -> None:
    """Print the errors of the baselines and all candidates over the spans before the test years."""

    def over_spans(make: Callable[[int], Forecast]) -> dict[str, float]:
        results = []
        for last in SPANS:
            fitted = int(np.flatnonzero(years == last)[-1]) + 1
            results.append(errors(y, make(fitted), origins_between(years, last + 1, last + 5)))
        return {
            key: float(
                np.sqrt(np.mean([r[key] ** 2 for r in results]))
                if "RMSE" in key
                else np.mean([r[key] for r in results])
            )
            for key in results[0]
        }

    print(header(f"{SPANS[0] + 1} to {LAST_SELECTION_YEAR}"))
    print(line("seasonal naive with drift", over_spans(lambda fitted: seasonal_drift(y))))
    print(line("AR with trend and months", over_spans(lambda fitted: autoregressive(y, fitted))))
    print(line("AR of yearly differences", over_spans(lambda fitted: autoregressive_differences(y, fitted))))
    for c in CANDIDATES:
        name = f"GRU {c.steps} months, {c.units} units, {c.epochs} epochs, decay {c.weight_decay}"
        results = over_spans(lambda fitted, c=c: mean_of([fit(y, fitted, c, seed) for seed in range(seeds)]))  # type: ignore[misc]
        print(line(name, results), flush=True)


def header(title: str) -> str:
    """The head of a table."""
    heads = [f"{kind} {ahead}" for ahead in ("1", "12", "1-12") for kind in ("RMSE", "MAE")]
    return f"{title + ', ppm':48}" + "".join(f"{head:>10}" for head in heads)


def compare(y: np.ndarray, years: np.ndarray, seeds: int, picture: Path | None) -> dict[str, dict[str, float]]:
    """Print the errors of all methods on the test years, and return them."""
    fitted = int(np.flatnonzero(years == LAST_SELECTION_YEAR)[-1]) + 1
    origins = origins_between(years, LAST_SELECTION_YEAR + 1, int(years[-1]))
    print(header(f"{LAST_SELECTION_YEAR + 1} to {years[-1]}, {len(origins)} origins"))
    networks = [fit(y, fitted, CHOSEN, seed) for seed in range(seeds)]
    forecasts: dict[str, Forecast] = {
        "seasonal naive": seasonal_naive(y),
        "seasonal naive with drift": seasonal_drift(y),
        "AR with trend and months": autoregressive(y, fitted),
        "AR of yearly differences": autoregressive_differences(y, fitted),
        f"GRU, mean of {seeds} seeds": mean_of(networks),
    }
    forecasts["mean of this GRU and AR of differences"] = mean_of(list(forecasts.values())[-2:])
    results = {}
    for name, forecast in forecasts.items():
        results[name] = errors(y, forecast, origins)
        print(line(name, results[name]), flush=True)
    single = [errors(y, network, origins) for network in networks]
    for kind, pick in (("min", min), ("median", statistics.median), ("max", max)):
        print(line(f"GRU, {kind} of the single seeds", {key: pick(r[key] for r in single) for key in single[0]}))
    if picture is not None:
        draw(y, years, origins, forecasts, picture)
    return results


def draw(y: np.ndarray, years: np.ndarray, origins: np.ndarray, forecasts: dict[str, Forecast], path: Path) -> None:
    """Plot the forecasts twelve months ahead and the measurements, if matplotlib is installed."""
    try:
        import matplotlib

        matplotlib.use("Agg")
        import matplotlib.pyplot as plt
    except ImportError:
        print("no plot: matplotlib is not installed")
        return
    names = list(forecasts)
    months = years[origins[0]] + (origins - origins[0] + HORIZON - 1) / YEAR
    figure, (above, below) = plt.subplots(2, 1, figsize=(9, 6), sharex=True, layout="constrained")
    actual = y[origins + HORIZON - 1]
    above.plot(months, actual, color="black", label="measured")
    for name in (names[1], names[3], names[4]):
        ahead = forecasts[name](origins)[:, -1]
        above.plot(months, ahead, linewidth=1, label=name)
        below.plot(months, ahead - actual, linewidth=1, label=name)
    below.axhline(0, color="black", linewidth=0.5)
    above.set(ylabel="CO2, ppm", title="twelve months ahead")
    below.set(ylabel="error, ppm", xlabel="year")
    above.legend()
    figure.savefig(path, dpi=120)
    print(f"picture: {path}")


def main(arguments: list[str] | None = None) -> None:
    """Compare the methods, or select the model."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--choose", action="store_true", help="the candidates on the validation years")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--picture", type=Path, help="file for a plot of the forecasts, such as co2.png")
    options = parser.parse_args(arguments)
    y, years = series()
    if options.choose:
        choose(y, years, options.seeds)
    else:
        compare(y, years, options.seeds, options.picture)


if __name__ == "__main__":
    main()
