"""The private parts of aiortc 1.16 and aioice 0.13 that this package touches, all in one place.

`check_libraries` fails at start-up, naming the attribute, when a new release has moved one. Nothing
here patches a module: each reach is into an object that this package created.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import aioice
import aiortc
from aioice import ice, stun, turn
from aiortc.rtcdtlstransport import RTCDtlsTransport
from aiortc.rtcicetransport import RTCIceTransport
from aiortc.rtcsctptransport import RTCSctpTransport

from onmeet_node.media.errors import LibraryChanged

CREATE_TRANSPORT = "_RTCPeerConnection__createDtlsTransport"
CREATE_SCTP = "_RTCPeerConnection__createSctpTransport"
CONNECT = "_RTCPeerConnection__connect"
SCTP = "_RTCPeerConnection__sctp"
DTLS_ATTRIBUTES = ("_handle_rtcp_data", "_handle_rtp_data", "_recv_next")
SCTP_ATTRIBUTES = (
    "_advertised_rwnd",
    "_data_channel_receive",
    "_handle_data",
    "_inbound_streams",
    "_mark_received",
    "_receive_data_chunk",
    "_receive_forward_tsn_chunk",
    "_sack_misordered",
    "_sack_needed",
)
CONNECTION_ATTRIBUTES = (
    "_check_list",
    "_check_list_done",
    "_check_list_state",
    "_check_periodic",
    "_early_checks",
    "_early_checks_done",
    "_local_candidates",
    "_local_candidates_end",
    "_local_candidates_start",
    "_nominated",
    "_pair_remote_candidate",
    "_protocols",
    "_query_consent_task",
    "_queue",
    "_remote_candidates",
    "_remote_candidates_end",
    "_transport_policy",
    "_unfreeze_initial",
    "build_request",
    "check_incoming",
    "protocol_lost",
    "query_consent",
    "request_received",
    "sort_check_list",
)
JITTER_BUFFER = "_RTCRtpReceiver__jitter_buffer"
RECEIVER_ATTRIBUTES = (JITTER_BUFFER, "_handle_rtp_packet", "_send_rtcp_pli")
ENCODER = "_RTCRtpSender__encoder"
SENDER_ATTRIBUTES = (ENCODER, "_handle_rtcp_packet", "_retransmit", "_send_keyframe", "_ssrc")
RELAY_CLIENT = "_TurnTransport__inner_protocol"
RELAY_CLOSING = "_TurnTransport__close_task"
TRANSACTION_ADDRESS = "_Transaction__addr"
TRANSACTION_REQUEST = "_Transaction__request"
TRANSPORT_ATTRIBUTES = ("_connection", "_recv", "_send")


async def aio_check_libraries() -> None:
    """Raises `LibraryChanged` if aiortc or aioice moved something that this package needs."""
    connection = aioice.Connection(ice_controlling=False)
    _require(connection, CONNECTION_ATTRIBUTES)
    _require(ice, ("StunProtocol",))
    _require(turn, ("TurnClientTcpProtocol", "TurnClientUdpProtocol"))
    client = turn.TurnClientTcpProtocol(("", 0), None, None, 1, 1)
    relay = turn.TurnTransport(client)
    _require(relay, ("_connect", RELAY_CLIENT, RELAY_CLOSING))
    request = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
    _require(
        stun.Transaction(request, ("", 0), client),
        (TRANSACTION_ADDRESS, TRANSACTION_REQUEST),
    )
    pc = aiortc.RTCPeerConnection(aiortc.RTCConfiguration(iceServers=[]))
    try:
        _require(pc, (CREATE_TRANSPORT, CREATE_SCTP, CONNECT, SCTP))
        transceiver = pc.addTransceiver("audio")
        _require(transceiver.sender, SENDER_ATTRIBUTES)
        _require(transceiver.receiver, RECEIVER_ATTRIBUTES)
        transport = transceiver.receiver.transport.transport
        _require(transport, TRANSPORT_ATTRIBUTES)
        _require(transport.iceGatherer, ("_connection",))
        _require(transceiver.receiver.transport, DTLS_ATTRIBUTES)
        pc.createDataChannel("")
        _require(pc.sctp, SCTP_ATTRIBUTES)
    finally:
        await pc.close()


def _require(thing: object, names: tuple[str, ...]) -> None:
    for name in names:
        if not hasattr(thing, name):
            owner = getattr(thing, "__name__", type(thing).__name__)
            raise LibraryChanged(
                f"{owner} has no {name!r} in aiortc {aiortc.__version__}, aioice "
                f"{aioice.__version__}. Install the versions of requirements.lock."
            )


def set_connection(transport: RTCIceTransport, connection: aioice.Connection) -> None:
    """Replaces the ICE agent of a transport that has not been used yet."""
    transport.iceGatherer._connection = connection
    transport._connection = connection
    transport._recv = connection.recv
    transport._send = connection.send


def abandon_relay(relay: turn.TurnTransport) -> None:
    """Closes the socket of an allocation whose deletion was asked for and is not confirmed."""
    getattr(relay, RELAY_CLOSING).cancel()
    getattr(relay, RELAY_CLIENT).transport.close()


def retransmit(protocol: ice.StunProtocol, address: tuple[str, int]) -> None:
    """Sends again what this socket asked this address and was not answered."""
    for transaction in protocol.transactions.values():
        if getattr(transaction, TRANSACTION_ADDRESS) == address:
            protocol.send_stun(getattr(transaction, TRANSACTION_REQUEST), address)


def set_packer(sender: aiortc.RTCRtpSender, packer: object) -> None:
    """Cuts what this sender sends into packets; it makes an encoder of its own only without."""
    setattr(sender, ENCODER, packer)


def set_packet_sink(receiver: aiortc.RTCRtpReceiver, sink: Any) -> None:
    """Gives the depayloaded RTP packets of a receiver to ``sink.add(packet)``.

    `sink` stands in for aiortc's jitter buffer; what it returns decides about a PLI.
    """
    setattr(receiver, JITTER_BUFFER, sink)


def begin_only_while(alive: Callable[[], bool], transceiver: aiortc.RTCRtpTransceiver) -> None:
    """Lets a transceiver begin to send and to receive only while `alive`.

    NOTE: aiortc connects in a task of its own. Closed meanwhile, it stops what has not begun, and
    then begins: a decoder's thread and an RTCP task that nothing ends any more.
    """
    send, receive = transceiver.sender.send, transceiver.receiver.receive

    async def aio_send(parameters: Any) -> None:
        if alive():
            await send(parameters)

    async def aio_receive(parameters: Any) -> None:
        if alive():
            await receive(parameters)

    # These are attributes of two objects of ours; the classes stay as they are.
    transceiver.sender.send = aio_send  # type: ignore[method-assign]
    transceiver.receiver.receive = aio_receive  # type: ignore[method-assign]


class PeerConnection(aiortc.RTCPeerConnection):
    """`RTCPeerConnection` whose ICE agents are made by `make_ice`.

    `guard` gets each new DTLS transport and SCTP transport before either is used. `connect` runs
    each attempt to connect, which aiortc makes in a task that nobody awaits.
    """

    def __init__(
        self,
        configuration: aiortc.RTCConfiguration,
        make_ice: Any,
        *,
        guard: Callable[[RTCDtlsTransport | RTCSctpTransport], None],
        connect: Callable[[Callable[[], Awaitable[None]]], Awaitable[None]],
    ) -> None:
        self._onmeet_make_ice = make_ice
        self._onmeet_guard = guard
        self._onmeet_connect = connect
        super().__init__(configuration)

    # NOTE: these override aiortc's private methods by their mangled names; it looks them up on
    # `self`.
    def _RTCPeerConnection__createDtlsTransport(self) -> RTCDtlsTransport:  # noqa: N802
        transport: RTCDtlsTransport = getattr(super(), CREATE_TRANSPORT)()
        replaced = transport.transport._connection
        set_connection(transport.transport, self._onmeet_make_ice(replaced))
        self._onmeet_guard(transport)
        return transport

    def _RTCPeerConnection__createSctpTransport(self) -> None:  # noqa: N802
        getattr(super(), CREATE_SCTP)()
        self._onmeet_guard(getattr(self, SCTP))

    async def _RTCPeerConnection__connect(self) -> None:  # noqa: N802
        await self._onmeet_connect(getattr(super(), CONNECT))
