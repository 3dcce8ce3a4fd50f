"""Asks a bootstrap as nodes do."""

from __future__ import annotations

import time

from onmeet_bootstrap.app import Bootstrap

from onmeet_node.net.bootstraps.bootstraps import ask_description
from onmeet_node.net.libp2p.open_host import Host
from onmeet_node.protocol.wire.bootstrap_api import (
    PROTOCOL,
    Answer,
    Description,
    Request,
    decode_answer,
    encode_request,
    open_description,
)
from onmeet_node.protocol.wire.frames import encode_frame


async def ask(node: Host, peer: str, request: Request) -> Answer:
    """One question and its answer."""
    stream = await node.open_stream(peer, PROTOCOL)
    await stream.send_all(encode_frame(encode_request(request)))
    await stream.send_eof()
    return decode_answer(b"".join([data async for data in stream])[4:])


async def description(node: Host, bootstrap: Bootstrap) -> Description:
    """What it says of itself."""
    signed, _ = await ask_description(node, bootstrap.peer_id)
    return open_description(signed, bootstrap.peer_id, now=int(time.time()))
