from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from onmeet_node.media.aiortc_endpoint import AiortcEndpoint, MediaSettings, open_endpoint


@pytest.fixture
async def endpoint() -> AsyncIterator[AiortcEndpoint]:
    """An endpoint whose sessions send the test picture and tone."""
    async with open_endpoint(MediaSettings(source="test")) as opened:
        yield opened
