"""Mailboxes where the two sides of a spoken code meet: `/onmeet/mailbox/1`. In memory alone.

A mailbox is two streams and a number, lasts as long as both streams and ten minutes at most, and
passes on a few sealed bytes. Whoever comes third ends it, and both sides are told.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable

import trio

from onmeet_bootstrap.errors import Exhausted
from onmeet_bootstrap.limits import Caps, Quota
from onmeet_node.net.libp2p.open_host import Host
from onmeet_node.net.libp2p.remote_address import prefix_of
from onmeet_node.net.libp2p.streams import Stream
from onmeet_node.net.rates import AllowedRate, RateLimit
from onmeet_node.protocol.errors import RemoteProtocolError
from onmeet_node.protocol.wire.bootstrap_api import Refused
from onmeet_node.protocol.wire.frames import FrameDecoder, encode_frame
from onmeet_node.protocol.wire.mailbox import (
    MAILBOX_PROTOCOL,
    MAILBOX_SECONDS,
    MAX_FRAME_BYTES,
    MAX_LETTERS,
    MAX_NAMEPLATE,
    EnterMailbox,
    MailboxAnswer,
    MailboxEnd,
    MailboxEnded,
    MailboxEntered,
    MailboxLetter,
    MailboxOpened,
    MailboxRequest,
    OpenMailbox,
    decode_request,
    encode_answer,
)

MOST = 512
"""Mailboxes at once."""
MOST_PER_NODE = 2
"""And so many times `network_factor` of one network."""
STREAMS_PER_PEER = 4
TRIES = AllowedRate(per_minute=6, burst=6)
"""Of a node, to open a mailbox or to enter one: a try to enter may cost somebody their
code. A network has `network_factor` times as many."""
ASK_SECONDS = 10.0
LAST_WORDS_SECONDS = 1.0
"""For the end to be told."""


class NoSuchMailbox(Exception):
    """No mailbox waits under this number; or there were two in it, and it is no more."""


class NameplateTaken(Exception):
    """Another mailbox has this number."""


class Mailbox:
    """A number, and what its sides wait for."""

    def __init__(self, nameplate: int) -> None:
        self.nameplate = nameplate
        self.sides = 1
        self.ended = trio.Event()
        self.reason = MailboxEnd.LEFT

    def end(self, reason: MailboxEnd) -> None:
        """It is over; the first reason stands."""
        if not self.ended.is_set():
            self.reason = reason
            self.ended.set()


class Nameplates:
    """Which numbers are in use, and who may come in by them."""

    def __init__(self, choose: Callable[[range], int]) -> None:
        """`choose` draws one of these numbers, evenly and so that nobody can foresee it."""
        self._choose = choose
        self._open: dict[int, Mailbox] = {}

    def __len__(self) -> int:
        return len(self._open)

    def open(self, wanted: int) -> Mailbox:
        """A mailbox under this number; 0: under one of the shortest numbers that are free.

        Raises `NameplateTaken`.
        """
        if wanted in self._open:
            raise NameplateTaken
        nameplate = wanted or self._free()
        mailbox = self._open[nameplate] = Mailbox(nameplate)
        return mailbox

    def _free(self) -> int:
        low = 1
        while True:
            span = range(low, min(10 * low, MAX_NAMEPLATE + 1))
            free = [number for number in span if number not in self._open]
            # Half of them stay free, so that what is drawn cannot be foreseen.
            if 2 * len(free) > len(span) or (free and span.stop > MAX_NAMEPLATE):
                return free[self._choose(range(len(free)))]
            if span.stop > MAX_NAMEPLATE:
                raise Exhausted("All mailboxes are in use; try again later or another bootstrap.")
            low *= 10

    def enter(self, nameplate: int) -> Mailbox:
        """The second side comes in. A third ends the mailbox. Raises `NoSuchMailbox`."""
        mailbox = self._open.get(nameplate)
        if mailbox is None or mailbox.ended.is_set():
            raise NoSuchMailbox
        mailbox.sides += 1
        if mailbox.sides > 2:
            mailbox.end(MailboxEnd.CROWDED)
        return mailbox

    def close(self, mailbox: Mailbox) -> None:
        """Its opener is gone: so is the number."""
        mailbox.end(MailboxEnd.LEFT)
        if self._open.get(mailbox.nameplate) is mailbox:
            del self._open[mailbox.nameplate]


class _Pair:
    """The streams of a mailbox."""

    def __init__(self, opener: Stream) -> None:
        self.opener = opener
        self.other: Stream | None = None

    def across(self, stream: Stream) -> Stream | None:
        """The other side's; None while there is none."""
        return self.other if stream is self.opener else self.opener


