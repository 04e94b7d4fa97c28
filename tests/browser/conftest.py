"""The pages that are opened in a browser."""

import pytest


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    """A :class:`helpers.pages.Site`."""
    pytest.importorskip("graphlay")
    from helpers.pages import Site

    made = Site(tmp_path_factory.mktemp("pages"))
    with made.servers:
        yield made
