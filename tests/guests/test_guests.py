"""Guests at the doors of a node, over streams in memory: what time and other guests do to them."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import pytest
import trio

from onmeet_node.calls.options import CallOptions
from onmeet_node.calls.runner import CallRunner
from onmeet_node.events import Hub, Knocked, KnockOver, NodeEvent
from onmeet_node.guests.admission import COMING_SECONDS, LEND_SECONDS, LOOK_SECONDS
from onmeet_node.guests.admitted import AdmittedGuests
from onmeet_node.guests.call_transport import GuestTransport
from onmeet_node.guests.guests import Guests
from onmeet_node.guests.visit import PATIENCE
from onmeet_node.media.endpoint import PathLost
from onmeet_node.net.bootstraps.turn import TurnServer
from onmeet_node.net.channels.channel import Timing
from onmeet_node.node.call_router import CallRouter
from onmeet_node.protocol.call import timing
from onmeet_node.protocol.call.effects import EndReason, State
from onmeet_node.protocol.call.events import Identity
from onmeet_node.protocol.call.node_calls import NodeCalls
from onmeet_node.protocol.wire import messages as m
from onmeet_node.protocol.wire.messages import CallId, Card, Kind
from onmeet_node.store import Store
from onmeet_node.testing.media import description
from tests.fakes.calls import FakeLedger, FakeSetup, Phones
from tests.fakes.guests import FakeGateways, Visitor

SOON = 1.0
BEGAN = 1_800_000_000
TURN = (TurnServer("turn:turn.example", "name", "word"),)


async def lends() -> tuple[TurnServer, ...]:
    await trio.lowlevel.checkpoint()
    return TURN


async def answers_nothing(_: m.Message) -> None:
    await trio.sleep_forever()


class Host:
    """What a node has of guests, with real calls and a real store."""

    def __init__(
        self,
        store: Store,
        nursery: trio.Nursery,
        lend: Callable[[], Awaitable[tuple[TurnServer, ...]]],
    ) -> None:
        began = trio.current_time()
        self.store = store
        self.gateways = FakeGateways()
        self.hub: Hub[NodeEvent] = Hub()
        self.setup, self.ledger = FakeSetup(), FakeLedger()
        self.admitted = AdmittedGuests()
        people = Phones(nursery).add("host")  # who are in none of these calls
        self.runner = CallRunner(
            NodeCalls(Identity(b"h" * 32)),
            CallRouter(people, GuestTransport(self.admitted)),
            self.setup,
            self.ledger,
            self.hub,
            nursery,
        )
        self.guests = Guests(
            store,
            self.gateways,
            self.hub,
            self.runner,
            self.admitted,
            lend=lend,
            now=lambda: BEGAN + int(trio.current_time() - began),
            card=lambda: Card(name="Hedda"),
            wish=CallOptions,
        )
        nursery.start_soon(self.runner.run_timers)
        nursery.start_soon(self.guests.run)
        self.events = self.hub.open()

    def told(self) -> list[NodeEvent]:
        """What the host's person was told of knocks since this was asked last."""
        found = []
        while self.events.statistics().current_buffer_used:
            event = self.events.receive_nowait()
            if isinstance(event, Knocked | KnockOver):
                found.append(event)
        return found


@pytest.fixture
async def host(store: Store) -> AsyncIterator[Host]:
    async with trio.open_nursery() as nursery:
        yield Host(store, nursery, lends)
        nursery.cancel_scope.cancel()


async def link(host: Host, **options: object) -> str:
    while host.guests.links._nursery is None:
        await trio.lowlevel.checkpoint()
    made = await host.guests.links.new("Tuesday", **options)  # type: ignore[arg-type]
    return made.url


async def knock(line: Visitor, name: str, ticket: bytes | None = None) -> m.Message:
    """The host's first word to a knock."""
    await line.say(m.Knock(name=name, ticket=ticket))
    return await line.hear()


async def call(line: Visitor) -> CallId:
    """Somebody who was let in begins their call; once the host's side is there."""
    number = CallId(secrets.token_bytes(16))
    await line.say(m.Invite(call=number, kinds=(Kind.AUDIO,), sdp=description()))
    answer = await line.hear_one(m.Answer)
    assert answer.call == number
    return number


