"""One side of a mailbox at a bootstrap, where two who know a spoken code meet."""

from __future__ import annotations

import trio

from onmeet_node.net.errors import BootstrapRefused, MailboxRefused, RelayUnavailable, StreamRefused
from onmeet_node.net.libp2p.open_host import Host
from onmeet_node.net.libp2p.streams import Stream
from onmeet_node.protocol.errors import RemoteProtocolError
from onmeet_node.protocol.wire.bootstrap_api import Refused
from onmeet_node.protocol.wire.frames import FrameDecoder, encode_frame
from onmeet_node.protocol.wire.mailbox import (
    MAILBOX_PROTOCOL,
    MAX_FRAME_BYTES,
    EnterMailbox,
    MailboxAnswer,
    MailboxEnd,
    MailboxEnded,
    MailboxEntered,
    MailboxLetter,
    MailboxOpened,
    MailboxRequest,
    OpenMailbox,
    decode_answer,
    encode_request,
)
from onmeet_node.protocol.wire.messages import Unknown

ANSWER_SECONDS = 10.0


class MailboxSide:
    """Our stream to a mailbox. Made by `open_mailbox` and `enter_mailbox`; `leave` ends it."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._decoder = FrameDecoder(MAX_FRAME_BYTES)
        self._waiting: list[bytes] = []
        self.bootstrap = stream.peer_id
        self.nameplate = 0
        self.seconds = 0
        """How long it lasts, of one that we opened."""

    async def send(self, body: bytes) -> None:
        """Puts a letter in; whether the mailbox still is, `receive` says."""
        await self._say(MailboxLetter(body=body))

    async def entered(self) -> MailboxEnd | None:
        """Returns once there are two: None; or why there never will be."""
        answer = await self._hear()
        match answer:
            case MailboxEntered():
                return None
            case MailboxEnded(reason=reason):
                return reason
            case _:
                return MailboxEnd.BROKEN

    async def receive(self) -> bytes | MailboxEnd:
        """The next letter, or why there is no other."""
        while True:
            match await self._hear():
                case MailboxLetter(body=body):
                    return body
                case MailboxEnded(reason=reason):
                    return reason
                case None:
                    return MailboxEnd.LEFT
                case Unknown():
                    continue
                case _:
                    return MailboxEnd.BROKEN

    async def leave(self) -> None:
        """Ends our side in order: what was put in before is still given to the other."""
        await self._stream.aclose()

    def abort(self) -> None:
        """Ends it at once."""
        self._stream.abort()

    async def ask(self, request: MailboxRequest) -> None:
        """The first word. Raises `MailboxRefused`, BootstrapRefused, RelayUnavailable."""
        with trio.move_on_after(ANSWER_SECONDS) as limit:
            await self._say(request)
            answer = await self._hear()
        if limit.cancelled_caught or answer is None:
            raise RelayUnavailable("it does not answer")
        match answer:
            case MailboxOpened(nameplate=nameplate, seconds=seconds):
                self.nameplate, self.seconds = nameplate, seconds
            case MailboxEntered():
                pass
            case Refused(reason=reason):
                raise MailboxRefused(reason)
            case _:
                raise BootstrapRefused("it does not say what it was asked")

    async def _say(self, request: MailboxRequest) -> None:
        try:
            await self._stream.send_all(encode_frame(encode_request(request)))
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return  # what is heard next says so

    async def _hear(self) -> MailboxAnswer | None:
        try:
            while not self._waiting:
                data = await self._stream.receive_some()
                if not data:
                    return None
                self._waiting += self._decoder.feed(data)
            return decode_answer(self._waiting.pop(0))
        except RemoteProtocolError as error:
            raise BootstrapRefused("it does not speak our protocol") from error
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return None


async def open_mailbox(host: Host, bootstrap: str, nameplate: int = 0) -> MailboxSide:
    """A mailbox of ours. Raises as `MailboxSide.ask`, and PeerUnreachable."""
    return await _first_word(host, bootstrap, OpenMailbox(nameplate=nameplate))


async def enter_mailbox(host: Host, bootstrap: str, nameplate: int) -> MailboxSide:
    """Comes in as the second side. Raises as `open_mailbox`."""
    return await _first_word(host, bootstrap, EnterMailbox(nameplate=nameplate))


async def _first_word(host: Host, bootstrap: str, request: MailboxRequest) -> MailboxSide:
    try:
        stream = await host.open_stream(bootstrap, MAILBOX_PROTOCOL)
    except StreamRefused as error:
        raise RelayUnavailable("it opened no stream for a mailbox") from error
    side = MailboxSide(stream)
    try:
        await side.ask(request)
    except BaseException:
        stream.abort()
        raise
    return side
