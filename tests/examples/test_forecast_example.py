"""examples/forecast: what is known when, baselines in closed form, and a run; on a made-up series, without statsmodels."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.slow

pytest.importorskip("graphnet_recurrent")

PATH = Path(__file__).parents[2] / "examples" / "forecast" / "forecast.py"


@pytest.fixture(scope="module")
def forecast():
    spec = importlib.util.spec_from_file_location("forecast_example", PATH)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def made_up(months=180, seed=0):
    """A trend, seasons and a slow wave with noise, and the year of each month."""
    rng = np.random.default_rng(seed)
    t = np.arange(months)
    y = 300 + 0.1 * t + 3 * np.sin(2 * np.pi * t / 12) + np.sin(t / 25) + 0.1 * rng.standard_normal(months)
    return y, 1958 + t // 12


def test_origins_have_their_twelve_months_inside(forecast):
    _, years = made_up()
    origins = forecast.origins_between(years, 1965, 1967)
    assert years[origins[0]] == 1965 and years[origins[0] - 1] == 1964
    assert years[origins[-1] + 11] == 1967 and len(origins) == 36 - 11


def test_naive_forecasts_are_exact_on_trends(forecast):
    t = np.arange(120)
    seasons = np.tile(np.random.default_rng(1).standard_normal(12), 10)
    origins = np.arange(40, 100, 7)
    ahead = np.stack([np.arange(o, o + 12) for o in origins])
    np.testing.assert_allclose(forecast.seasonal_naive(seasons)(origins), seasons[ahead])
    np.testing.assert_allclose(forecast.seasonal_drift(seasons + 0.5 * t)(origins), (seasons + 0.5 * t)[ahead])


def test_errors_are_those_of_a_loop(forecast):
    y, _ = made_up()
    origins = np.array([50, 90])
    made = np.random.default_rng(2).standard_normal((2, 12))
    result = forecast.errors(y, lambda o: np.stack([y[i : i + 12] for i in o]) + made, origins)
    assert np.isclose(result["RMSE 1"], np.sqrt((made[0, 0] ** 2 + made[1, 0] ** 2) / 2))
    assert np.isclose(result["MAE 12"], (abs(made[0, 11]) + abs(made[1, 11])) / 2)
    assert np.isclose(result["RMSE 1-12"], np.sqrt(sum(v * v for row in made for v in row) / 24))


def test_forecast_ignores_later_values(forecast):
    y, _ = made_up()
    candidate = forecast.Candidate(24, 4, 2, 0.1)
    changed = y.copy()
    changed[150:] += 1000 * np.random.default_rng(3).standard_normal(30)
    for make in (
        lambda y: forecast.fit(y, 150, candidate, 0),
        lambda y: forecast.seasonal_drift(y),
        lambda y: forecast.seasonal_naive(y),
    ):
        origins = np.array([120, 149, 150])
        np.testing.assert_array_equal(make(y)(origins), make(changed)(origins))
    assert forecast.Scale.of(y, 150) == forecast.Scale.of(changed, 150)


def test_autoregressions_ignore_later_values(forecast):
    pytest.importorskip("statsmodels")
    y, _ = made_up()
    changed = y.copy()
    changed[150:] += 1000.0
    for make in (forecast.autoregressive, forecast.autoregressive_differences):
        origins = np.array([140, 150])
        np.testing.assert_array_equal(make(y, 150)(origins), make(changed, 150)(origins))


def test_the_network_learns_what_a_wave_adds(forecast):
    y, years = made_up(300)
    fitted = int(np.flatnonzero(years == 1976)[-1]) + 1
    origins = forecast.origins_between(years, 1977, 1981)
    networks = [forecast.fit(y, fitted, forecast.Candidate(24, 8, 30, 0.1), seed) for seed in range(2)]
    ours = forecast.errors(y, forecast.mean_of(networks), origins)
    drift = forecast.errors(y, forecast.seasonal_drift(y), origins)
    naive = forecast.errors(y, forecast.seasonal_naive(y), origins)
    assert ours["RMSE 12"] < drift["RMSE 12"]
    assert ours["RMSE 12"] < 0.3 * naive["RMSE 12"]
    one = forecast.errors(y, networks[0], origins)
    again = forecast.fit(y, fitted, forecast.Candidate(24, 8, 30, 0.1), 0)
    assert forecast.errors(y, again, origins) == one


def test_the_chosen_one_is_a_candidate(forecast):
    assert forecast.CHOSEN in forecast.CANDIDATES


def test_the_tables_are_printed(forecast, capsys, monkeypatch, tmp_path):
    pytest.importorskip("statsmodels")
    y, years = made_up(300)
    monkeypatch.setattr(forecast, "LAST_SELECTION_YEAR", 1978)
    monkeypatch.setattr(forecast, "CHOSEN", forecast.Candidate(12, 2, 1, 0.1))
    picture = tmp_path / "forecast.png" if importlib.util.find_spec("matplotlib") else None
    result = forecast.compare(y, years, 2, picture)
    lines = capsys.readouterr().out.splitlines()
    assert len(result) == 6 and len(lines) == 1 + 6 + 3 + (picture is not None)
    assert picture is None or picture.stat().st_size > 10_000
