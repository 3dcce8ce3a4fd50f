from collections.abc import AsyncIterator

import pytest

from tests.fakes.relay_world import RelayWorld, open_relay_world


@pytest.fixture
async def world() -> AsyncIterator[RelayWorld]:
    async with open_relay_world() as opened:
        yield opened
