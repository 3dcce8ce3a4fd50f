"""Commands about the devices of this person."""

from __future__ import annotations

from onmeet_node.contacts.own_devices import DeviceView
from onmeet_node.control.door import Door, WrongDoor
from onmeet_node.control.requests import devices as ask
from onmeet_node.control.views import DeviceRevoked
from onmeet_node.events import LinkWordsShown


async def list_devices(door: Door, _: ask.ListDevices) -> list[DeviceView]:
    """See `ListDevices`."""
    return list(door.node.devices.all())


async def revoke_device(door: Door, request: ask.RevokeDevice) -> DeviceRevoked:
    """See `RevokeDevice`. Raises `NoSuchDevice`, `NotHere`."""
    gone = door.node.devices.revoke(request.device)
    codes = door.node.people.codes.live()
    return DeviceRevoked(device=gone.name, codes=tuple(code.label for code in codes if code.label))


async def add_device(door: Door, request: ask.AddDevice) -> DeviceView:
    """See `AddDevice`. Raises `NotHere`, `TooManyDevices`, `CodeError`, `LinkFailed`."""
    tell = door.tell
    if tell is None:
        raise WrongDoor("A device cannot be linked through this door.")

    async def show(words: tuple[str, ...], name: str) -> None:
        await tell(LinkWordsShown(words=words, device=name))

    return await door.node.device_links.add(request.code, show)


async def confirm_device(door: Door, request: ask.ConfirmDevice) -> None:
    """See `ConfirmDevice`. Raises `LinkFailed` if nothing is asked."""
    door.node.device_links.answer(yes=request.yes)


COMMANDS = (list_devices, revoke_device, add_device, confirm_device)
