"""Names are found as other programs of this machine find them."""

from __future__ import annotations

import pytest
import trio

from onmeet_node.net.errors import PeerUnreachable
from onmeet_node.net.libp2p.open_host import HostConfig, open_host
from tests.fakes.hosts import config

pytestmark = pytest.mark.real


@pytest.mark.parametrize("kind", ["dns", "dns4"])
async def test_a_name_that_only_the_hosts_file_knows_leads_there(kind: str) -> None:
    async with (
        open_host(HostConfig(listen=("/ip4/127.0.0.1/tcp/0",))) as server,
        open_host(config()) as client,
    ):
        address = server.addresses[0].replace("/ip4/127.0.0.1", f"/{kind}/localhost")
        with trio.fail_after(30):
            assert await client.connect([address]) == server.peer_id


async def test_a_name_that_nobody_knows_is_said_to_be_unknown() -> None:
    async with open_host(config()) as server, open_host(config()) as client:
        tail = server.addresses[0].partition("/tcp/")[2]
        with trio.fail_after(60), pytest.raises(PeerUnreachable, match="Name or service not known"):
            await client.connect([f"/dns4/nobody.invalid/tcp/{tail}"])
