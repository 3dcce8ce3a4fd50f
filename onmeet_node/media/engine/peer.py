"""One aiortc peer connection with everything around it. All of it runs in the asyncio thread."""

from __future__ import annotations

import asyncio
import enum
import logging
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import aioice
import aiortc

from onmeet_node.media.endpoint import (
    ChatReceived,
    Connected,
    Failed,
    FrameCarried,
    MediaEvent,
    MediaStats,
    PathLost,
    SessionConfig,
)
from onmeet_node.media.engine import internals, sdp
from onmeet_node.media.engine.consent import BROKEN_CHANNEL
from onmeet_node.media.engine.data_channels import ChatChannel, FrameChannel
from onmeet_node.media.engine.guard import UNUSABLE, PacketGuard
from onmeet_node.media.engine.ice import IceAgent
from onmeet_node.media.engine.operations import SessionOperations, aio_finish
from onmeet_node.media.engine.recording import Recorders
from onmeet_node.media.engine.session_media import SessionMedia
from onmeet_node.media.errors import (
    BadDescription,
    GatheringFailed,
    MediaError,
    MediaMisuse,
)
from onmeet_node.media.frames import FrameFeed
from onmeet_node.media.ice_report import IceReport
from onmeet_node.process.faults import contained
from onmeet_node.protocol.room.send_limits import SendLimits
from onmeet_node.protocol.wire.messages import Candidate, Chat, Kind

log = logging.getLogger(__name__)

CONNECT_SECONDS = 20.0
"""From the answer to connected; ICE alone gives up after 30 s, and never without candidates."""
REMOTE_CLOSE_SECONDS = 1.0
"""A hang-up is usually on its way when the peer's connection closes; it tells more."""


@contextmanager
def _their_fault(what: str) -> Iterator[None]:
    """Whatever aiortc and aioice raise over what a peer sent is ours to say."""
    try:
        yield
    except MediaError:
        raise
    except OSError as error:
        raise GatheringFailed(
            f"This machine could not open what a call needs ({type(error).__name__}). Close other "
            "programs, and call again."
        ) from error
    except Exception as error:
        # aiortc raises anything from KeyError to AssertionError over descriptions.
        raise BadDescription(
            f"The peer's media {what} cannot be used ({type(error).__name__}). Its program may be "
            "too old or too new."
        ) from error


class _Phase(enum.Enum):
    """How far the exchange of descriptions is; there is one exchange per session."""

    NEW = "new"
    OFFERED = "waiting for the peer's answer"
    ANSWERED = "described already"


