"""One question to a connected bootstrap over `/onmeet/boot/1`, and its answer."""

from __future__ import annotations

from typing import TypeVar

import trio

from onmeet_node.net.errors import (
    BootstrapRefused,
    NoBootstrap,
    RelayUnavailable,
    StreamRefused,
    TokenRefused,
)
from onmeet_node.net.libp2p.open_host import Host
from onmeet_node.net.libp2p.streams import Stream
from onmeet_node.protocol.errors import RemoteProtocolError
from onmeet_node.protocol.wire.bootstrap_api import (
    MAX_FRAME_BYTES,
    PROTOCOL,
    Describe,
    Refused,
    Request,
    SignedDescription,
    decode_answer,
    encode_request,
)
from onmeet_node.protocol.wire.frames import FrameDecoder, encode_frame

A = TypeVar("A")

_WHY = {
    "unavailable": "it does not offer that",
    "unsupported": "it is older and cannot do that",
    "exhausted": "it has lent all that it lends at a time, to this node or to everybody together; "
    "it will be asked again",
}


async def ask(host: Host, peer: str, request: Request, expected: type[A]) -> A:
    """The answer to one question, waited for as long as the caller lets it.

    Raises BootstrapRefused if the peer is no bootstrap, PeerUnreachable, TokenRefused, or
    RelayUnavailable with its reason.
    """
    return await _exchange(await _question(host, peer), request, expected)


async def ask_description(host: Host, peer: str) -> tuple[SignedDescription, float]:
    """What a connected bootstrap says of itself, unchecked, and the seconds a round trip took.

    Raises as `ask`.
    """
    stream = await _question(host, peer)
    # Opening a stream costs a negotiation, which is not counted.
    asked = trio.current_time()
    answer = await _exchange(stream, Describe(), SignedDescription)
    return answer, trio.current_time() - asked


async def _question(host: Host, peer: str) -> Stream:
    try:
        return await host.open_stream(peer, PROTOCOL)
    except StreamRefused as error:
        if error.unknown:
            raise NoBootstrap("it is no On-Meet bootstrap") from error
        raise RelayUnavailable("it opened no stream for a question") from error


async def _exchange(stream: Stream, request: Request, expected: type[A]) -> A:
    try:
        await stream.send_all(encode_frame(encode_request(request)))
        answer = decode_answer(await _frame(stream))
    except RemoteProtocolError as error:
        raise BootstrapRefused("it does not speak our protocol") from error
    except (EOFError, trio.BrokenResourceError):
        raise RelayUnavailable("it closed the request") from None
    finally:
        stream.abort()
    if isinstance(answer, Refused) and answer.reason.startswith("token-"):
        raise TokenRefused(answer.reason)
    if isinstance(answer, Refused):
        raise RelayUnavailable(_WHY.get(answer.reason, "it asks us to come back later"))
    if not isinstance(answer, expected):
        raise BootstrapRefused("it does not say what it was asked")
    return answer


async def _frame(stream: Stream) -> bytes:
    decoder = FrameDecoder(MAX_FRAME_BYTES)
    while data := await stream.receive_some():
        for frame in decoder.feed(data):
            return frame
    raise EOFError
