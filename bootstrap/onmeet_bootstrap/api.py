"""`/onmeet/boot/1`: what a bootstrap answers when nodes ask it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import trio
from nacl.signing import SigningKey

from onmeet_bootstrap.config.model import BootstrapConfig
from onmeet_bootstrap.errors import Exhausted, TokenNotTaken
from onmeet_bootstrap.limits import Caps, Quota
from onmeet_bootstrap.receipts import Receipts
from onmeet_bootstrap.turn.lending import Lender
from onmeet_node.net.libp2p.open_host import Host
from onmeet_node.net.libp2p.remote_address import prefix_of
from onmeet_node.net.libp2p.streams import Stream
from onmeet_node.net.rates import RateLimit
from onmeet_node.protocol.errors import RemoteProtocolError
from onmeet_node.protocol.wire.bootstrap_api import (
    MAX_FRAME_BYTES,
    PROTOCOL,
    Answer,
    Describe,
    Description,
    DialBack,
    DialedBack,
    Echo,
    LendTurn,
    Limits,
    Observed,
    Refused,
    Settle,
    SignedDescription,
    Transport,
    TurnCredentials,
    decode_request,
    encode_answer,
    sign_description,
)
from onmeet_node.protocol.wire.frames import FrameDecoder, encode_frame
from onmeet_node.protocol.wire.messages import Unknown
from onmeet_node.protocol.wire.vocabulary import BootstrapService

if TYPE_CHECKING:
    from onmeet_bootstrap.tokens.redeeming import Redeemer

CONVERSATION_LIMIT = 15.0
"""Seconds one stream may last; questions and answers are short."""
QUESTIONS_PER_STREAM = 8
STREAMS_PER_PEER = 4
DESCRIPTION_SECONDS = 6 * 3600
"""How long a signed description is valid: a bootstrap that moved is soon known to have."""
RESIGN_SECONDS = 30
"""A description is signed once for all who ask within this time. Nodes see a clock of ours in it
alone, and tell a wrong one of theirs by it."""
DIAL_BACKS = Caps(total=32, per_prefix=4, per_peer=1)
"""At the same time; each takes a socket and up to `host.DIAL_BACK_SECONDS`."""


class BootstrapApi:
    """Answers questions, so many per PeerId and per network."""

    def __init__(
        self,
        host: Host,
        config: BootstrapConfig,
        *,
        address_of: Callable[[Stream], str | None],
        dial_back: Callable[[Stream, str, DialBack], Awaitable[bool]],
        lender: Lender | None = None,
        redeemer: Redeemer | None = None,
        policy_version: int = 0,
        clock: Callable[[], float] = trio.current_time,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._config = config
        self._address_of = address_of
        self._connected = host.connected
        self._dial_back = dial_back
        self._dial_backs = Quota(DIAL_BACKS, "dial-backs")
        self._lender = lender
        self.redeemer = redeemer
        """What takes tokens for TURN; None: it is lent to anybody."""
        self._policy_version = policy_version
        self._wall_clock = wall_clock
        self._key = SigningKey(config.seed)
        self._peers = RateLimit(config.request_rate, clock)
        self._networks = RateLimit(config.network_rate, clock)
        self._signed: SignedDescription | None = None
        self._signed_at = 0.0
        self.receipts = Receipts(self._sign, connected=host.connected, wall_clock=wall_clock)
        self.holders: list[Callable[[str], int]] = []
        """Each tells how much it has open for a node now."""
        host.handle(PROTOCOL, self.serve, limit=STREAMS_PER_PEER, timeout=CONVERSATION_LIMIT)

    @property
    def limits(self) -> tuple[RateLimit, RateLimit]:
        """What remembers who asked: by PeerId, and by network."""
        return self._peers, self._networks

    @property
    def borrowers(self) -> int:
        """Entries about nodes that borrow TURN, and are connected."""
        return len(self._lender) if self._lender is not None else 0

    @property
    def dial_backs(self) -> int:
        """How many are under way."""
        return self._dial_backs.held

    async def serve(self, stream: Stream) -> None:
        """Answers the questions of one stream, in order, until it ends or breaks a rule."""
        decoder = FrameDecoder(MAX_FRAME_BYTES)
        left = QUESTIONS_PER_STREAM
        with contextlib.suppress(RemoteProtocolError, trio.BrokenResourceError):
            while left and (data := await stream.receive_some()):
                for frame in decoder.feed(data):
                    if not left:
                        return
                    left -= 1
                    answer = await self._answer(stream, frame)
                    await stream.send_all(encode_frame(encode_answer(answer)))

    async def _answer(self, stream: Stream, frame: bytes) -> Answer:
        network = prefix_of(self._address_of(stream))
        # A peer's own limit first: one that is over it must not use up its network's share.
        if not self._peers.allow(stream.peer_id) or not self._networks.allow(network):
            return Refused("busy", "Asked too often: ask again in a minute.")
        match decode_request(frame):
            case Describe():
                return self.description()
            case Echo():
                return self._observed(stream)
            case LendTurn() as question:
                if self._lender is None:
                    return Refused("unavailable", "This bootstrap lends no TURN: ask another one.")
                return self._lent(self._lender, stream, question)
            case Settle():
                held = sum(holder(stream.peer_id) for holder in self.holders)
                return self.receipts.settle(stream.peer_id, held)
            case DialBack() as question:
                return await self._dialed_back(stream, network, question)
            case Unknown():
                return Refused("unsupported", "This bootstrap does not know that question.")

    def _lent(
        self, lender: Lender, stream: Stream, question: LendTurn
    ) -> TurnCredentials | Refused:
        try:
            given = self._lend(lender, stream, question)
        except Exhausted as error:
            return Refused("exhausted", str(error))
        except TokenNotTaken as error:
            return Refused(error.reason, str(error))
        finally:
            if not self._connected(stream.peer_id):  # it left meanwhile, and was forgotten already
                lender.forget(stream.peer_id)
        self.receipts.lent(stream.peer_id)
        return given

    def _lend(self, lender: Lender, stream: Stream, question: LendTurn) -> TurnCredentials:
        """Marks a token as spent only once there is something for it."""
        address, guest = self._address_of(stream), question.guest
        if self.redeemer is None:
            return lender.lend(stream.peer_id, address, guest=guest)
        if question.token is None:
            self.redeemer.require_turn()
            lender.require_room(stream.peer_id)
            self.redeemer.take_free(prefix_of(address))
            return lender.lend(stream.peer_id, address, guest=guest)
        claim = self.redeemer.examine(question.token)
        if claim.again is not None:
            return claim.again
        if claim.door:
            raise TokenNotTaken("token-spent", "That token was spent here for a door.")
        self.redeemer.require_turn()
        given = lender.lend(stream.peer_id, address, guest=guest)
        self.redeemer.spend(claim, given)
        return given

    def _observed(self, stream: Stream) -> Observed | Refused:
        address = self._address_of(stream)
        if address is None:
            return Refused("unavailable", "The address of this connection cannot be told.")
        return Observed(address=_multiaddr(address))

    async def _dialed_back(
        self, stream: Stream, network: str, question: DialBack
    ) -> DialedBack | Refused:
        address = self._address_of(stream)
        if address is None:
            return Refused("unavailable", "The address of this connection cannot be told.")
        try:
            with self._dial_backs.holding(stream.peer_id, network):
                reachable = await self._dial_back(stream, address, question)
        except Exhausted:
            return Refused("busy", "Too many want to be dialled: ask again in a minute.")
        websocket = "/ws" if question.transport is Transport.WEBSOCKET else ""
        where = f"{_multiaddr(address)}/tcp/{question.port}{websocket}"
        return DialedBack(reachable=reachable, address=where)

    def description(self) -> SignedDescription:
        """Who we are, freshly signed at most `RESIGN_SECONDS` ago."""
        now = self._wall_clock()
        if self._signed is None or not 0 <= now - self._signed_at < RESIGN_SECONDS:
            self._signed = sign_description(self._describe(int(now)), self._sign)
            self._signed_at = now
        return self._signed

    def _describe(self, now: int) -> Description:
        return Description(
            operator=self._config.operator,
            region=self._config.region,
            services=(
                BootstrapService.DHT,
                BootstrapService.RELAY,
                BootstrapService.MAILBOX,
                *((BootstrapService.TURN,) if self._lender is not None else ()),
                *((BootstrapService.GUESTS,) if self._config.guests.serve else ()),
            ),
            policy_version=self._policy_version,
            limits=Limits(
                reservations=1,
                circuit_seconds=int(self._config.circuit_seconds),
                circuit_bytes=self._config.circuit_bytes,
                questions_per_minute=int(self._config.requests_per_minute),
            ),
            tokens=self.redeemer.terms() if self.redeemer is not None else None,
            issued=now,
            not_after=now + DESCRIPTION_SECONDS,
        )

    def facts(self) -> dict[str, object]:
        """The same for browsers, unsigned: what a page says of who runs the server."""
        described = self._describe(0)
        return {
            "operator": described.operator,
            "region": described.region,
            "services": list(described.services),
            "policy_version": described.policy_version,
        }

    def _sign(self, message: bytes) -> bytes:
        return self._key.sign(message).signature


def _multiaddr(address: str) -> str:
    return f"/ip{6 if ':' in address else 4}/{address}"