async def test_who_is_let_in_is_taken_at_once_and_the_others_wait_until_it_is_over(
    host: Host, autojump_clock: object
) -> None:
    url = await link(host, once=False)
    gateways, guests = host.gateways, host.guests
    async with gateways.come(url) as gerda, gateways.come(url) as hanna:
        assert gerda.welcome.knock
        assert gerda.welcome.card.name == "Hedda"
        assert await knock(gerda, "Gerda") == m.Wait(state=m.WaitState.DELIVERED)
        assert await knock(hanna, "Hanna") == m.Wait(state=m.WaitState.DELIVERED)
        guests.admit(guests.who("Gerda"))
        admit = await gerda.hear_one(m.Admit)
        assert [server.url for server in admit.servers] == [TURN[0].url]
        assert await hanna.hear() == m.Wait(state=m.WaitState.BUSY)
        number = await call(gerda)
        theirs = host.runner.calls[number]
        await theirs.connected()
        assert theirs.state is State.CONNECTED
        assert {guest.name: guest.state for guest in guests.waiting()} == {
            "Gerda": "in",
            "Hanna": "knocking",
        }
        await gerda.say(m.Hangup(call=number))
        assert await theirs.ended() is EndReason.PEER_HUNG_UP
        assert await hanna.hear() == m.Wait(state=m.WaitState.DELIVERED)
        assert isinstance(await gerda.hear(), m.Bye)
        assert not list(host.admitted), "nothing of her is kept"
        with host.runner.calls.ringer():
            assert await hanna.hear() == m.Wait(state=m.WaitState.SHOWN)
    outcomes = [event.outcome for event in host.told() if isinstance(event, KnockOver)]
    assert outcomes == ["admitted"]
    await trio.sleep(SOON)
    assert [event.outcome for event in host.told() if isinstance(event, KnockOver)] == ["left"]


async def test_who_was_let_in_and_begins_no_call_keeps_the_door_for_twenty_seconds(
    host: Host, autojump_clock: object
) -> None:
    url = await link(host, once=False, knock=False)
    async with host.gateways.come(url) as gerda, host.gateways.come(url) as hanna:
        assert isinstance(await knock(gerda, "Gerda"), m.Admit)
        began = trio.current_time()
        assert await knock(hanna, "Hanna") == m.Wait(state=m.WaitState.BUSY)
        assert isinstance(await gerda.hear(), m.Bye)
        waited = trio.current_time() - began
        assert COMING_SECONDS <= waited <= COMING_SECONDS + LOOK_SECONDS + SOON
        assert isinstance(await hanna.hear(), m.Admit), "now it is hers"
        assert host.runner.calls.get(await call(hanna)) is not None


async def test_a_bootstrap_that_lends_nothing_holds_a_guest_up_for_seconds(
    store: Store, autojump_clock: object
) -> None:
    async with trio.open_nursery() as nursery:
        host = Host(store, nursery, trio.sleep_forever)  # type: ignore[arg-type]
        url = await link(host, knock=False)
        async with host.gateways.come(url) as gerda:
            began = trio.current_time()
            admit = await knock(gerda, "Gerda")
            assert isinstance(admit, m.Admit)
            assert admit.servers == ()
            assert trio.current_time() - began == pytest.approx(LEND_SECONDS, abs=SOON)
        nursery.cancel_scope.cancel()


async def test_a_link_that_expires_sends_those_away_who_wait_and_nobody_who_is_in(
    host: Host, autojump_clock: object
) -> None:
    url = await link(host, once=False, seconds=3_600)
    async with AsyncExitStack() as stay:
        gerda = await stay.enter_async_context(host.gateways.come(url))
        await knock(gerda, "Gerda")
        host.guests.admit(host.guests.who("Gerda"))
        await gerda.hear_one(m.Admit)
        number = await call(gerda)
        await host.runner.calls[number].connected()
        await trio.sleep(3_590)
        hanna = await stay.enter_async_context(host.gateways.come(url))
        assert await knock(hanna, "Hanna") == m.Wait(state=m.WaitState.BUSY)
        assert await hanna.hear() == m.Deny(reason=m.DenyReason.EXPIRED)
        assert not host.store.links.list()
        assert not host.guests.links.list()
        late = await stay.enter_async_context(host.gateways.come(url))
        assert await late.hear() == m.Deny(reason=m.DenyReason.LINK_CLOSED), "nobody new"
        assert host.runner.calls[number].state is State.CONNECTED
        assert host.gateways.doors, "the door is there for as long as she is: her line may break"
        await gerda.say(m.Hangup(call=number))
        await gerda.hear_one(m.Bye)
        await trio.sleep(SOON)
        assert not host.gateways.doors


