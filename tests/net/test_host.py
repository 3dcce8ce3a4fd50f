"""Two real hosts: what the layers above rely on."""

import trio

from onmeet_node.net.host import HostConfig, open_host
from onmeet_node.net.streams import Stream

LOCAL = ("/ip4/127.0.0.1/tcp/0",)
BOTH = ("/ip4/127.0.0.1/tcp/0", "/ip4/127.0.0.1/tcp/0/ws")
ECHO = "/test/echo/1"


async def echo(stream: Stream) -> None:
    async for data in stream:
        await stream.send_all(data)


async def test_bytes_sent_come_back_over_tcp_and_websocket():
    with trio.fail_after(20):
        async with open_host(HostConfig(listen=BOTH)) as server, open_host(HostConfig()) as client:
            server.handle(ECHO, echo)
            for address in server.addresses:
                assert await client.connect([address]) == server.peer_id
                stream = await client.open_stream(server.peer_id, ECHO)
                await stream.send_all(b"hello")
                assert await stream.receive_some() == b"hello"
                await stream.send_eof()
                assert await stream.receive_some() == b""
                await stream.aclose()
                await client.disconnect(server.peer_id)
