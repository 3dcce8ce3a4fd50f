"""What the receiver of our picture reports (RTCP), brought to rate control and to the encoder."""

from __future__ import annotations

import time
from typing import Any

import aiortc
from aiortc.rtp import RTCP_PSFB_APP, RtcpPsfbPacket, RtcpRrPacket, RtcpSrPacket, unpack_remb_fci

from onmeet_node.media.engine.rate_control import RateControl, RetransmitBudget
from onmeet_node.media.engine.senders import MediaSender, VideoOutlet


def watch_feedback(sender: aiortc.RTCRtpSender, outlet: MediaSender, rate: RateControl) -> None:
    """Lets us see each RTCP packet for a video sender before aiortc, and ration retransmissions.

    Audio is too little to matter, and its loss is the same.
    """
    if not isinstance(outlet, VideoOutlet):
        return
    handle, retransmit, budget = sender._handle_rtcp_packet, sender._retransmit, RetransmitBudget()

    async def aio_handle(packet: Any) -> None:
        _take(packet, sender._ssrc, rate)
        await handle(packet)

    async def aio_retransmit(sequence_number: int) -> None:
        if budget.allow(sequence_number, rate.target, now=time.monotonic()):
            await retransmit(sequence_number)

    # These are attributes of one object of ours; the class stays as it is.
    sender._handle_rtcp_packet = aio_handle  # type: ignore[method-assign]
    sender._retransmit = aio_retransmit  # type: ignore[method-assign]
    sender._send_keyframe = outlet.request_keyframe  # type: ignore[method-assign]


def _take(packet: Any, ssrc: int, rate: RateControl) -> None:
    now = time.monotonic()
    if isinstance(packet, RtcpRrPacket | RtcpSrPacket):
        for report in packet.reports:
            if report.ssrc == ssrc:
                rate.on_report(lost=report.fraction_lost / 256, now=now)
    elif isinstance(packet, RtcpPsfbPacket) and packet.fmt == RTCP_PSFB_APP:
        try:
            bitrate, ssrcs = unpack_remb_fci(packet.fci)
        except ValueError:  # another application's message
            return
        if ssrc in ssrcs:
            rate.on_estimate(bitrate, now=now)
