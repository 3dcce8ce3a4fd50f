"""Links for guests: a gateway whose connection breaks while it is asked is asked again."""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
import trio.testing

from onmeet_node.errors import OnMeetError
from onmeet_node.events import Hub
from onmeet_node.guests.errors import NoGateway
from onmeet_node.guests.links import Links
from onmeet_node.net.bootstraps.doors import HostDoor
from onmeet_node.net.errors import BootstrapRefused, NetError, RelayInterrupted
from onmeet_node.store import KeyFile, Store, create_home, open_home


class Gate:
    """A gateway that meets these failures, one at each question, and then opens a door."""

    def __init__(self, failures: Iterator[NetError]) -> None:
        self._failures = failures
        self.asked = 0

    def gateways(self) -> tuple[str, ...]:
        return ("gateway",)

    async def gateways_changed(self) -> None:
        await trio.sleep_forever()

    @asynccontextmanager
    async def open_door(self, gateway: str, secret: bytes) -> AsyncIterator[HostDoor]:
        self.asked += 1
        await trio.lowlevel.checkpoint()
        if (failure := next(self._failures, None)) is not None:
            raise failure
        door = HostDoor(secret[:16], gateway)
        door.origin = "https://gateway.example"
        yield door


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    create_home(tmp_path / "home", KeyFile(), secrets.token_bytes(32), now=int(time.time()))
    with open_home(tmp_path / "home", KeyFile()) as opened:
        yield opened


async def new_link(store: Store, gate: Gate) -> str | OnMeetError:
    """The URL of a fresh link, or why there is none."""

    async def nothing(*_: object) -> None:
        await trio.lowlevel.checkpoint()

    links = Links(store, gate, Hub(), now=lambda: 1_000, serve=nothing, send_away=nothing)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(links.run)
        await trio.testing.wait_all_tasks_blocked()
        try:
            made: str | OnMeetError = (await links.new("Tuesday"))["url"]
        except OnMeetError as error:
            made = error
        nursery.cancel_scope.cancel()
    return made


async def test_a_link_comes_into_being_though_the_way_to_its_gateway_breaks(
    store: Store, autojump_clock: trio.abc.Clock
) -> None:
    gate = Gate(iter([RelayInterrupted("it went away"), RelayInterrupted("and again")]))
    assert str(await new_link(store, gate)).startswith("https://gateway.example")
    assert gate.asked == 3


async def test_a_gateway_that_never_answers_is_given_up_with_a_remedy(
    store: Store, autojump_clock: trio.abc.Clock
) -> None:
    gate = Gate(iter(lambda: RelayInterrupted("it went away"), None))
    refused = await new_link(store, gate)
    assert isinstance(refused, NoGateway)
    assert "onmeet doctor" in str(refused)
    assert 3 < gate.asked < 12
    assert not store.links.list()


async def test_a_gateway_that_refuses_is_asked_once(
    store: Store, autojump_clock: trio.abc.Clock
) -> None:
    gate = Gate(iter([BootstrapRefused("it lets no guests in")]))
    assert isinstance(await new_link(store, gate), BootstrapRefused)
    assert gate.asked == 1