class Mailboxes:
    """Serves `/onmeet/mailbox/1`."""

    def __init__(
        self,
        host: Host,
        *,
        address_of: Callable[[Stream], str | None],
        network_factor: float,
        clock: Callable[[], float] = trio.current_time,
        seconds: float = MAILBOX_SECONDS,
    ) -> None:
        self._address_of = address_of
        self._seconds = seconds
        per_network = min(MOST, int(MOST_PER_NODE * network_factor))
        self._quota = Quota(Caps(MOST, per_network, MOST_PER_NODE), "mailboxes")
        self._peers = RateLimit(TRIES, clock)
        tries = AllowedRate(TRIES.per_minute * network_factor, int(TRIES.burst * network_factor))
        self._networks = RateLimit(tries, clock)
        self._nameplates = Nameplates(secrets.choice)
        self._pairs: dict[Mailbox, _Pair] = {}
        host.handle(MAILBOX_PROTOCOL, self._serve, limit=STREAMS_PER_PEER)

    def __len__(self) -> int:
        return len(self._nameplates)

    @property
    def limits(self) -> tuple[RateLimit, RateLimit]:
        """What remembers who tried: by PeerId, and by network."""
        return self._peers, self._networks

    def held_by(self, peer: str) -> int:
        """How many mailboxes this node has open."""
        return self._quota.held_by(peer)

    async def _serve(self, stream: Stream) -> None:
        """One side, from what it asks to the end of its mailbox."""
        with contextlib.suppress(RemoteProtocolError, trio.BrokenResourceError):
            frames = _Frames(stream)
            request = None
            with trio.move_on_after(ASK_SECONDS):
                request = await frames.next()
            if request is None:
                return
            network = prefix_of(self._address_of(stream))
            if not self._peers.allow(stream.peer_id) or not self._networks.allow(network):
                await _say(stream, Refused("busy", "Asked too often: ask again in a minute."))
                return
            match request:
                case OpenMailbox(nameplate=wanted):
                    await self._open(stream, frames, network, wanted)
                case EnterMailbox(nameplate=nameplate):
                    await self._enter(stream, frames, nameplate)
                case _:
                    await _say(stream, Refused("unsupported", "Mailboxes are opened or entered."))

    async def _open(self, stream: Stream, frames: _Frames, network: str, wanted: int) -> None:
        try:
            with self._quota.holding(stream.peer_id, network):
                mailbox = self._nameplates.open(wanted)
                pair = self._pairs[mailbox] = _Pair(stream)
                try:
                    seconds = max(1, int(self._seconds))
                    opened = MailboxOpened(nameplate=mailbox.nameplate, seconds=seconds)
                    await _say(stream, opened)
                    await self._keep(stream, frames, mailbox, pair)
                finally:
                    self._nameplates.close(mailbox)
                    del self._pairs[mailbox]
        except NameplateTaken:
            await _say(stream, Refused("taken", "That number is in use here: take another one."))
        except Exhausted as error:
            await _say(stream, Refused("exhausted", str(error)[:200]))

    async def _enter(self, stream: Stream, frames: _Frames, nameplate: int) -> None:
        try:
            mailbox = self._nameplates.enter(nameplate)
        except NoSuchMailbox:
            await _say(stream, Refused("unknown", "Nobody waits under that number here."))
            return
        pair = self._pairs[mailbox]
        if mailbox.ended.is_set():
            await _say(stream, Refused("crowded", "Two were there: the code is used up."))
            return
        pair.other = stream
        try:
            # The opener first: no letter may come before it knows of the other side.
            with contextlib.suppress(trio.BrokenResourceError):
                await _say(pair.opener, MailboxEntered())
            await _say(stream, MailboxEntered())
            await self._keep(stream, frames, mailbox, pair)
        finally:
            mailbox.end(MailboxEnd.LEFT)

    async def _keep(self, stream: Stream, frames: _Frames, mailbox: Mailbox, pair: _Pair) -> None:
        """Passes on what this side puts in, until the mailbox ends; tells this side of the end."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._pass_on, stream, frames, mailbox, pair)
            with trio.move_on_after(self._seconds):
                await mailbox.ended.wait()
            mailbox.end(MailboxEnd.EXPIRED)
            nursery.cancel_scope.cancel()
        with trio.move_on_after(LAST_WORDS_SECONDS), contextlib.suppress(trio.BrokenResourceError):
            await _say(stream, MailboxEnded(reason=mailbox.reason))

    async def _pass_on(
        self, stream: Stream, frames: _Frames, mailbox: Mailbox, pair: _Pair
    ) -> None:
        left = MAX_LETTERS
        try:
            while (request := await frames.next()) is not None:
                other = pair.across(stream)
                if not isinstance(request, MailboxLetter) or other is None or not left:
                    mailbox.end(MailboxEnd.BROKEN)
                    return
                left -= 1
                await _say(other, request)
        except RemoteProtocolError:
            mailbox.end(MailboxEnd.BROKEN)
        except trio.BrokenResourceError:
            pass  # either side's stream: the mailbox is over all the same
        finally:
            mailbox.end(MailboxEnd.LEFT)


class _Frames:
    """The frames of a stream, one at a time."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._decoder = FrameDecoder(MAX_FRAME_BYTES)
        self._waiting: list[bytes] = []

    async def next(self) -> MailboxRequest | None:
        """The next one; None at the end of the stream."""
        while not self._waiting:
            data = await self._stream.receive_some()
            if not data:
                return None
            self._waiting += self._decoder.feed(data)
        return decode_request(self._waiting.pop(0))


async def _say(stream: Stream, answer: MailboxAnswer) -> None:
    await stream.send_all(encode_frame(encode_answer(answer)))
