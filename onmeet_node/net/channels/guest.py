"""The sealed channel of a guest, at its host: Noise NKpsk0 through a door (PROTOCOL, "Guests")."""

from __future__ import annotations

import secrets

import trio

from onmeet_node.net.channels.channel import Channel
from onmeet_node.net.channels.handshake import Framed, Sealed, SeenEphemerals, encapsulate
from onmeet_node.net.channels.timing import Timing
from onmeet_node.protocol.call.events import Device, Identity
from onmeet_node.protocol.wire import codec
from onmeet_node.protocol.wire.errors import HandshakeError
from onmeet_node.protocol.wire.frames import encode_frame
from onmeet_node.protocol.wire.link import GuestLink, guest_prologue
from onmeet_node.protocol.wire.messages import Hello, Welcome
from onmeet_node.protocol.wire.noise import Handshake

EPHEMERAL_BYTES = 32


async def accept_guest(
    stream: trio.abc.Stream,
    link: GuestLink,
    private_key: bytes,
    guest: Identity,
    welcome: Welcome,
    seen: SeenEphemerals,
    *,
    timing: Timing | None = None,
) -> Channel:
    """A sealed channel with whoever holds `link`, whose X25519 private key is given.

    Proves that we are its host, and that the guest has the whole link; nothing about who that is:
    `guest` is only what we call them. Raises RemoteProtocolError, before a byte was sent, if the
    first message does not check or was seen before; and the stream's errors.
    """
    framed = Framed(stream)
    message = await framed.receive()
    if message is None:
        raise HandshakeError("the other side closed the stream")
    noise = Handshake.respond_nkpsk0(
        private_key,
        link.psk,
        guest_prologue(link.door),
        secrets.token_bytes(EPHEMERAL_BYTES),
        encapsulate,
    )
    if noise.read_message(message):
        raise HandshakeError("message 1 of a guest carries nothing")
    if not seen.add(message[:EPHEMERAL_BYTES]):
        raise HandshakeError("this first message was seen before")
    await framed.send(noise.write_message(encode_frame(codec.encode(welcome))))
    sending, receiving = noise.split()
    sealed = Sealed(guest, noise.handshake_hash, sending, receiving, hello=Hello(), initiator=False)
    return Channel(framed, sealed, Device(f"guest:{guest.hex()[-16:]}"), timing)
