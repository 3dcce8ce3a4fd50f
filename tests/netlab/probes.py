"""Small UDP and TCP probes that show what a network does to packets."""

from __future__ import annotations

import socket
import time

from tests.netlab.lab import Host

PORT = 7000
PATIENCE = 10.0
"""Seconds for a packet within this machine that should arrive: a busy one takes its time."""
MOMENT = 0.3
"""Seconds after which one that should not arrive is taken for lost."""


def udp_socket(host: Host, port: int = 0) -> socket.socket:
    """A UDP socket on this host."""
    with host.inside():
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.bind(("0.0.0.0", port))
    return made


def receive(
    receiver: socket.socket, patience: float = PATIENCE
) -> tuple[bytes, tuple[str, int]] | None:
    """The next packet and its sender, or None when none comes."""
    receiver.settimeout(patience)
    try:
        data, sender = receiver.recvfrom(2048)
    except TimeoutError:
        return None
    return data, sender


def mappings(host: Host, servers: list[Host]) -> list[tuple[str, int] | None]:
    """Where one socket of `host` appears to come from, as each of `servers` sees it."""
    with udp_socket(host) as sender:
        seen = []
        for server in servers:
            with udp_socket(server, PORT) as receiver:
                sender.sendto(b"who am I", (server.address, PORT))
                got = receive(receiver)
                seen.append(got[1] if got else None)
        return seen


def reaches(
    sender: Host, receiver: Host, address: str | None = None, *, patience: float = PATIENCE
) -> bool:
    """Whether an unasked UDP packet to `receiver` arrives."""
    with udp_socket(receiver, PORT) as listening, udp_socket(sender) as sending:
        sending.sendto(b"hello", (address or receiver.address, PORT))
        return receive(listening, patience) is not None


def connects(sender: Host, receiver: Host, *, patience: float = PATIENCE) -> bool:
    """Whether a TCP connection to `receiver` comes up."""
    with receiver.inside():
        listening = socket.create_server(("", PORT))
    with listening:
        with sender.inside():
            dialling = socket.socket()
        with dialling:
            dialling.settimeout(patience)
            try:
                dialling.connect((receiver.address, PORT))
            except OSError:
                return False
            return True


def round_trips(one: Host, other: Host, count: int = 15) -> list[float]:
    """Round-trip times in milliseconds, the first (with ARP in it) left out."""
    times = []
    with udp_socket(one) as here, udp_socket(other, PORT) as there:
        here.settimeout(2)
        there.settimeout(2)
        for _ in range(count + 1):
            begun = time.monotonic()
            here.sendto(b"ping", (other.address, PORT))
            data, sender = there.recvfrom(64)
            there.sendto(data, sender)
            here.recvfrom(64)
            times.append((time.monotonic() - begun) * 1000)
    return times[1:]
