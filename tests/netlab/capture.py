"""Every packet of a host, read from a raw socket: who is spoken to, and who is spoken of."""

from __future__ import annotations

import ipaddress
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tests.netlab.lab import Host

_ALL, _IPV4, _UDP = 3, 0x0800, 17
_STUN_COOKIE = 0x2112A442
_HEADER = 14
"""Bytes of Ethernet before IP."""


class Capture:
    """What went in and out of a host while it ran."""

    def __init__(self, frames: list[bytes]) -> None:
        self.frames = frames

    def partners(self) -> set[str]:
        """The IPv4 addresses in the packets' headers, both ends.

        Packets without a sender's address are no machine's: the kernel's bridge, on which the
        machines stand, reports its multicast groups so.
        """
        found: set[str] = set()
        for frame in self.frames:
            if int.from_bytes(frame[12:14]) == _IPV4:
                packet = frame[_HEADER:]
                ends = {socket.inet_ntoa(packet[12:16]), socket.inet_ntoa(packet[16:20])}
                found |= ends if "0.0.0.0" not in ends else set()
        return found

    def mentions(self, address: str) -> int:
        """Packets that hold the address as text, or as STUN writes it (XORed, RFC 8489 §14.2)."""
        value = int(ipaddress.IPv4Address(address))
        xored = struct.pack("!I", value ^ _STUN_COOKIE)
        text = address.encode()
        return sum(text in frame or (_is_stun(frame) and xored in frame) for frame in self.frames)


def _is_stun(frame: bytes) -> bool:
    return _STUN_COOKIE.to_bytes(4) in frame[_HEADER + 20 :]


@contextmanager
def captured(host: Host) -> Iterator[Capture]:
    """Captures while the block runs, all interfaces but loopback."""
    with host.inside():
        tap = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ALL))
    tap.bind((host.interface, _ALL))
    tap.settimeout(0.2)
    frames: list[bytes] = []
    over = threading.Event()

    def read() -> None:
        while not over.is_set():
            try:
                frames.append(tap.recv(65_535))
            except TimeoutError:
                continue

    reader = threading.Thread(target=read)
    reader.start()
    try:
        yield Capture(frames)
    finally:
        over.set()
        reader.join()
        tap.close()
