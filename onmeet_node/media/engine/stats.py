"""aiortc's statistics as ours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from onmeet_node.media.endpoint import StreamStats
from onmeet_node.media.engine.rate_control import RateControl
from onmeet_node.media.engine.receivers import AudioPlayer, VideoPlayer
from onmeet_node.media.engine.senders import MediaSender, VideoOutlet
from onmeet_node.protocol.wire.messages import Kind

CLOCK_KHZ = {Kind.AUDIO: 48, Kind.VIDEO: 90}
"""RTP clock ticks per millisecond; aiortc's jitter is in ticks."""


def stream_stats(
    kind: Kind,
    reports: Mapping[str, Any],
    *,
    outlet: MediaSender | None,
    player: AudioPlayer | VideoPlayer | None,
    rate: RateControl,
) -> StreamStats:
    """The counters of one kind, out of the entries of `RTCPeerConnection.getStats`."""
    found: dict[str, Any] = {}
    for report in reports.values():
        if getattr(report, "kind", None) == kind.value:
            found[report.type] = report
    sent, received = found.get("outbound-rtp"), found.get("inbound-rtp")
    theirs = found.get("remote-inbound-rtp")
    target = rate.target
    size = player.size if isinstance(player, VideoPlayer) else None
    if size is None and isinstance(outlet, VideoOutlet):
        size = outlet.size
    round_trip = theirs.roundTripTime if theirs else None
    return StreamStats(
        kind=kind,
        frames_sent=outlet.frames if outlet else 0,
        frames_decoded=player.decoded if player else 0,
        frames_concealed=player.concealed if isinstance(player, AudioPlayer) else 0,
        packets_sent=sent.packetsSent if sent else 0,
        packets_received=received.packetsReceived if received else 0,
        packets_lost=max(received.packetsLost, 0) if received else 0,
        bytes_sent=sent.bytesSent if sent else 0,
        bytes_received=player.bytes if player else 0,
        jitter_ms=received.jitter / CLOCK_KHZ[kind] if received else 0.0,
        round_trip_ms=round_trip * 1000 if round_trip is not None else None,
        target_bitrate=target.audio_bitrate if kind is Kind.AUDIO else target.bitrate,
        width=size[0] if size else None,
        height=size[1] if size else None,
    )