class Peer:
    """A peer connection from its making to its end.

    `emit` takes events; it must not block. Every ``aio_`` method but `aio_close` can be cancelled,
    and raises `MediaError`s.
    """

    def __init__(
        self,
        config: SessionConfig,
        *,
        source: str | FrameFeed,
        recorders: Recorders,
        emit: Callable[[MediaEvent], None],
    ) -> None:
        self._config = config
        self._emit = emit
        self._agents: list[IceAgent] = []
        self._chat: ChatChannel | None = None
        self._frames: FrameChannel | None = None
        self._phase = _Phase.NEW
        self._remote_types: tuple[str, ...] = ()
        self._operations = SessionOperations()
        self._ended = False
        self._timer: asyncio.TimerHandle | None = None
        configuration = aiortc.RTCConfiguration(
            # NOTE: an explicit empty list. None would mean Google's STUN server. Our own agent asks
            # the servers of the config.
            iceServers=[],
            bundlePolicy=aiortc.RTCBundlePolicy.MAX_BUNDLE,
        )
        self._guard = PacketGuard(self._fail)
        self._pc = internals.PeerConnection(
            configuration, self._make_agent, guard=self._guard.watch, connect=self._aio_connect
        )
        self._pc.on("connectionstatechange", self._on_state)
        try:
            self._media = SessionMedia(
                self._pc,
                config,
                source=source,
                recorders=recorders,
                guard=self._guard,
                emit=emit,
                alive=lambda: not self._operations.closing,
                round_trip=self._round_trip,
                unusable=self._unusable,
            )
            # NOTE: all transceivers before the data channel: otherwise aiortc 1.16 with
            # MAX_BUNDLE stays "new" for ever.
            for kind in sorted(config.kinds):
                self._media.add(kind)
        except BaseException:
            self._operations.begin(self._pc.close())
            raise

    def _make_agent(self, replaced: aioice.Connection) -> IceAgent:
        agent = IceAgent(
            replaced,
            self._config.ice_servers,
            relay_only=self._config.relay_only,
            on_path=self._on_path,
        )
        self._agents.append(agent)
        return agent

    # ── describing ───────────────────────────────────────────────────────────────────────────────
    async def aio_create_offer(self) -> str:
        """Gathers, and returns the offer."""
        return await self._operations.aio_do(self._aio_create_offer)

    def _enter(self, phase: _Phase, *, after: _Phase) -> None:
        if self._phase is not after:
            raise MediaMisuse(
                f"This session is {self._phase.value}, so this cannot be done now; open a new one."
            )
        self._phase = phase

    async def _aio_create_offer(self) -> str:
        self._enter(_Phase.OFFERED, after=_Phase.NEW)
        for kind in sorted(frozenset(Kind) - self._config.kinds):
            self._media.receive(kind)
        self._open_chat()
        await self._pc.setLocalDescription(await self._pc.createOffer())
        return self._local_description()

    async def aio_accept_offer(self, offer: str) -> str:
        """Takes the peer's offer, gathers, returns the answer; connecting begins."""
        return await self._operations.aio_do(self._aio_accept_offer, offer)

    async def _aio_accept_offer(self, offer: str) -> str:
        description = sdp.check_description(offer)
        if not self._config.kinds <= description.kinds:
            raise BadDescription(
                "The peer's media offer lacks a kind that the call has. Its program may be too old "
                "or too new."
            )
        self._enter(_Phase.ANSWERED, after=_Phase.NEW)
        with _their_fault("offer"):
            for kind in sorted(description.kinds - self._config.kinds):
                self._media.receive(kind)
            if description.has_data:
                self._open_chat()
            self._remote_types = description.candidate_types
            remote = aiortc.RTCSessionDescription(description.sdp, "offer")
            await self._pc.setRemoteDescription(remote)
            await self._pc.setLocalDescription(await self._pc.createAnswer())
        answer = self._local_description()
        self._expect_connection()
        return answer

    async def aio_accept_answer(self, answer: str) -> None:
        """Takes the peer's answer; connecting begins."""
        await self._operations.aio_do(self._aio_accept_answer, answer)

    async def _aio_accept_answer(self, answer: str) -> None:
        description = sdp.check_description(answer, answer=True)
        self._enter(_Phase.ANSWERED, after=_Phase.OFFERED)
        self._remote_types = description.candidate_types
        with _their_fault("answer"):
            remote = aiortc.RTCSessionDescription(description.sdp, "answer")
            await self._pc.setRemoteDescription(remote)
        self._expect_connection()

    def _local_description(self) -> str:
        if not any(agent.local_candidates for agent in self._agents):
            asked = [server for agent in self._agents for server in agent.asked]
            why = "; ".join(f"{server.kind}: {server.error}" for server in asked)
            if self._config.relay_only:
                raise GatheringFailed(
                    f"No TURN server gave us a relay ({why or 'none is known'}), and relay-only is "
                    "on. Try another bootstrap, check this machine's clock, or turn relay-only off."
                )
            raise GatheringFailed(
                f"This machine has no usable network address ({why or 'no interface is up'}). "
                "Connect it to a network."
            )
        text = self._pc.localDescription.sdp
        return sdp.keep_relay_candidates(text) if self._config.relay_only else text

    async def aio_add_candidates(self, candidates: Sequence[Candidate], end: bool) -> None:
        """Adds trickled candidates. After the end was said, more are ignored as late."""
        await self._operations.aio_do(self._aio_add_candidates, candidates, end)

    async def _aio_add_candidates(self, candidates: Sequence[Candidate], end: bool) -> None:
        usable = sdp.check_candidates(candidates)
        # Everything is bundled: the one agent takes all, whichever section they name.
        if self._agents:
            with _their_fault("candidates"):
                await self._agents[0].take_candidates(usable, end=end)

    # ── sending ──────────────────────────────────────────────────────────────────────────────────
    async def aio_attach(self, kinds: frozenset[Kind], config: SessionConfig | None = None) -> None:
        """Opens the sources of these kinds and sends them; `config` as in `MediaSession.attach`."""
        await self._operations.aio_do(self._aio_attach, kinds, config)

    async def _aio_attach(self, kinds: frozenset[Kind], config: SessionConfig | None) -> None:
        if config is not None:
            self._config = config
            await self._media.aio_change(config)
        await self._media.aio_attach(kinds)

    async def aio_mute(self, kind: Kind, muted: bool) -> None:
        """Stops or resumes sending this kind."""
        outlet = self._media.outlet(kind)
        if outlet is not None:
            await self._operations.aio_do(partial(outlet.aio_mute, muted=muted))

    async def aio_send_chat(self, chat: Chat) -> None:
        """Sends a line once the channel is open."""
        if self._chat is None:
            raise MediaError("The peer's program has no chat in calls.")
        await self._operations.aio_do(self._chat.aio_send, chat)

    async def aio_carry(self, frame: bytes) -> None:
        """Sends a frame over the data channel for frames, if there is one and it is open."""
        if self._frames is not None and not self._operations.closing:
            self._frames.send(frame)

    async def aio_shape(self, shape: SendLimits) -> None:
        """The most to send as picture from now on."""
        self._media.limit(shape)

    def _open_chat(self) -> None:
        self._chat = ChatChannel(self._pc, lambda chat: self._emit(ChatReceived(chat)))
        if self._config.carry:
            self._frames = FrameChannel(self._pc, lambda data: self._emit(FrameCarried(data)))

    # ── watching ─────────────────────────────────────────────────────────────────────────────────
    def _round_trip(self) -> float:
        return max((agent.round_trip for agent in self._agents), default=0.0)

    def _unusable(self) -> None:
        self._fail(UNUSABLE)

    async def _aio_connect(self, connect: Callable[[], Awaitable[None]]) -> None:
        """Runs an attempt of aiortc to connect, which nobody else awaits."""
        with contained("media session", then=self._unusable):
            try:
                await connect()
            except Exception as error:
                # NOTE: it fails whenever the connection is closed meanwhile: in a room, every time
                # that somebody goes while others are still coming. `_on_state` tells of the end.
                if not self._operations.closing and self._pc.connectionState != "closed":
                    raise
                log.debug("a media session was closed while it connected: %s", type(error).__name__)

    def _expect_connection(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(CONNECT_SECONDS, self._on_timeout)

    def _on_timeout(self) -> None:
        if self._pc.connectionState != "connected":
            self._fail(
                "No direct or relayed path to the peer was found. Both ends may be behind strict "
                "NATs; a bootstrap with TURN helps."
            )

    def _on_state(self) -> None:
        match self._pc.connectionState:
            case "connected":
                self._stop_timer()
                self._tell_connected()
            case "failed":
                why = (
                    "the peer could not be authenticated (DTLS)" if self.path else "no path worked"
                )
                self._fail(f"The media connection failed: {why}. Try again, or through TURN.")
            case "closed" if not self._ended and not self._operations.closing:
                self._stop_timer()
                self._timer = asyncio.get_running_loop().call_later(
                    REMOTE_CLOSE_SECONDS, self._fail, "The peer closed the media connection."
                )

    def _on_path(self, up: bool) -> None:
        if not up:
            self._emit(PathLost())
        else:
            self._tell_connected()

    def _tell_connected(self) -> None:
        if self.path is not None:
            server = next((a.relay for a in self._agents if a.relay is not None), None)
            self._emit(Connected(self.path, server))

    async def aio_suspect(self) -> None:
        """Something hints that the peer is gone: find out at once."""
        for agent in self._agents:
            agent.hint(BROKEN_CHANNEL)

    def report(self) -> IceReport:
        """What ICE did so far; everything is bundled, so one agent did all of it."""
        reports = [agent.report() for agent in self._agents]
        return next((r for r in reports if r.pairs), reports[0] if reports else IceReport())

    def _fail(self, why: str) -> None:
        self._stop_timer()
        if not self._ended and not self._operations.closing:
            self._ended = True
            self._emit(Failed(why))

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    @property
    def path(self) -> Any:
        """How media travels now, or None."""
        return next((a.path for a in self._agents if a.path is not None), None)

    async def aio_stats(self) -> MediaStats:
        """Counters as of now."""
        reports = await self._pc.getStats() if not self._operations.closing else {}
        local = {c.type for agent in self._agents for c in agent.local_candidates}
        remote = {c.type for agent in self._agents for c in agent.remote_candidates}
        return MediaStats(
            path=self.path,
            streams=self._media.streams(reports),
            local_candidate_types=tuple(sorted(local)),
            remote_candidate_types=tuple(sorted(remote | set(self._remote_types))),
        )

    # ── the end ──────────────────────────────────────────────────────────────────────────────────
    async def aio_close(self) -> None:
        """Closes everything, within 2 s in whatever state it is. Any number of times."""
        await self._operations.aio_close(self._aio_close)

    async def _aio_close(self) -> None:
        self._stop_timer()
        await aio_finish([self._pc.close(), *self._media.closing()])
        await self._media.aio_close_sinks()
