from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Iterator

import pytest

from onmeet_node.media.engine.endpoint import AiortcEndpoint, MediaSettings, open_endpoint
from tests.netlab.conftest import need
from tests.netlab.lab import Lab, missing, open_lab


@pytest.fixture
async def endpoint() -> AsyncIterator[AiortcEndpoint]:
    """An endpoint whose sessions send the test picture and tone."""
    async with open_endpoint(MediaSettings(source="test")) as opened:
        yield opened


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A UDP port of loopback at which nobody answers, though it is open."""
    with socket.socket(type=socket.SOCK_DGRAM) as deaf:
        deaf.bind(("127.0.0.1", 0))
        yield deaf.getsockname()[1]


@pytest.fixture
def lab() -> Iterator[Lab]:
    """An internet of one's own."""
    need(missing())
    with open_lab() as opened:
        yield opened
