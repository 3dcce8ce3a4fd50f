"""How sealed channels come about: over a network or over a stream, by us or by a peer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Protocol

import trio

from onmeet_node.net.channels.channel import Channel, accept_channel, open_channel
from onmeet_node.net.channels.credentials import Credentials
from onmeet_node.net.channels.handshake import SIGNAL_PROTOCOL, SeenEphemerals
from onmeet_node.net.channels.handshake_limits import HandshakeLimits
from onmeet_node.net.channels.timing import Timing
from onmeet_node.net.errors import ChannelRefused, PeerUnreachable
from onmeet_node.net.libp2p.streams import Stream
from onmeet_node.protocol.call.events import Device, Identity
from onmeet_node.protocol.errors import RemoteProtocolError
from onmeet_node.protocol.identity.errors import IdentityError
from onmeet_node.protocol.wire.messages import Hello, Message


class ChannelNetwork(Protocol):
    """The part of `net.libp2p.host.Host` that channels need.

    A room has `room_streams.RoomNetwork` in its place, a guest `joining.room.NoNetwork`, and tests
    a network in memory.
    """

    peer_id: str

    def connected(self, peer: str) -> bool:
        """Whether a connection is open."""
        ...

    async def connect(self, addresses: Sequence[str]) -> str:
        """Open one. Raises NetError."""
        ...

    async def open_stream(self, peer: str, protocol: str) -> Stream:
        """Open a stream on it. Raises NetError."""
        ...

    def suspect(self, peer: str) -> None:
        """The connection may be dead: look at once, and close it if so."""
        ...

    async def verify(self, peer: str) -> None:
        """Return once it is known whether a suspected connection is alive."""
        ...

    def on_direct(self, notify: Callable[[str], None]) -> Callable[[], None]:
        """Tell of peers to whom a direct connection opened beside a relayed one."""
        ...

    def handle(self, protocol: str, handler: Callable[[Stream], Awaitable[None]]) -> None:
        """Serve a protocol; a handler is cancelled when its connection is gone."""
        ...

    def stop_handling(self, protocol: str) -> None:
        """Refuse new streams."""
        ...


class Doorkeeper(Protocol):
    """Who is told what, and who comes in: `ContactDoorkeeper`, or a room's `RoomDoorkeeper`.

    Its methods must be quick: handshakes wait for them.
    """

    def greet(self, identity: Identity, opening_hash: bytes) -> Hello:
        """Our Hello on a channel we open: card for this reader, and a proof over the hash."""
        ...

    def admit(self, identity: Identity, hello: Hello, opening_hash: bytes) -> Hello | None:
        """Our Hello in answer to somebody who opens a channel; None: they get no answer at all.

        A proof in `hello` is over `opening_hash` (`protocol.identity.audience.find_by_proof`).
        """
        ...


class ChannelOpener:
    """Opens and accepts the channels of one node; which of them are open is not its business."""

    def __init__(
        self,
        network: ChannelNetwork,
        me: Credentials,
        door: Doorkeeper,
        *,
        timing: Timing,
        limits: HandshakeLimits,
    ) -> None:
        self._network = network
        self._me = Device(network.peer_id)
        self._credentials = me
        self._door = door
        self._timing = timing
        self._limits = limits
        self._seen = SeenEphemerals()

    async def connect(
        self,
        identity: Identity,
        device: Device,
        addresses: Sequence[str],
        *,
        first: Sequence[Message],
        lost: Callable[[], Sequence[bytes]],
        sent: Callable[[], None],
    ) -> Channel:
        """A channel over the network. `addresses` are dialled if there is no connection yet.

        The rest is as in `initiate`. Raises NetError.
        """
        await self._network.verify(device)
        if not self._network.connected(device):
            # Somebody else named them: they lead to this device or nowhere.
            end = f"/p2p/{device}"
            own = [address for address in addresses if address.endswith(end)]
            if not own:
                raise PeerUnreachable(device)
            await self._network.connect(own)
        stream = await self._network.open_stream(device, SIGNAL_PROTOCOL)
        try:
            return await self.initiate(
                stream, identity, device, self._me, first=first, lost=lost, sent=sent
            )
        except BaseException:
            stream.abort()
            raise

    async def initiate(
        self,
        stream: trio.abc.Stream,
        identity: Identity,
        device: Device,
        local: Device,
        *,
        first: Sequence[Message] = (),
        lost: Callable[[], Sequence[bytes]],
        sent: Callable[[], None] = lambda: None,
    ) -> Channel:
        """A channel over a stream; `local` and `device` are the names of the prologue.

        `lost`: tags of channels that are over here, asked for when the handshake begins. `first`
        and `sent`: see `handshake.initiate`. Raises `ChannelRefused`.
        """
        channel: Channel | None = None
        try:
            with trio.move_on_after(self._limits.seconds):
                channel = await open_channel(
                    stream,
                    self._credentials,
                    identity,
                    lambda opening_hash: self._door.greet(identity, opening_hash),
                    local=local,
                    device=device,
                    first=first,
                    lost=lost(),
                    sent=sent,
                    timing=self._timing,
                    doubted=partial(self._network.suspect, device),
                )
        except (
            RemoteProtocolError,
            IdentityError,
            trio.BrokenResourceError,
            trio.ClosedResourceError,
        ) as error:
            raise ChannelRefused(device) from error
        if channel is None:
            raise ChannelRefused(device)
        self._credentials.met(identity, device, channel.key)
        return channel

    async def accept(
        self, stream: trio.abc.Stream, device: Device, local: Device, *, network: str
    ) -> Channel | None:
        """A channel over a stream that `device` opened to `local`; None if it was not opened.

        `network`: see `HandshakeLimits.receive`.
        """

        async def handshake() -> Channel:
            return await accept_channel(
                stream,
                self._credentials,
                self._door.admit,
                self._seen,
                local=local,
                device=device,
                timing=self._timing,
                doubted=partial(self._network.suspect, device),
            )

        channel = await self._limits.receive(device, network, handshake)
        if channel is not None:
            self._credentials.met(channel.identity, device, channel.key)
        return channel
