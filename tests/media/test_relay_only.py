"""Relay-only, read from the packets: a machine that hides sends to its TURN server alone."""

from __future__ import annotations

import pathlib
import re
import socket
import struct

import pytest
import trio

from onmeet_node.media.endpoint import SessionConfig
from tests.media.coturn import run_coturn
from tests.media.peer_process import start_peer
from tests.media.support import AUDIO
from tests.netlab.lab import Host, Lab
from tests.requirements import needs_coturn

pytestmark = [
    pytest.mark.real,
    pytest.mark.netlab,
    needs_coturn,
]
ETH_P_IP, ETH_P_IPV6, ETH_P_ALL = 0x0800, 0x86DD, 3
LOCAL = (
    "a=candidate:1 1 udp 2130706431 5b9d9d02-2f0b-4c43-8f5d-3a2c1f0e9a77.local 50000 typ host\r\n"
)
STUN_COOKIE = 0x2112A442


class Capture:
    """Every packet that a host sends or gets, from now on."""

    def __init__(self, host: Host) -> None:
        with host.inside():
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        self._socket.setsockopt(socket.SOL_SOCKET, 33, 1 << 25)  # SO_RCVBUFFORCE
        self._socket.setblocking(False)
        self._own = socket.inet_aton(host.address)

    def packets(self) -> list[tuple[str, str, bytes]]:
        """Sender, receiver and content of those that were ours; IPv6 as one."""
        found = []
        while True:
            try:
                frame, (interface, protocol, kind, *_) = self._socket.recvfrom(65_535)
            except BlockingIOError:
                self._socket.close()
                return found
            if interface == "lo":
                continue
            if protocol == ETH_P_IPV6 and kind == socket.PACKET_OUTGOING:
                found.append(("IPv6", "IPv6", frame))
            elif protocol == ETH_P_IP:
                sender, receiver = frame[26:30], frame[30:34]
                if self._own in (sender, receiver) or kind == socket.PACKET_OUTGOING:
                    found.append((socket.inet_ntoa(sender), socket.inet_ntoa(receiver), frame[34:]))


def written(address: str) -> tuple[bytes, ...]:
    """How an address can stand in a packet: as text, as it is, and as in STUN (RFC 8489, 14.2)."""
    raw = socket.inet_aton(address)
    (number,) = struct.unpack("!I", raw)
    return address.encode(), raw, struct.pack("!I", number ^ STUN_COOKIE)


@pytest.mark.parametrize("transport", ["udp", "tcp"])
@pytest.mark.parametrize("both", [True, False], ids=["both hide", "one hides"])
async def test_who_hides_exchanges_packets_with_the_relay_alone(
    lab: Lab, tmp_path: pathlib.Path, transport: str, both: bool
) -> None:
    ana, ben, server = lab.host("ana"), lab.host("ben"), lab.host("server")
    capture = Capture(ana)
    async with run_coturn(tmp_path, listen=server.address, host=server) as turn:
        servers = (turn.server(transport, host=server.address),)
        hidden = SessionConfig(AUDIO, ice_servers=servers, relay_only=True)
        open_ = SessionConfig(AUDIO, ice_servers=servers)
        async with (
            start_peer(hidden, ana.prefix) as a,
            start_peer(hidden if both else open_, ben.prefix) as b,
        ):
            offer = await a.describe("offer")
            answer = await b.describe("accept_offer", offer)
            # A name of the local network must not be asked for: the question shows who asks.
            await a.tell("accept_answer", answer.replace("a=ice-ufrag", f"{LOCAL}a=ice-ufrag"))
            for end in (a, b):
                await end.wait_for("Connected")
                await end.wait_for("FirstFrame")
            await trio.sleep(1)  # time itself: some packets to read
    assert ana.address not in offer
    assert set(re.findall(r"a=candidate:.* typ (\w+)", offer)) == {"relay"}
    assert ben.address not in answer or not both
    packets = capture.packets()
    assert len(packets) > 100
    assert {end for packet in packets for end in packet[:2]} == {ana.address, server.address}
    content = b"".join(content for _, _, content in packets)
    # NOTE: who hides alone sends to the other's address, though through the relay.
    assert any(form in content for form in written(ben.address)) == (not both)
