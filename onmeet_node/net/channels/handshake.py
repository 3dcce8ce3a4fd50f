"""Opening a sealed channel: Noise IK over any stream, with the first messages inside it.

The handshake is linear, one message each way, so it is plain code under its caller's timeout.
Nothing here answers a message that does not check: silence is the caller's to keep (P6).
"""

from __future__ import annotations

import hashlib
import secrets
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import trio
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PublicKey
from nacl.bindings import crypto_scalarmult_base

from onmeet_node.net.channels.credentials import Credentials
from onmeet_node.net.libp2p.streams import Stream
from onmeet_node.protocol.call.events import Device, Identity
from onmeet_node.protocol.identity.errors import DeviceListError, IdentityError
from onmeet_node.protocol.identity.keys import KEY_BYTES, require_point, x25519_public
from onmeet_node.protocol.wire import codec
from onmeet_node.protocol.wire.errors import HandshakeError
from onmeet_node.protocol.wire.frames import FrameDecoder, encode_frame
from onmeet_node.protocol.wire.kem import KEM_SEED_BYTES
from onmeet_node.protocol.wire.messages import Hello, Message, Unknown
from onmeet_node.protocol.wire.noise import CipherState, Handshake

SIGNAL_PROTOCOL = "/onmeet/signal/2"
"""libp2p protocol id; also the first bytes of the Noise prologue."""
TAG_BYTES = 8
"""How much of a handshake hash names a lost channel; both ends know the whole."""
MAX_LOST = 4
"""Lost channels that an opening may name."""
MAX_FIRST = 8
"""Messages besides the Hello that may ride in message 1."""
SEEN_EPHEMERALS = 4096
"""Remembered first messages. A replay must come over the same two PeerIds, so from the initiator
itself or out of a broken libp2p; the memory only has to cover the handshakes of minutes."""

_OPENING_DOMAIN = b"onmeet opening 1"


class Framed:
    """Whole frames over a stream. One task sends, one receives."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self._stream = stream
        self._decoder = FrameDecoder()
        self._arrived: deque[bytes] = deque()

    async def receive(self) -> bytes | None:
        """The next frame; None at the end of the stream.

        Raises FrameTooLong, and trio.BrokenResourceError or trio.ClosedResourceError.
        """
        while not self._arrived:
            data = await self._stream.receive_some()
            if not data:
                return None
            self._arrived.extend(self._decoder.feed(data))
        return self._arrived.popleft()

    async def send(self, *payloads: bytes) -> None:
        """One frame each, in one piece. Raises BrokenResourceError or ClosedResourceError."""
        await self._stream.send_all(b"".join(map(encode_frame, payloads)))

    def free(self, size: int) -> bool:
        """Whether frames of so many bytes in all can be sent by `send_now`."""
        return isinstance(self._stream, Stream) and self._stream.free(size)

    def send_now(self, *payloads: bytes) -> None:
        """As `send`, without waiting, while `free`."""
        assert isinstance(self._stream, Stream), "only while it is free"
        self._stream.send_now(b"".join(map(encode_frame, payloads)))

    async def aclose(self) -> None:
        """Close the stream."""
        await self._stream.aclose()


@dataclass(frozen=True, slots=True)
class Sealed:
    """What a finished handshake leaves behind."""

    identity: Identity
    """The other person: the device that was proven speaks for them."""
    handshake_hash: bytes
    """64 bytes that both ends share and no other channel has."""
    send: CipherState = field(repr=False)
    receive: CipherState = field(repr=False)
    hello: Hello
    """The other side's."""
    initiator: bool
    """Whether this side opened the channel."""
    first: tuple[Message, ...] = ()
    """What rode in message 1, for the responder to take as the first messages."""
    lost: tuple[bytes, ...] = ()
    """Tags of channels that the initiator had with this device and lost."""
    key: bytes = b""
    """The other side's device key, proven; empty for a guest, who has none."""


class SeenEphemerals:
    """The ephemeral keys of the last `limit` first messages; one seen twice is a replay."""

    def __init__(self, limit: int = SEEN_EPHEMERALS) -> None:
        self._limit = limit
        self._seen: OrderedDict[bytes, None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._seen)

    def add(self, ephemeral: bytes) -> bool:
        """Remember this key; False if it was there."""
        if ephemeral in self._seen:
            return False
        self._seen[ephemeral] = None
        if len(self._seen) > self._limit:
            self._seen.popitem(last=False)
        return True


def prologue(initiator: Device, responder: Device) -> bytes:
    """Binds the handshake to one libp2p connection: both PeerIds, each after its length."""
    names = (initiator.encode(), responder.encode())
    return SIGNAL_PROTOCOL.encode() + b"".join(bytes([len(name)]) + name for name in names)


def opening_hash(bound: bytes, initiator: Identity, responder: Identity, ephemeral: bytes) -> bytes:
    """What the proof in the initiator's Hello is over: 32 bytes, of this opening alone.

    The handshake hash does not exist yet when message 1 is written, and the responder must judge
    the proof before it answers. `bound` is the prologue, `ephemeral` the 32 bytes that begin
    message 1.
    """
    whole = hashlib.blake2b(digest_size=32)
    for part in (_OPENING_DOMAIN, initiator, responder, ephemeral, bound):
        whole.update(part)
    return whole.digest()


Greet = Callable[[bytes], Hello]
"""Makes the initiator's Hello from the opening hash."""
Admit = Callable[[Identity, Hello, bytes], Hello | None]
"""Gets who opens, their Hello and the opening hash; gives the Hello to answer with, or None."""


