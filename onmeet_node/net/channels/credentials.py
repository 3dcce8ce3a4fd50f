"""With which keys a side speaks on sealed channels, and whose keys it takes for whose.

Noise's static key is a *device's*. Whether a device speaks for a person is told by the list in its
Hello, which the person's identity key signed; in rooms everybody has one key, which is both.
"""

from __future__ import annotations

from typing import Protocol

import attrs

from onmeet_node.protocol.call.events import Device, Identity
from onmeet_node.protocol.identity.keys import IdentityKey
from onmeet_node.protocol.wire.errors import HandshakeError
from onmeet_node.protocol.wire.messages import Hello


class Credentials(Protocol):
    """`KeyAlone` of a room, `contacts.known_devices.DeviceCredentials` of people."""

    @property
    def identity(self) -> Identity:
        """Who we are to the other side."""
        ...

    @property
    def device(self) -> IdentityKey:
        """The key that Noise proves."""
        ...

    def introduce(self, hello: Hello) -> Hello:
        """Our Hello with what shows that the device is the identity's."""
        ...

    def key_of(self, identity: Identity, device: Device) -> bytes:
        """The device key that is expected of a device, 32 bytes; a NetError if none is known."""
        ...

    def check(self, identity: Identity, key: bytes, hello: Hello) -> None:
        """Whether the device with this proven key speaks for `identity`.

        Raises HandshakeError, or IdentityError where its list is not to be believed.
        """
        ...

    def met(self, identity: Identity, device: Device, key: bytes) -> None:
        """A channel to this device is open, and its key is that one."""
        ...


@attrs.frozen
class KeyAlone:
    """One key that is identity and device in one, on both sides: `Credentials` of a room."""

    device: IdentityKey

    @property
    def identity(self) -> Identity:
        """See `Credentials`."""
        return Identity(self.device.public)

    def introduce(self, hello: Hello) -> Hello:
        """See `Credentials`: there is nothing to add."""
        return hello

    def key_of(self, identity: Identity, device: Device) -> bytes:
        """See `Credentials`."""
        del device
        return identity

    def check(self, identity: Identity, key: bytes, hello: Hello) -> None:
        """See `Credentials`."""
        del hello
        if key != identity:
            raise HandshakeError("the identity is not the one that was proven")

    def met(self, identity: Identity, device: Device, key: bytes) -> None:
        """See `Credentials`: there is nothing to remember."""