async def test_a_guest_for_whom_nobody_opens_is_sent_away_after_ten_minutes(
    host: Host, autojump_clock: object
) -> None:
    url = await link(host)
    async with host.gateways.come(url) as gerda:
        began = trio.current_time()
        await knock(gerda, "Gerda")
        assert await gerda.hear() == m.Deny(reason=m.DenyReason.NO_ANSWER)
        assert trio.current_time() - began == pytest.approx(PATIENCE, abs=SOON)
    async with host.gateways.come(url) as gerda:
        await knock(gerda, "Gerda")  # and may come again


async def test_a_line_that_broke_is_taken_up_with_its_ticket_and_the_call_goes_on(
    host: Host, autojump_clock: object
) -> None:
    url = await link(host)
    async with host.gateways.come(url) as line:
        await knock(line, "Gerda")
        host.guests.admit(host.guests.who(""))
        admit = await line.hear_one(m.Admit)
        number = await call(line)
        theirs = host.runner.calls[number]
        await theirs.connected()
    await trio.sleep(timing.RECONNECT / 2)
    assert theirs.state is State.CONNECTED, "media goes on meanwhile"
    async with host.gateways.come(url) as line:
        wrong = await knock(line, "Mallory", secrets.token_bytes(m.TICKET_BYTES))
        assert wrong == m.Deny(reason=m.DenyReason.LINK_CLOSED), "it was for one"
    async with host.gateways.come(url) as line:
        again = await knock(line, "Gerda", admit.ticket)
        assert again == admit
        theirs.hang_up()
        assert (await line.hear_one(m.Hangup)).call == number


async def test_a_guest_who_went_without_a_word_is_given_up_with_their_media(
    host: Host, autojump_clock: object
) -> None:
    url = await link(host, once=False, knock=False)
    async with host.gateways.come(url) as line:
        await knock(line, "Gerda")
        theirs = host.runner.calls[await call(line)]
        await theirs.connected()
    host.setup.media.reaches = False
    host.setup.media.sessions[-1].tell(PathLost())
    began = trio.current_time()
    assert await theirs.ended() is EndReason.CONNECTION_LOST
    assert trio.current_time() - began == pytest.approx(timing.RECONNECT, abs=SOON)
    async with host.gateways.come(url) as line:
        assert isinstance(await knock(line, "Hanna"), m.Admit)
    assert [guest.name for guest in host.admitted] == ["Hanna"], "nothing is kept of the other"


async def test_who_was_sent_out_of_the_call_makes_everybody_knock_at_that_link(
    host: Host, autojump_clock: object
) -> None:
    url = await link(host, once=False, knock=False)
    async with host.gateways.come(url) as line:
        await knock(line, "Gerda")
        theirs = host.runner.calls[await call(line)]
        host.guests.deny(host.guests.who("Gerda"))
        assert (await line.hear_one(m.Deny)).reason is m.DenyReason.REMOVED
        assert await theirs.ended() is EndReason.HUNG_UP
    async with host.gateways.come(url) as line:
        assert line.welcome.knock
        assert await knock(line, "Gerda again") == m.Wait(state=m.WaitState.DELIVERED)


async def test_the_node_stops_and_each_guest_hears_so(host: Host, autojump_clock: object) -> None:
    url = await link(host, once=False)
    async with host.gateways.come(url) as gerda, host.gateways.come(url) as silent:
        await knock(gerda, "Gerda")
        silent._line.say = answers_nothing  # type: ignore[method-assign]
        began = trio.current_time()
        await host.guests.say_goodbye()
        waited = trio.current_time() - began
        assert waited == pytest.approx(Timing().close, abs=0.1), "for one who answers nothing"
        assert isinstance(await gerda.hear(), m.Bye)
        with pytest.raises(trio.EndOfChannel):
            await gerda.hear()
    await trio.sleep(SOON)
    assert not host.guests.waiting()
