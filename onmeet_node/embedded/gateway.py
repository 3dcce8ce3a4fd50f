"""Guests straight to this node: the gateway of `bootstrap`, in this process, for a host with HTTPS.

One of the two places where a node uses the bootstrap's code (the other is `cli.demo`): nobody else
is served.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, TypeAlias

import trio

from onmeet_node.errors import OnMeetError
from onmeet_node.net.bootstraps.doors import GuestStream, HostDoor
from onmeet_node.net.errors import RelayUnavailable
from onmeet_node.protocol.wire.link import door_id
from onmeet_node.protocol.wire.vocabulary import BootstrapService

if TYPE_CHECKING:
    from onmeet_bootstrap.config.model import GuestsConfig
    from onmeet_bootstrap.gateway.doors import Passage

    GatewayConfig: TypeAlias = GuestsConfig

OWN = "own"
"""In place of a gateway's PeerId."""
OPERATOR = "the host of this call"


class GatewayFailed(OnMeetError):
    """Guests cannot be let in as the command line says."""


class _End(trio.abc.Stream):
    """One end of a pipe in this process."""

    def __init__(self, socket: trio.socket.SocketType) -> None:
        self._stream = trio.SocketStream(socket)

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """See `trio.abc.SendStream`."""
        await self._stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        """See `trio.abc.SendStream`."""
        await self._stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """See `trio.abc.ReceiveStream`."""
        return await self._stream.receive_some(max_bytes)

    def abort(self) -> None:
        """Closes both ways at once."""
        self._stream.socket.close()

    async def aclose(self) -> None:
        """See `trio.abc.AsyncResource`."""
        await self._stream.aclose()


class OwnDoors:
    """The node's doors at its own gateway, as `onmeet_bootstrap.gateway.doors.Doors` there."""

    def __init__(self) -> None:
        self.origin = ""
        self._open: dict[bytes, HostDoor] = {}

    def __len__(self) -> int:
        return len(self._open)

    @asynccontextmanager
    async def open(self, secret: bytes) -> AsyncIterator[HostDoor]:
        """A door while the block lasts. Raises RelayUnavailable if it is open."""
        door = HostDoor(door_id(secret), OWN)
        if door.id in self._open:
            raise RelayUnavailable("that door is open already")
        door.origin = self.origin
        self._open[door.id] = door
        try:
            yield door
        finally:
            del self._open[door.id]
            door.gone.set()
            door.arrive.close()

    @asynccontextmanager
    async def enter(self, name: bytes) -> AsyncIterator[Passage]:
        """A guest's way to us. Raises `NoSuchDoor`, and `Exhausted` when too many wait."""
        from onmeet_bootstrap.errors import Exhausted
        from onmeet_bootstrap.gateway.doors import NoSuchDoor, Passage

        door = self._open.get(name)
        if door is None:
            raise NoSuchDoor
        theirs, ours = map(_End, trio.socket.socketpair())
        try:
            # Driven by guests, of this one door: too many at once, and the newest is turned away.
            door.arrive.send_nowait(GuestStream(ours))
        except (trio.WouldBlock, trio.BrokenResourceError, trio.ClosedResourceError):
            raise Exhausted("too many guests at once") from None
        try:
            yield Passage(theirs, door.gone)
        finally:
            theirs.abort()


@asynccontextmanager
async def open_own_gateway(config: GuestsConfig) -> AsyncIterator[OwnDoors]:
    """Serves the guest page and this node's doors while the block runs.

    Raises `GatewayFailed`.
    """
    from onmeet_bootstrap.errors import BootstrapError
    from onmeet_bootstrap.gateway.server import open_gateway

    from onmeet_node import guest_page

    doors = OwnDoors()
    facts = {
        "operator": OPERATOR,
        "region": "",
        "services": [BootstrapService.GUESTS],
        "policy_version": 0,
    }
    async with AsyncExitStack() as stack:
        try:
            gateway = await stack.enter_async_context(
                open_gateway(config, doors, guest_page.files(), facts)
            )
        except BootstrapError as error:
            raise GatewayFailed(str(error)) from error
        doors.origin = gateway.origin
        yield doors


def gateway_config(where: str, origin: str, certificate: str, key: str) -> GuestsConfig:
    """As the command line has it. Raises `GatewayFailed` for what browsers would not use."""
    from onmeet_bootstrap.config.fields import HostPorts, Origin
    from onmeet_bootstrap.config.model import GuestsConfig
    from onmeet_bootstrap.errors import BootstrapError
    from onmeet_bootstrap.preflight import check_guests

    try:
        config = GuestsConfig(
            serve=True,
            listen=HostPorts().check([where], "--guests-on"),
            origin=Origin().check(origin, "--guests-origin"),
            certificate=certificate,
            key=key,
        )
        check_guests(config)
    except BootstrapError as error:
        raise GatewayFailed(f"{error} (onmeet up --guests-origin, --guests-certificate)") from error
    return config
