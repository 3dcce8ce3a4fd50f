"""Commands about the node itself."""

from __future__ import annotations

from pathlib import Path

from onmeet_node.control.door import Door, WrongDoor
from onmeet_node.control.requests import node as ask
from onmeet_node.control.views import AppAddress, Exported
from onmeet_node.errors import OnMeetError
from onmeet_node.findings import Finding
from onmeet_node.node.views import NodeSettings, NodeStatus


class NoApp(OnMeetError):
    """The node was started without the local app."""


async def show_status(door: Door, _: ask.ShowStatus) -> NodeStatus:
    """See `ShowStatus`."""
    return await door.node.status_with_media()


async def watch(door: Door, _: ask.Watch) -> None:
    """See `Watch`."""
    if door.tell is None:
        raise WrongDoor("Events cannot be followed from here.")
    with door.node.watch() as events:
        async for event in events:
            await door.tell(event)


async def change_settings(door: Door, request: ask.ChangeSettings) -> NodeSettings:
    """See `ChangeSettings`. Raises `BadAddress`."""
    return door.node.change_settings(
        relay_only=request.relay_only,
        region=request.region,
        add_bootstrap=request.add_bootstrap,
        remove_bootstrap=request.remove_bootstrap,
    )


async def examine(door: Door, _: ask.Examine) -> list[Finding]:
    """See `Examine`."""
    return await door.node.examine()


async def export(door: Door, request: ask.Export) -> Exported:
    """See `Export`. Raises `BadPassphrase`, and what the disk has to say."""
    await door.node.export(Path(request.path), request.passphrase)
    return Exported(path=request.path)


async def open_app(door: Door, _: ask.OpenApp) -> AppAddress:
    """See `OpenApp`."""
    if door.open_app is None:
        raise NoApp("This node runs without its app. Stop it and start it with: onmeet up --app")
    return AppAddress(url=door.open_app())


async def stop(door: Door, _: ask.Stop) -> None:
    """See `Stop`."""
    door.node.stop()


COMMANDS = (
    show_status,
    watch,
    change_settings,
    examine,
    export,
    open_app,
    stop,
)
