"""Links for guests: a gateway whose connection breaks while it is asked is asked again."""

from __future__ import annotations

import trio
import trio.testing

from onmeet_node.errors import OnMeetError
from onmeet_node.events import Hub
from onmeet_node.guests.errors import NoGateway
from onmeet_node.guests.links import Links
from onmeet_node.net.errors import BootstrapRefused, RelayInterrupted
from onmeet_node.store import Store
from tests.fakes.guests import FakeGateways


async def new_link(store: Store, gate: FakeGateways) -> str | OnMeetError:
    """The URL of a fresh link, or why there is none."""

    async def nothing(*_: object) -> None:
        await trio.lowlevel.checkpoint()

    links = Links(store, gate, Hub(), now=lambda: 1_000, serve=nothing, send_away=nothing)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(links.run)
        await trio.testing.wait_all_tasks_blocked()
        try:
            made: str | OnMeetError = (await links.new("Tuesday")).url
        except OnMeetError as error:
            made = error
        nursery.cancel_scope.cancel()
    return made


async def test_a_link_comes_into_being_though_the_way_to_its_gateway_breaks(
    store: Store, autojump_clock: trio.abc.Clock
) -> None:
    gate = FakeGateways(iter([RelayInterrupted("it went away"), RelayInterrupted("and again")]))
    assert str(await new_link(store, gate)).startswith("https://gateway.example")
    assert gate.asked == 3


async def test_a_gateway_that_never_answers_is_given_up_with_a_remedy(
    store: Store, autojump_clock: trio.abc.Clock
) -> None:
    gate = FakeGateways(iter(lambda: RelayInterrupted("it went away"), None))
    refused = await new_link(store, gate)
    assert isinstance(refused, NoGateway)
    assert "onmeet doctor" in str(refused)
    assert 3 < gate.asked < 12
    assert not store.links.list()


async def test_a_gateway_that_refuses_is_asked_once(
    store: Store, autojump_clock: trio.abc.Clock
) -> None:
    gate = FakeGateways(iter([BootstrapRefused("it lets no guests in")]))
    assert isinstance(await new_link(store, gate), BootstrapRefused)
    assert gate.asked == 1
