"""The `lab` fixture: an internet of one's own, or a skip that says why there is none."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests import requirements
from tests.netlab.lab import Lab, missing, open_lab
from tests.netlab.switch import missing_for_switch

REQUIRED = ("ONMEET_REQUIRE_NETLAB", requirements.REQUIRE_ALL)


def need(reason: str | None) -> None:
    """Skips for this reason; where the lab is required (in CI), fails instead."""
    requirements.need(reason, *REQUIRED)


@pytest.fixture(scope="session")
def lab_possible() -> None:
    need(missing())


@pytest.fixture
def lab(lab_possible: None) -> Iterator[Lab]:
    """A lab with a fast segment."""
    with open_lab() as opened:
        yield opened


@pytest.fixture
def slow_lab(lab_possible: None) -> Iterator[Lab]:
    """A lab whose segment can be given delay and loss with `set`."""
    need(missing_for_switch())
    with open_lab(switch=True) as opened:
        yield opened
