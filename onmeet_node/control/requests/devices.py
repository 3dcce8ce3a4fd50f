"""What is asked about the devices of this person."""

from __future__ import annotations

import attrs

from onmeet_node.control.shapes import Request, number
from onmeet_node.protocol.identity.devices import MAX_DEVICE_NAME_CHARS
from onmeet_node.protocol.wire.fields import Flag, Text, field

DEVICE = Text(1, 64)
"""The name of a device, or how its key begins."""
DEVICE_NAME = Text(1, MAX_DEVICE_NAME_CHARS)


@attrs.frozen(kw_only=True)
class ListDevices(Request):
    """The devices of this person."""

    id: int = number()


@attrs.frozen(kw_only=True)
class RevokeDevice(Request):
    """Takes a device off the list for good: contacts refuse it once they have the new list."""

    id: int = number()
    device: str = field(DEVICE)


@attrs.frozen(kw_only=True)
class AddDevice(Request):
    """Links the new device that says this code: its words are told (`link-words`), and what
    `confirm-device` says of them is waited for.
    """

    id: int = number()
    code: str = field(Text(1, 120))


@attrs.frozen(kw_only=True)
class ConfirmDevice(Request):
    """Whether the words of the device that is being linked are the same on both."""

    id: int = number()
    yes: bool = field(Flag())
