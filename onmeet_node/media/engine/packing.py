"""Encoded pictures cut into RTP payloads that every path takes (RFC 7741)."""

from __future__ import annotations

import random
from typing import Any

import av
from aiortc.codecs.vpx import VpxPayloadDescriptor

from onmeet_node.media.engine.encoders import VIDEO_CLOCK

MAX_RTP_BYTES = 1200
"""Of a packet, as browsers have it. A path of 1,280 bytes (WireGuard, Tailscale, mobile networks)
takes that with SRTP's tag, TURN's header, UDP and IPv6 around it, and not aiortc's 1,300."""
MAX_PAYLOAD_BYTES = MAX_RTP_BYTES - 12 - 36 - 2
"""Less the RTP header, room for its extensions, and what a retransmission adds."""


class Vp8Packer:
    """In the place of aiortc's encoder: what comes to it is encoded already."""

    def __init__(self) -> None:
        self._picture = random.randint(0, (1 << 15) - 1)  # noqa: S311 - RFC 7741: begins anywhere

    def pack(self, packet: av.Packet[Any]) -> tuple[list[bytes], int]:
        """The payloads of one picture, and its RTP timestamp."""
        data = bytes(packet)
        head = VpxPayloadDescriptor(partition_start=1, partition_id=0, picture_id=self._picture)
        self._picture = (self._picture + 1) % (1 << 15)
        payloads, at = [], 0
        while at < len(data):
            size = MAX_PAYLOAD_BYTES - len(bytes(head))
            payloads.append(bytes(head) + data[at : at + size])
            head.partition_start = 0
            at += size
        assert packet.pts is not None
        assert packet.time_base is not None
        return payloads, int(packet.pts * packet.time_base / VIDEO_CLOCK)