async def initiate(
    framed: Framed,
    me: Credentials,
    remote: Identity,
    key: bytes,
    bound: bytes,
    greet: Greet,
    *,
    first: Sequence[Message] = (),
    lost: Sequence[bytes] = (),
    sent: Callable[[], None] = lambda: None,
) -> Sealed:
    """Open a sealed channel to the device of `remote` that has this `key`.

    `first` rides in message 1 behind the Hello, so it costs no round trip; it is sealed to the
    responder's long-term key alone: no forward secrecy, no ML-KEM. `sent` is called when message 1
    is about to go out. Raises RemoteProtocolError if the answer is wrong or none, or the device is
    not one of `remote`'s, IdentityError if one of the two is no key, and the stream's errors.
    """
    require_point(remote)
    ephemeral = secrets.token_bytes(32)
    seed = secrets.token_bytes(KEM_SEED_BYTES)
    noise = Handshake.initiate_ik(me.device.x25519, x25519_public(key), bound, ephemeral, seed)
    opening = opening_hash(bound, me.identity, remote, crypto_scalarmult_base(ephemeral))
    tags = list(lost)[-MAX_LOST:]
    head = me.identity + bytes([len(tags)]) + b"".join(tag[:TAG_BYTES] for tag in tags)
    message = noise.write_message(head + _pack([me.introduce(greet(opening)), *first]))
    sent()
    await framed.send(message)
    answer = await framed.receive()
    if answer is None:
        raise HandshakeError("the other side closed the stream")
    hello, _ = _unpack(noise.read_message(answer), rest=0)
    _check_device(me, remote, key, hello)
    sending, receiving = noise.split()
    return Sealed(remote, noise.handshake_hash, sending, receiving, hello, initiator=True, key=key)


async def respond(
    framed: Framed,
    me: Credentials,
    bound: bytes,
    admit: Admit,
    seen: SeenEphemerals,
) -> Sealed:
    """Answer somebody who opens a sealed channel; learns who it is.

    Raises RemoteProtocolError, before a single byte was sent, if message 1 does not check, was
    seen before, comes from a device that is not the person's, or `admit` says None; and the
    stream's errors.
    """
    message = await framed.receive()
    if message is None:
        raise HandshakeError("the other side closed the stream")
    noise = Handshake.respond_ik(me.device.x25519, bound, secrets.token_bytes(32), encapsulate)
    payload = noise.read_message(message)
    ephemeral = message[:32]
    if not seen.add(ephemeral):
        raise HandshakeError("this first message was seen before")
    identity, lost, rest = _split_head(payload)
    hello, first = _unpack(rest, rest=MAX_FIRST)
    key = hello.device or bytes(identity)
    _check_key(identity, key, noise.remote_static)
    _check_device(me, identity, key, hello)
    answer = admit(identity, hello, opening_hash(bound, identity, me.identity, ephemeral))
    if answer is None:
        raise HandshakeError("not admitted")
    await framed.send(noise.write_message(_pack([me.introduce(answer)])))
    sending, receiving = noise.split()
    return Sealed(
        identity,
        noise.handshake_hash,
        sending,
        receiving,
        hello,
        initiator=False,
        first=first,
        lost=lost,
        key=key,
    )


def encapsulate(key: MLKEM768PublicKey) -> tuple[bytes, bytes]:
    """A fresh secret for whoever opens a channel, and the ciphertext that carries it."""
    return key.encapsulate()


def _split_head(payload: bytes) -> tuple[Identity, tuple[bytes, ...], bytes]:
    if len(payload) <= KEY_BYTES or payload[KEY_BYTES] > MAX_LOST:
        raise HandshakeError("message 1 does not say who opens the channel")
    start = KEY_BYTES + 1
    end = start + payload[KEY_BYTES] * TAG_BYTES
    tags = tuple(payload[at : at + TAG_BYTES] for at in range(start, end, TAG_BYTES))
    if len(payload) < end:
        raise HandshakeError("message 1 ends too early")
    return Identity(payload[:KEY_BYTES]), tags, payload[end:]


def _check_key(identity: Identity, key: bytes, static: bytes | None) -> None:
    # Noise proves the X25519 key. Two Ed25519 keys share it, a point and its negative, and one
    # device holds both, so naming one of them names no other.
    try:
        require_point(identity)
        expected = x25519_public(key)
    except IdentityError as error:
        raise HandshakeError("the identity is no valid key") from error
    if expected != static:
        raise HandshakeError("the device is not the one that was proven")


def _check_device(me: Credentials, identity: Identity, key: bytes, hello: Hello) -> None:
    try:
        me.check(identity, key, hello)
    except DeviceListError as error:
        raise HandshakeError("the device does not speak for that person") from error


def _pack(messages: Iterable[Message]) -> bytes:
    return b"".join(encode_frame(codec.encode(message)) for message in messages)


def _unpack(data: bytes, *, rest: int) -> tuple[Hello, tuple[Message, ...]]:
    """A Hello and at most `rest` further messages. Raises RemoteProtocolError."""
    decoder = FrameDecoder()
    frames = list(decoder.feed(data))
    if decoder.partial:
        raise HandshakeError("the messages inside end too early")
    if not 1 <= len(frames) <= rest + 1:
        raise HandshakeError("too many messages inside, or none")
    hello, *others = (codec.decode(frame) for frame in frames)
    if not isinstance(hello, Hello) or any(isinstance(message, Hello) for message in others):
        raise HandshakeError("exactly one Hello comes first")
    return hello, tuple(message for message in others if not isinstance(message, Unknown))
