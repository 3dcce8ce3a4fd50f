"""What publishing and looking up needs: the DHT, and the person's list of devices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from onmeet_node.protocol.identity.devices import DeviceList
from onmeet_node.protocol.identity.record import Presence


class Records(Protocol):
    """The part of `net.libp2p.host.Host` that records need; `testing.dht.FakeDht` is one."""

    async def put(self, key: str, value: bytes) -> int:
        """How many other peers hold it now. Raises NetError if none does."""
        ...

    async def get(self, key: str) -> bytes | None:
        """The newest valid one in the network."""
        ...


class OwnList(Protocol):
    """The person's list of devices: `contacts.own_devices.OwnDevices`, or `NoList`."""

    def signed(self) -> bytes:
        """The newest, as it goes into records; empty if there is none."""
        ...

    def learn(self, offered: DeviceList) -> bool:
        """What a record in the network has."""
        ...

    def looked(self) -> None:
        """The network was asked for what other devices signed, and `learn` was given it."""
        ...

    def mine(self, presences: Sequence[Presence]) -> tuple[Presence, ...]:
        """Those of a record's devices that are still the person's."""
        ...


class NoList:
    """`OwnList` where nobody has devices: of load, and of tests of records."""

    def signed(self) -> bytes:
        """See `OwnList`."""
        return b""

    def learn(self, offered: DeviceList) -> bool:
        """See `OwnList`."""
        del offered
        return False

    def looked(self) -> None:
        """See `OwnList`."""

    def mine(self, presences: Sequence[Presence]) -> tuple[Presence, ...]:
        """See `OwnList`."""
        return tuple(presences)
