"""A person of one device, without a home: the `Credentials` of somebody whom a test makes up."""

from __future__ import annotations

import time

import attrs

from onmeet_node.protocol.call.events import Device, Identity
from onmeet_node.protocol.identity.devices import (
    DeviceDetails,
    DeviceList,
    judge,
    read_list,
    require_listed,
    sign_list,
)
from onmeet_node.protocol.identity.keys import IdentityKey
from onmeet_node.protocol.wire.errors import HandshakeError
from onmeet_node.protocol.wire.messages import Hello


class MadeUpPerson:
    """Believes every list that is signed and in force, and knows the device keys it is told."""

    def __init__(
        self,
        key: IdentityKey,
        device: IdentityKey | None = None,
        *,
        devices: DeviceList | None = None,
        keys: dict[Device, bytes] | None = None,
    ) -> None:
        self.key = key
        self.device = device or IdentityKey(bytes(a ^ 1 for a in key.seed))
        now = int(time.time())
        self.devices = devices or sign_list(key, [self.device.public], DeviceDetails(), now=now)
        self.keys = keys if keys is not None else {}

    @property
    def identity(self) -> Identity:
        return Identity(self.key.public)

    def introduce(self, hello: Hello) -> Hello:
        return attrs.evolve(hello, device=self.device.public, devices=self.devices.signed)

    def key_of(self, identity: Identity, device: Device) -> bytes:
        return self.keys[device]

    def check(self, identity: Identity, key: bytes, hello: Hello) -> None:
        if hello.devices is None:
            raise HandshakeError("it shows no list of devices")
        offered = read_list(identity, hello.devices)
        require_listed(judge(offered, None, now=int(time.time())), key)

    def met(self, identity: Identity, device: Device, key: bytes) -> None:
        self.keys[device] = key
