"""What a peer's packets may do to aiortc: how much they make it hold, and where their faults stop.

aiortc 1.16 reads each packet in one task of the connection. What it raises there would end that
task, with the peer's bytes in the log; what it keeps for each source and stream has no bound. All
of it runs in the asyncio thread.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aiortc import RTCRtpReceiver
from aiortc.rtcdtlstransport import RTCDtlsTransport
from aiortc.rtcsctptransport import WEBRTC_DCEP, RTCSctpTransport

from onmeet_node.media.engine.data_channels import FRAMES_STREAM, STREAM
from onmeet_node.media.engine.sctp import check_packet
from onmeet_node.media.errors import PeerBrokeMedia
from onmeet_node.process.faults import contained

MAX_SOURCES = 16
"""RTP and RTCP sources (SSRC) of one session: sound, picture and its retransmissions are three.
libsrtp, aiortc's tables and our reports keep something for each."""
MAX_CHUNKS = 4_096
"""Pieces of data channel messages that wait for others. A message of 64 kB has some 55."""
STREAMS = frozenset({STREAM, FRAMES_STREAM})
"""Data channels that were agreed on; others are not opened."""

UNUSABLE = (
    "The peer sent media that this program cannot use. Its program may be too old or too new."
)


class PacketGuard:
    """Stands before the transports of one peer connection. `fail` ends its session, saying why."""

    def __init__(self, fail: Callable[[str], None]) -> None:
        self._fail = fail
        self._sources: set[bytes] = set()

    def watch(self, transport: RTCDtlsTransport | RTCSctpTransport) -> None:
        """Takes a transport that has not been used yet."""
        if isinstance(transport, RTCSctpTransport):
            self._watch_channels(transport)
        else:
            self._watch_packets(transport)

    def watch_reports(self, receiver: RTCRtpReceiver) -> None:
        """Reports count what the peer's packets say, and may count further than their fields go.

        NOTE: an exception in the task that sends them would let aiortc's `close` wait for ever.
        """
        send = receiver._send_rtcp

        async def aio_send(packet: Any) -> None:
            with contained("media session", then=self._unusable):
                await send(packet)

        receiver._send_rtcp = aio_send  # type: ignore[method-assign]

    def _unusable(self) -> None:
        self._fail(UNUSABLE)

    def _watch_packets(self, dtls: RTCDtlsTransport) -> None:
        receive, take_rtp, take_rtcp = (
            dtls._recv_next,
            dtls._handle_rtp_data,
            dtls._handle_rtcp_data,
        )

        async def aio_receive() -> None:
            """ConnectionError is how aiortc ends a connection in order."""
            ended = ConnectionError("the peer's packet could not be used")
            with contained("media session", then=self._unusable):
                try:
                    await receive()
                except ConnectionError as error:
                    ended = error
                except PeerBrokeMedia as error:
                    self._fail(str(error))
                else:
                    return
            raise ended

        async def aio_take_rtp(data: bytes, arrival_time_ms: int) -> None:
            self._count(data[8:12])
            await take_rtp(data, arrival_time_ms=arrival_time_ms)

        async def aio_take_rtcp(data: bytes) -> None:
            self._count(data[4:8])
            await take_rtcp(data)

        # These are attributes of one object of ours; the class stays as it is.
        dtls._recv_next = aio_receive  # type: ignore[method-assign]
        dtls._handle_rtp_data = aio_take_rtp  # type: ignore[method-assign]
        dtls._handle_rtcp_data = aio_take_rtcp  # type: ignore[method-assign]

    def _count(self, source: bytes) -> None:
        if source not in self._sources:
            if len(self._sources) >= MAX_SOURCES:
                raise PeerBrokeMedia(
                    f"The peer sends from more than {MAX_SOURCES} sources at once. Its program may "
                    "be broken; call again."
                )
            self._sources.add(source)

    def _watch_channels(self, sctp: RTCSctpTransport) -> None:
        take_packet, take_forward = sctp._handle_data, sctp._receive_forward_tsn_chunk
        take_chunk, take = sctp._receive_data_chunk, sctp._data_channel_receive

        async def aio_take_packet(data: bytes) -> None:
            check_packet(data)
            await take_packet(data)

        async def aio_take_forward(chunk: Any) -> None:
            """Each stream once: aiortc goes through all that waits for every mention of one."""
            chunk.streams = [s for s in dict(chunk.streams).items() if s[0] in STREAMS]
            await take_forward(chunk)

        async def aio_take_chunk(chunk: Any) -> None:
            if chunk.stream_id not in STREAMS:  # taken, and forgotten
                sctp._sack_needed = True
                sctp._mark_received(chunk.tsn)
                return
            stream = sctp._inbound_streams.get(chunk.stream_id)
            waiting = len(stream.reassembly) if stream is not None else 0
            if max(waiting, len(sctp._sack_misordered)) >= MAX_CHUNKS:
                raise PeerBrokeMedia(
                    "The peer sent pieces of messages that never became whole; call again."
                )
            if len(chunk.user_data) > sctp._advertised_rwnd:
                return  # more than it was told there is room for; it will come again
            await take_chunk(chunk)

        async def aio_take(stream_id: int, pp_id: int, data: bytes) -> None:
            if pp_id != WEBRTC_DCEP:  # both ends open the channels that there are by themselves
                await take(stream_id, pp_id, data)

        sctp._handle_data = aio_take_packet  # type: ignore[method-assign]
        sctp._receive_forward_tsn_chunk = aio_take_forward  # type: ignore[method-assign]
        sctp._receive_data_chunk = aio_take_chunk  # type: ignore[method-assign]
        sctp._data_channel_receive = aio_take  # type: ignore[method-assign]
