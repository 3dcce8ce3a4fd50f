"""What one peer connection sends and plays: its transceivers, and what stands at their ends."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import aiortc

from onmeet_node.media.endpoint import (
    FirstFrame,
    MediaEvent,
    RecorderStopped,
    SessionConfig,
    SourceOver,
    StreamStats,
)
from onmeet_node.media.engine import internals
from onmeet_node.media.engine.guard import PacketGuard
from onmeet_node.media.engine.packing import Vp8Packer
from onmeet_node.media.engine.rate_control import RateControl
from onmeet_node.media.engine.receivers import AudioPlayer, LatePlayer, VideoPlayer
from onmeet_node.media.engine.recording import Recorders
from onmeet_node.media.engine.rtcp_feedback import watch_feedback
from onmeet_node.media.engine.senders import AudioOutlet, MediaSender, VideoOutlet
from onmeet_node.media.engine.sinks import Sinks
from onmeet_node.media.engine.sources import Source, SourceWithEnd, aio_open_source
from onmeet_node.media.engine.stats import stream_stats
from onmeet_node.media.frames import FrameFeed
from onmeet_node.protocol.room.send_limits import SendLimits
from onmeet_node.protocol.wire.messages import Kind

CODECS = {Kind.AUDIO: ("audio/opus",), Kind.VIDEO: ("video/VP8", "video/rtx")}
"""Both are mandatory for WebRTC endpoints (RFC 7874, RFC 7742), so no other is needed."""


class SessionMedia:
    """Outlets and players of a peer connection, by kind.

    `alive` says whether transceivers may still begin. `round_trip` is in seconds. `unusable` is
    called when what came made playing fail.
    """

    def __init__(
        self,
        pc: aiortc.RTCPeerConnection,
        config: SessionConfig,
        *,
        source: str | FrameFeed,
        recorders: Recorders,
        guard: PacketGuard,
        emit: Callable[[MediaEvent], None],
        alive: Callable[[], bool],
        round_trip: Callable[[], float],
        unusable: Callable[[], None],
    ) -> None:
        self._pc = pc
        self._config = config
        self._source = source
        self._recorders = recorders
        self._guard = guard
        self._emit = emit
        self._alive = alive
        self._round_trip = round_trip
        self._unusable = unusable
        self._rate = RateControl()
        self._outlets: dict[Kind, MediaSender] = {}
        self.players: dict[Kind, AudioPlayer | VideoPlayer] = {}
        self._seen: set[Kind] = set()
        self._sinks = self._make_sinks(config)

    # ── transceivers ─────────────────────────────────────────────────────────────────────────────
    def add(self, kind: Kind) -> None:
        """A kind that the call has, both ways."""
        make = AudioOutlet if kind is Kind.AUDIO else VideoOutlet
        outlet: MediaSender = make(self._rate)
        transceiver = self._transceiver(kind, outlet, "sendrecv")
        self._outlets[kind] = outlet
        if kind is Kind.VIDEO:
            internals.set_packer(transceiver.sender, Vp8Packer())
        watch_feedback(transceiver.sender, outlet, self._rate)
        internals.set_packet_sink(transceiver.receiver, self._player(kind))

    def receive(self, kind: Kind) -> None:
        """A section of the offer for a kind that this call does not have; sends nothing.

        So a picture can be turned on later, whichever side offers it. Until then there is no
        player, and nothing to count.
        NOTE: aiortc would make the transceiver by itself, and decode what comes without end.
        """
        transceiver = self._transceiver(kind, kind.value, "recvonly")
        internals.set_packet_sink(
            transceiver.receiver, LatePlayer(partial(self._player, kind), self._alive)
        )

    def _player(self, kind: Kind) -> AudioPlayer | VideoPlayer:
        player = self.players[kind] = (
            AudioPlayer(self._on_audio, self._unusable)
            if kind is Kind.AUDIO
            else VideoPlayer(self._on_video, self._round_trip, self._unusable)
        )
        return player

    def _transceiver(
        self, kind: Kind, sends: MediaSender | str, direction: str
    ) -> aiortc.RTCRtpTransceiver:
        transceiver = self._pc.addTransceiver(sends, direction)
        codecs = aiortc.RTCRtpSender.getCapabilities(kind.value).codecs
        transceiver.setCodecPreferences([c for c in codecs if c.mimeType in CODECS[kind]])
        internals.begin_only_while(self._alive, transceiver)
        self._guard.watch_reports(transceiver.receiver)
        return transceiver

    # ── sending ──────────────────────────────────────────────────────────────────────────────────
    async def aio_attach(self, kinds: frozenset[Kind]) -> None:
        """Opens the sources of these kinds and sends them."""
        for kind in sorted(kinds & self._outlets.keys()):
            await self._outlets[kind].aio_attach(partial(self._aio_open, self._source, kind))

    async def _aio_open(self, spec: str | FrameFeed, kind: Kind) -> Source | None:
        source = await aio_open_source(spec, kind)
        return source and SourceWithEnd(source, lambda: self._emit(SourceOver(kind)))

    async def aio_change(self, config: SessionConfig) -> None:
        """Another source, or other sinks, from now on; `config` as in `MediaSession.attach`."""
        before, self._config = self._config, config
        if config.source is not None:
            self._source = config.source
        sinks = (config.record, config.picture, config.tap)
        if sinks != (before.record, before.picture, before.tap):
            await self._sinks.aio_close()
            self._sinks = self._make_sinks(config)

    def outlet(self, kind: Kind) -> MediaSender | None:
        """What sends this kind, if the call has it."""
        return self._outlets.get(kind)

    def limit(self, limits: SendLimits) -> None:
        """The most to send as picture from now on."""
        self._rate.shape(limits)

    # ── receiving ────────────────────────────────────────────────────────────────────────────────
    def _make_sinks(self, config: SessionConfig) -> Sinks:
        return Sinks(
            kinds=config.kinds,
            recorders=self._recorders,
            stopped=lambda why: self._emit(RecorderStopped(why)),
            record=config.record,
            picture=config.picture,
            tap=config.tap,
        )

    def _on_audio(self, samples: bytes, concealed: bool) -> None:
        if not concealed:
            self._first_frame(Kind.AUDIO)
        self._sinks.audio(samples, concealed=concealed)

    def _on_video(self, frame: Any) -> None:
        self._first_frame(Kind.VIDEO)
        self._sinks.video(frame)

    def _first_frame(self, kind: Kind) -> None:
        if kind not in self._seen:
            self._seen.add(kind)
            self._emit(FirstFrame(kind))

    def streams(self, reports: Any) -> tuple[StreamStats, ...]:
        """Counters by kind; `reports` are aiortc's."""
        return tuple(
            stream_stats(
                kind,
                reports,
                outlet=self._outlets.get(kind),
                player=self.players.get(kind),
                rate=self._rate,
            )
            for kind in sorted(self.players)
        )

    # ── the end ──────────────────────────────────────────────────────────────────────────────────
    def closing(self) -> list[Awaitable[Any]]:
        """What is to be awaited, side by side, for everything to stop."""
        ends: list[Awaitable[Any]] = [outlet.aio_close() for outlet in self._outlets.values()]
        return [*ends, *(player.aio_close() for player in self.players.values())]

    async def aio_close_sinks(self) -> None:
        """Finishes recordings; once nothing comes any more."""
        await self._sinks.aio_close()
