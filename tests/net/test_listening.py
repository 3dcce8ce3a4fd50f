"""What listens for connections, at its end."""

from __future__ import annotations

import pytest
import trio
from multiaddr import Multiaddr

from onmeet_node.net.libp2p.listening import Listener, TcpTransport

pytestmark = pytest.mark.real


async def test_who_asks_a_listener_whose_socket_is_just_closed_gets_no_address() -> None:
    async def handler(_: object) -> None:
        await trio.lowlevel.checkpoint()

    listener = TcpTransport().create_listener(handler)
    assert isinstance(listener, Listener)
    async with trio.open_nursery() as nursery:
        listener.background_nursery = nursery
        await listener.listen(Multiaddr("/ip4/127.0.0.1/tcp/0"))
        (address,) = listener.get_addrs()
        assert str(address).startswith("/ip4/127.0.0.1/tcp/")
        socket = listener._socket
        assert socket is not None
        socket.socket.close()
        assert listener.get_addrs() == ()
        await listener.close()
    assert listener.get_addrs() == ()
