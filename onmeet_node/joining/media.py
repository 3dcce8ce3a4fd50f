"""The media of a guest's one call: what the guest offered first, and what the host offers later."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import trio

from onmeet_node.joining.options import GuestOptions
from onmeet_node.media.endpoint import IceServer, MediaEndpoint, MediaSession, SessionConfig
from onmeet_node.media.engine.endpoint import open_endpoint
from onmeet_node.protocol.call.authentication import (
    NonceExchange,
    Nonces,
    StringAllowance,
    StringDoubt,
)
from onmeet_node.protocol.identity.safety import fingerprint_from_sdp, sas
from onmeet_node.protocol.wire import messages as m
from onmeet_node.protocol.wire.messages import NONCE_BYTES, CallId, Kind

KINDS = frozenset(Kind)


@dataclass(eq=False)
class MediaGeneration:
    """One exchange of descriptions, with the peer connection that it is for."""

    number: int
    session: MediaSession
    nonces: NonceExchange
    sdp: str = field(default="", repr=False)
    """Of our side."""
    peer_sdp: str = field(default="", repr=False)


class GuestMedia:
    """Generations of media, of which the greatest counts; one before lives until it connects.

    The guest offers once, as the caller; after that it takes what the host offers (PROTOCOL,
    "Calls").
    """

    def __init__(
        self, endpoint: MediaEndpoint, config: SessionConfig, call: CallId, binding: bytes
    ) -> None:
        """`binding`: of the authentication string, both keys of the line."""
        self._endpoint = endpoint
        self._config = config
        self._call = call
        self._binding = binding
        self._allowance = StringAllowance()
        self._live: list[MediaGeneration] = []

    @property
    def newest(self) -> MediaGeneration:
        """The one that counts."""
        return self._live[-1]

    async def _begin(self, number: int, *, ours: bool) -> MediaGeneration:
        session = await self._endpoint.open_session(self._config)
        nonces = NonceExchange(self._call, number, self._allowance, ours=ours)
        made = MediaGeneration(number, session, nonces)
        self._live.append(made)
        return made

    # ── our offer ───────────────────────────────────────────────────────────────────────────────
    async def offer(self) -> m.Invite:
        """The call, with our offer. Raises `MediaError`."""
        made = await self._begin(0, ours=True)
        made.sdp = await made.session.create_offer()
        made.nonces.offer(secrets.token_bytes(NONCE_BYTES))
        return m.Invite(
            call=self._call,
            kinds=tuple(Kind),
            sdp=made.sdp,
            commitment=made.nonces.commitment,
        )

    async def answered(self, answer: m.Answer) -> m.Reveal | None:
        """The host's answer to it: what is to be said. Raises `MediaError`."""
        ours = self._of(0)
        if ours is None:
            return None
        if ours.nonces.outcome is None:
            ours.nonces.answered(answer.nonce)
            ours.peer_sdp = answer.sdp
            await ours.session.accept_answer(answer.sdp)
            await ours.session.attach(KINDS)
        if ours.nonces.shown is None:
            return None
        return m.Reveal(call=self._call, generation=0, nonce=ours.nonces.shown)

    # ── the host's offers ───────────────────────────────────────────────────────────────────────
    async def offered(self, offer: m.Renegotiate) -> m.Answer | None:
        """A later offer of the host: the answer, also when it is said again. None: an older one.

        Raises `MediaError`; then what was there before goes on.
        """
        made = self._of(offer.generation)
        if made is None:
            if offer.generation <= self.newest.number:
                return None
            made = await self._begin(offer.generation, ours=False)
            try:
                made.nonces.offered(offer.commitment)
                made.peer_sdp = offer.sdp
                made.sdp = await made.session.accept_offer(offer.sdp)
                made.nonces.answer(secrets.token_bytes(NONCE_BYTES))
                await made.session.attach(KINDS)
            except BaseException:
                await self.give_up(made)
                raise
        return m.Answer(
            call=self._call, generation=made.number, sdp=made.sdp, nonce=made.nonces.shown
        )

    def revealed(self, reveal: m.Reveal) -> MediaGeneration | None:
        """The host's nonce for its offer: the generation that it is for, the first time."""
        made = self._of(reveal.generation)
        if made is None or made.nonces.outcome is not None:
            return None
        made.nonces.revealed(reveal.nonce)
        return made

    async def add_candidates(self, message: m.Candidates) -> None:
        """Trickled candidates, of whichever generation. Raises `MediaError`."""
        made = self._of(message.generation)
        if made is not None:
            await made.session.add_candidates(message.candidates, end=message.end)

    # ── what becomes of them ────────────────────────────────────────────────────────────────────
    async def connected(self, made: MediaGeneration) -> None:
        """Media flows: those before it are not needed any more."""
        for old in [one for one in self._live if one.number < made.number]:
            await self.give_up(old)

    async def give_up(self, made: MediaGeneration) -> None:
        """Closes it, unless it is the only one."""
        if made in self._live and len(self._live) > 1:
            self._live.remove(made)
            with trio.CancelScope(shield=True):
                await made.session.aclose()

    async def close(self) -> None:
        """Closes all."""
        for made in self._live:
            with trio.CancelScope(shield=True):
                await made.session.aclose()

    def string(self, made: MediaGeneration) -> str | StringDoubt | None:
        """The authentication string, or why there is none; None: not yet."""
        match made.nonces.outcome:
            case Nonces(offerer=first, answerer=second):
                offer, answer = (made.sdp, made.peer_sdp)
                if made.number > 0:
                    offer, answer = answer, offer
                certificates = fingerprint_from_sdp(offer), fingerprint_from_sdp(answer)
                return sas(self._binding, *certificates, (first, second))
            case doubt:
                return doubt

    def _of(self, number: int) -> MediaGeneration | None:
        return next((one for one in self._live if one.number == number), None)


@asynccontextmanager
async def open_guest_media(
    visitor: GuestOptions, admit: m.Admit, call: CallId, binding: bytes
) -> AsyncIterator[GuestMedia]:
    """The media of the one call, with the servers lent for it, while the block lasts."""
    config = SessionConfig(
        kinds=KINDS,
        ice_servers=tuple(IceServer(s.url, s.username, s.credential) for s in admit.servers),
        relay_only=visitor.relay_only,
        source=visitor.source,
        record=visitor.record,
    )
    async with open_endpoint() as endpoint:
        media = GuestMedia(endpoint, config, call, binding)
        try:
            yield media
        finally:
            await media.close()
