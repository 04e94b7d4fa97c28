"""Every test draws the same random numbers, whatever ran before it; tests of pages share a browser."""

import pytest

import graphnet
from graphnet.testing.every_backend import every_backend as every_backend

MISSING = "no Chromium with chromedriver: pages are not tested in a browser"


@pytest.fixture(autouse=True)
def _seeded():
    graphnet.seed(0)


@pytest.fixture(scope="session")
def _browser():
    from helpers import browser

    if browser.CHROMIUM is None or browser.DRIVER is None:
        pytest.skip(MISSING)
    with browser.browser() as session:
        yield session


@pytest.fixture
def chromium(_browser):
    """A browser without network, one for all tests of a process; without Chromium the test is skipped."""
    _browser.call("/url", {"url": "about:blank"})
    _browser.errors(), _browser.requests()  # those of the test before
    return _browser


def pytest_terminal_summary(terminalreporter):
    """Say how many tests did not open a page, because skipped tests are easily overlooked."""
    skipped = [report for report in terminalreporter.stats.get("skipped", ()) if MISSING in str(report.longrepr)]
    if skipped:
        terminalreporter.write_line(f"{len(skipped)} tests were skipped: {MISSING}", yellow=True)
