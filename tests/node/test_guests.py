"""Guests at a real node through a real gateway: they knock, come in, are sent away, are forgotten.

The guest is `joining.line`: the page's protocol without a browser. Its media is aiortc.
"""

from __future__ import annotations

import os
import secrets
import socket
from contextlib import AsyncExitStack, asynccontextmanager
from typing import ClassVar

import attrs
import pytest
import trio
import trio.testing
from onmeet_bootstrap.api import BootstrapApi
from onmeet_bootstrap.config.model import ephemeral_config
from onmeet_bootstrap.gateway.doors import DoorLimits, Doors
from onmeet_bootstrap.gateway.server import Gateway, open_gateway
from onmeet_bootstrap.host import open_bootstrap_host, remote_address

from onmeet_node.calls.kept_receipts import receipts_told
from onmeet_node.calls.views import MissingReceipt
from onmeet_node.config import Config
from onmeet_node.errors import OnMeetError
from onmeet_node.guests import admission
from onmeet_node.guests.admission import KEPT_AT_EACH_LINK, MAX_AT_ONE_LINK, MAX_VISITS
from onmeet_node.guests.call_transport import GuestTransport
from onmeet_node.guests.errors import HostInCall, NoGateway, NoSuchLink
from onmeet_node.guests.handler import MAX_NAME_CHARS
from onmeet_node.joining.join import join
from onmeet_node.joining.line import DoorClosed, open_line
from onmeet_node.joining.options import GuestOptions
from onmeet_node.media.endpoint import FirstFrame, SessionConfig
from onmeet_node.media.engine.endpoint import open_endpoint
from onmeet_node.net.channels.channel import End
from onmeet_node.node.opening import open_node
from onmeet_node.protocol.call.authentication import commitment
from onmeet_node.protocol.call.effects import EndReason, State
from onmeet_node.protocol.identity.guest import is_guest
from onmeet_node.protocol.identity.safety import fingerprint_from_sdp, sas
from onmeet_node.protocol.wire import messages as m
from onmeet_node.protocol.wire.link import parse_link
from onmeet_node.protocol.wire.messages import CallId, Kind
from tests.node.conftest import befriend, make_home, told, until

pytestmark = pytest.mark.real

KINDS = tuple(Kind)


@pytest.fixture
def bootstrap_config():
    """A bootstrap with a door for guests, who all come from one address here."""
    config = ephemeral_config(guests=True)
    guests = attrs.evolve(
        config.guests, tries_per_minute=1e6, tries_burst=100_000, guests_per_network=256
    )
    return attrs.evolve(config, guests=guests)


async def the_link(node, **options):
    with trio.fail_after(15):
        while not node.guests.links.possible():
            await node._network.gateways_changed()
    return await node.guests.links.new("Tuesday", **options)


@asynccontextmanager
async def knocking(node, link, name="Gerda"):
    """A guest whose knock is shown."""
    async with open_line(link.url) as line:
        await line.say(m.Knock(name=name))
        with trio.fail_after(10):
            await line.hear_one(m.Wait)
        yield line


NONCE = b"n" * m.NONCE_BYTES


async def start_call(line, admit, session, *, offer=None):
    """What a page does when it was let in; gives the call's id and the host's answer."""
    call = CallId(secrets.token_bytes(16))
    offer = offer or await session.create_offer()
    committed = commitment(call, 0, NONCE)
    await line.say(m.Invite(call=call, kinds=KINDS, sdp=offer, commitment=committed))
    with trio.fail_after(15):
        answer = await line.hear_one(m.Answer)
    await line.say(m.Reveal(call=call, nonce=NONCE))
    await session.accept_answer(answer.sdp)
    await session.attach(frozenset(Kind))
    return call, offer, answer


@asynccontextmanager
async def a_session(**options):
    async with open_endpoint() as endpoint:
        config = SessionConfig(kinds=frozenset(Kind), source="test", **options)
        session = await endpoint.open_session(config)
        try:
            yield session
        finally:
            await session.aclose()


async def test_a_guest_sees_who_invites_them_knocks_and_talks(start):
    host = await start("Hedda", source="test")
    host.people.change_profile({}, {"name": "everyone"})
    link = await the_link(host)
    async with a_session() as session, open_line(link.url) as line:
        assert line.welcome.card.name == "Hedda"
        assert line.welcome.title == "Tuesday"
        assert line.welcome.knock
        with host.watch() as events:
            await line.say(m.Knock(name="  Gerda\u202e "))
            knock = await told(events, "knock")
        assert knock["guest_name"] == "Gerda"
        assert (await line.hear_one(m.Wait)).state is m.WaitState.DELIVERED
        guest = host.guests.who("Gerda")
        assert is_guest(guest)
        host.guests.admit(guest)
        with trio.fail_after(10):
            admit = await line.hear_one(m.Admit)
        assert admit.guest == guest
        call, offer, answer = await start_call(line, admit, session)
        running = host.calls[call]
        with trio.fail_after(20):
            seen = set()
            async for event in session.events:
                if isinstance(event, FirstFrame):
                    seen.add(event.kind)
                if seen == set(Kind):
                    break
            await running.connected()
        assert running.state is State.CONNECTED
        assert host.people.name_of(running.peer) == "Gerda"
        binding = b"".join(sorted((line.link.key, admit.guest)))
        certificates = fingerprint_from_sdp(offer), fingerprint_from_sdp(answer.sdp)
        await running.string.wait()
        assert running.sas == sas(binding, *certificates, (NONCE, answer.nonce))
        running.hang_up()
        with trio.fail_after(10):
            assert (await line.hear_one(m.Hangup)).reason is m.HangupReason.NORMAL
            assert isinstance(await line.hear(), m.Bye)
    await until(lambda: not host.guests.waiting(), "the guest is forgotten")
    [entry] = host.history.list(5)
    assert entry.with_ == "A guest"
    [record] = host._store.calls.list()
    assert record.came_by == f"link:{link.link}", "whose holders share a place in the history"
    await until(lambda: host.history.list(1)[0].receipts, "the bootstrap's receipt")
    [receipt] = host.history.list(1)[0].receipts
    assert (receipt.guests, receipt.doors, receipt.held) == (1, 1, 0)
    assert receipt.guest_bytes > 1_000
    lines = receipts_told([receipt, MissingReceipt("", "x" * 20, "gone")])
    assert "1 guest" in lines[0]
    assert lines[1].startswith("No receipt from the bootstrap")
    assert "Gerda" not in str(host.history.list(5))
    assert host.guests.links.list() == (), "a link for one use is gone with it"
    with pytest.raises(DoorClosed) as closed:
        async with open_line(link.url):
            pass
    assert closed.value.code == 4404


async def test_a_guest_who_is_denied_is_told_and_the_next_one_may_knock(start):
    host = await start("Hedda")
    link = await the_link(host, once=False)
    async with knocking(host, link, "Mallory") as line:
        host.guests.deny(host.guests.who(""))
        with trio.fail_after(5):
            assert (await line.hear_one(m.Deny)).reason is m.DenyReason.DENIED
    async with knocking(host, link, "Gerda"):
        assert [guest.name for guest in host.guests.waiting()] == ["Gerda"]


async def test_a_guest_who_is_sent_out_of_the_call_is_told_so(start):
    host = await start("Hedda", source="test")
    link = await the_link(host)
    async with a_session() as session, knocking(host, link) as line:
        guest = host.guests.who("")
        host.guests.admit(guest)
        with trio.fail_after(10):
            admit = await line.hear_one(m.Admit)
        call, *_ = await start_call(line, admit, session)
        running = host.calls[call]
        host.guests.deny(guest)
        with trio.fail_after(10):
            assert (await line.hear_one(m.Deny)).reason is m.DenyReason.REMOVED
            assert await running.ended() is EndReason.HUNG_UP
    await until(lambda: not host.guests.waiting(), "the guest is forgotten")


async def test_deny_and_close_the_link_tells_everybody_at_the_door(start):
    host = await start("Hedda")
    link = await the_link(host, once=False)
    async with knocking(host, link, "Mallory") as bad, knocking(host, link, "Gerda") as good:
        host.guests.deny(host.guests.who("Mallory"), close_link=True)
        with trio.fail_after(5):
            assert (await bad.hear_one(m.Deny)).reason is m.DenyReason.DENIED
            assert (await good.hear_one(m.Deny)).reason is m.DenyReason.LINK_CLOSED
    with pytest.raises(DoorClosed):
        async with open_line(link.url):
            pass


async def test_a_link_that_expires_while_a_guest_waits_says_so(start):
    host = await start("Hedda")
    link = await the_link(host, seconds=2)
    async with knocking(host, link) as line:
        with trio.fail_after(10):
            assert (await line.hear_one(m.Deny)).reason is m.DenyReason.EXPIRED
    assert host.guests.links.list() == ()


async def test_without_knocking_whoever_has_the_link_comes_in_one_at_a_time(start):
    host = await start("Hedda", source="test")
    link = await the_link(host, once=False, knock=False)
    async with a_session() as session, open_line(link.url) as line:
        assert not line.welcome.knock
        await line.say(m.Knock(name="Gerda"))
        with trio.fail_after(10):
            admit = await line.hear_one(m.Admit)
        call, *_ = await start_call(line, admit, session)
        async with knocking(host, link, "Second") as second:
            assert [g.state for g in host.guests.waiting()] == ["in", "knocking"]
            await line.say(m.Hangup(call=call))
            with trio.fail_after(10):
                await second.hear_one(m.Admit)


@pytest.mark.parametrize("inside", [True, False])
async def test_who_was_sent_away_does_not_walk_in_again_by_a_link_that_lets_in(start, inside):
    host = await start("Hedda", source="test")
    link = await the_link(host, once=False, knock=False)
    async with a_session() as session, open_line(link.url) as line:
        await line.say(m.Knock(name="Gerda"))
        with trio.fail_after(10):
            admit = await line.hear_one(m.Admit)
        await start_call(line, admit, session)
        if inside:
            host.guests.deny(host.guests.who("Gerda"))
            with trio.fail_after(10):
                assert (await line.hear_one(m.Deny)).reason is m.DenyReason.REMOVED
        else:
            async with knocking(host, link, "Mallory") as mallory:
                host.guests.deny(host.guests.who("Mallory"))
                with trio.fail_after(10):
                    assert (await mallory.hear_one(m.Deny)).reason is m.DenyReason.DENIED
            host.guests.deny(host.guests.who("Gerda"))
    await until(lambda: not host.guests.waiting(), "they have gone")
    async with open_line(link.url) as line:
        assert line.welcome.knock, "and the page says so"
        await line.say(m.Knock(name="Gerda"))
        with trio.fail_after(10):
            await line.hear_one(m.Wait)
        assert [g.state for g in host.guests.waiting()] == ["knocking"]
    assert host.guests.links.list()[0].knock, "the host sees what the link does now"
    assert [row.knock for row in host._store.links.list()] == [True], "after a restart, too"


async def test_a_guest_who_begins_no_call_keeps_the_door_from_nobody(start, monkeypatch):
    monkeypatch.setattr(admission, "COMING_SECONDS", 0.5)
    monkeypatch.setattr(admission, "LOOK_SECONDS", 0.1)
    host = await start("Hedda", source="test")
    link = await the_link(host, once=False, knock=False)
    over = CallId(secrets.token_bytes(16))
    invite = m.Invite(call=over, kinds=(Kind.AUDIO,))
    async with open_line(link.url) as line:
        await line.say(m.Knock(name="Gerda"))
        with trio.fail_after(20):
            await line.hear_one(m.Admit)
        await line.say(invite)
        await until(lambda: host.calls.get(over) is not None, "it is a call")
        await line.say(m.Hangup(call=over))
        await until(lambda: host.calls.get(over) is None, "it is over")
    async with open_line(link.url) as line:
        await line.say(m.Knock(name="Gerda"))
        with trio.fail_after(20):
            await line.hear_one(m.Admit)
        await line.say(invite)  # of the call that is over, which begins none
        async with open_line(link.url) as next_one:
            await next_one.say(m.Knock(name="Hanna"))
            with trio.fail_after(20):
                await next_one.hear_one(m.Admit)


async def test_nobody_is_let_in_while_another_call_is_on(start):
    host, friend = await start("Hedda"), await start("Frida")
    await befriend(friend, host)
    link = await the_link(host)
    async with friend.call(host.identity) as call:
        await until(lambda: any(c.state is State.RINGING_IN for c in host.calls), "it rings")
        async with open_line(link.url) as line:
            await line.say(m.Knock(name="Gerda"))
            with trio.fail_after(10):
                assert (await line.hear_one(m.Wait)).state is m.WaitState.BUSY
            with pytest.raises(HostInCall, match="End it first"):
                host.guests.admit(host.guests.who(""))
            call.hang_up()
            with trio.fail_after(10):
                assert (await line.hear_one(m.Wait)).state is m.WaitState.DELIVERED


async def test_a_guest_whose_line_breaks_comes_back_into_the_same_call(start):
    host = await start("Hedda", source="test")
    link = await the_link(host)
    async with a_session() as session:
        async with knocking(host, link) as line:
            host.guests.admit(host.guests.who(""))
            with trio.fail_after(10):
                admit = await line.hear_one(m.Admit)
            call, *_ = await start_call(line, admit, session)
            with trio.fail_after(20):
                await host.calls[call].connected()
        async with open_line(link.url) as line:
            await line.say(m.Knock(name="whoever", ticket=admit.ticket))
            with trio.fail_after(10):
                again = await line.hear_one(m.Admit)
            assert (again.guest, again.ticket) == (admit.guest, admit.ticket)
            assert host.calls[call].state in {State.CONNECTED, State.RECONNECTING}
            await line.say(m.Hangup(call=call))
            with trio.fail_after(10):
                assert await host.calls[call].ended() is EndReason.PEER_HUNG_UP


async def test_a_headless_guest_outlives_its_lines_too(start):
    host = await start("Hedda", source="test")
    link = await the_link(host, knock=False)
    heard: list[str] = []
    ended: list[str] = []

    async def come() -> None:
        visitor = GuestOptions(name="Gus", source="test")
        ended.append(await join(link.url, visitor, lambda event, **_: heard.append(event)))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(come)
        await until(lambda: "connected" in heard, "they talk")
        (guest,) = host.guests._admitted
        call = host.calls[guest.call]
        for line in (2, 3):
            guest.visit.channel.fail(End.LOST)
            await until(lambda line=line: heard.count("admitted") == line, f"line {line}")
        assert call.state is State.CONNECTED
        call.hang_up()
    assert ended == ["normal"]
    assert heard.count("trying") >= 2
    assert heard.count("connected") == 1, "media went on"


async def test_a_guest_without_a_browser_takes_what_the_host_offers_anew(start):
    host = await start("Hedda", source="test")
    link = await the_link(host, knock=False)
    heard, ended = [], []

    async def come() -> None:
        visitor = GuestOptions(name="Gus", source="test")
        ended.append(await join(link.url, visitor, lambda *event, **of: heard.append((*event, of))))

    def told(kind):
        return [of for event, of in heard if event == kind]

    async with trio.open_nursery() as nursery:
        nursery.start_soon(come)
        await until(lambda: told("connected") and told("answered"), "they talk")
        (guest,) = host.guests._admitted
        call = host.calls[guest.call]
        await until(lambda: call.sas is not None, "and have a number")
        first = call.session
        assert told("answered") == [{"sas": call.sas}]
        for again in (2, 3):
            call.restart_media()
            await until(lambda again=again: len(told("connected")) == again, "a new path")
            await until(lambda again=again: len(told("answered")) == again, "a new number")
            await until(lambda: call.sas == told("answered")[-1]["sas"], "the same there")
        assert call.state is State.CONNECTED
        assert call.session is not first
        assert len({of["sas"] for of in told("answered")}) == 3
        call.hang_up()
    assert ended == ["normal"]


async def test_a_call_that_is_given_up_while_its_guest_is_away_leaves_nothing_running(start):
    host = await start("Hedda", source="test")
    link = await the_link(host, once=False)
    async with a_session() as session:
        async with knocking(host, link) as line:
            host.guests.admit(host.guests.who(""))
            with trio.fail_after(10):
                admit = await line.hear_one(m.Admit)
            call, *_ = await start_call(line, admit, session)
            running = host.calls[call]
            with trio.fail_after(20):
                await running.connected()
        await until(
            lambda: host.guests._admitted.get(admit.guest).visit is None, "the line is gone"
        )
        found: list[object] = []
        async with trio.open_nursery() as nursery:
            nursery.start_soon(
                GuestTransport(host.guests._admitted).find, admit.guest, found.append
            )
            await trio.testing.wait_all_tasks_blocked(0.05)
            running.hang_up()
            with trio.fail_after(5):
                await running.ended()
                while nursery.child_tasks:  # noqa: ASYNC110 - a task has no event
                    await trio.sleep(0.01)
        assert found == []
        assert not host.guests.waiting()


async def test_a_frame_that_somebody_altered_ends_the_call_with_a_reason(start):
    host = await start("Hedda", source="test")
    link = await the_link(host)
    async with a_session() as session, knocking(host, link) as line:
        host.guests.admit(host.guests.who(""))
        with trio.fail_after(10):
            admit = await line.hear_one(m.Admit)
        call, *_ = await start_call(line, admit, session)
        running = host.calls[call]
        with host.watch() as events:
            frame = bytearray(line.seal(m.MediaState(call=call, muted=True))[0])
            frame[3] ^= 1
            await line.send_frame(bytes(frame))
            ended = await told(events, "ended")
        assert ended["reason"] == EndReason.PEER_ERROR
        assert "altered" in ended["detail"]
        assert running.state is State.ENDED


@pytest.mark.parametrize("trick", ["drop", "repeat", "swap"])
async def test_frames_left_out_repeated_or_swapped_on_the_way_are_noticed(start, trick):
    host = await start("Hedda")
    link = await the_link(host)
    async with knocking(host, link) as line:
        one, two = line.seal(m.Ping(n=1))[0], line.seal(m.Ping(n=2))[0]
        for frame in {"drop": (two,), "repeat": (one, one), "swap": (two, one)}[trick]:
            await line.send_frame(frame)
        with trio.fail_after(10), pytest.raises(DoorClosed):
            while True:
                await line.receive_frame()
    await until(lambda: not host.guests.waiting(), "the host has let go of the guest")


async def test_hostile_names_are_shown_harmless_and_short(start):
    host = await start("Hedda")
    link = await the_link(host, once=False)
    names = ["\u202eevil\u202c", "a" * 80, "\n\n<b>x</b>", "  ", "A\u0301" * 40]
    for name in names:
        async with knocking(host, link, name):
            [guest] = host.guests.waiting()
            assert 0 < len(guest.name) <= MAX_NAME_CHARS
            assert guest.name.isprintable()
        await until(lambda: not host.guests.waiting(), "the guest has gone")


async def test_a_closed_link_is_dead_at_once_and_no_other_is_closed_by_mistake(start):
    host = await start("Hedda")
    one, two = await the_link(host, once=False), await the_link(host, once=False)
    with pytest.raises(NoSuchLink):
        host.guests.links.close("Tuesday")
    host.guests.links.close(one.link)
    await until(lambda: len(host.guests.links.list()) == 1, "one link left")

    async def refused():
        try:
            async with open_line(one.url):
                return False
        except DoorClosed:
            return True

    with trio.fail_after(5):
        while not await refused():  # noqa: ASYNC110 - the gateway hears of it a moment later
            await trio.sleep(0.02)
    async with open_line(two.url) as line:
        assert line.welcome.title == "Tuesday"


async def test_a_link_works_again_when_its_host_is_back(start):
    host = await start("Hedda")
    link = await the_link(host, once=False)
    await start.stop("Hedda")
    host = await start("Hedda")
    await until(lambda: host.guests.links.list()[0].open, "the door is open again")
    async with open_line(link.url) as line:
        assert line.welcome.title == "Tuesday"


async def test_two_links_that_are_full_leave_room_at_the_door_of_a_third(start):
    host = await start("Hedda")
    links = [await the_link(host, once=False) for _ in range(3)]
    async with AsyncExitStack() as stack:
        for link in links[:2]:
            for _ in range(MAX_AT_ONE_LINK):
                await stack.enter_async_context(open_line(link.url))
        assert len(host.guests._admission.visits) == MAX_VISITS
        for _ in range(KEPT_AT_EACH_LINK):
            line = await stack.enter_async_context(open_line(links[2].url))
            assert line.welcome.title == "Tuesday"
        with pytest.raises((DoorClosed, OnMeetError)):
            async with open_line(links[2].url):
                pytest.fail("there is no room for one more")


@pytest.mark.timeout(600)
async def test_ten_thousand_knocks_leave_the_host_as_it_was(start):
    """Bounded: what is kept of knocks at any time is what is at the door at that time."""
    host = await start("Hedda")
    link = await the_link(host, once=False)
    number = 10_000 if os.environ.get("ONMEET_FULL") else 200
    shed = 0
    for start_at in range(0, number, 20):
        async with trio.open_nursery() as nursery:

            async def one(n):
                nonlocal shed
                try:
                    async with open_line(link.url) as line:
                        await line.say(m.Knock(name=f"{n} \u202e" + "x" * 60))
                        await line.hear()
                except (DoorClosed, OnMeetError):
                    shed += 1

            for n in range(start_at, start_at + 20):
                nursery.start_soon(one, n)
    await until(lambda: not host.guests._admission.visits, "nobody is at the door", 30)
    assert not host.guests.waiting()
    async with open_line(link.url) as line:
        assert line.welcome.title == "Tuesday"


class Overheard(Gateway):
    """A gateway that keeps whatever it receives, from guests and from hosts."""

    received: ClassVar[list[bytes]] = []

    async def _door(self, guest):
        self.received.append(repr(guest.scope).encode())
        await super()._door(guest)

    async def _join(self, guest, passage):
        receive, receive_some = guest.receive, passage.stream.receive_some

        async def from_guest():
            content = await receive()
            self.received.append(content.get("bytes") or b"")
            return content

        async def from_host(max_bytes=None):
            data = await receive_some(max_bytes)
            self.received.append(data)
            return data

        guest.receive, passage.stream.receive_some = from_guest, from_host
        return await super()._join(guest, passage)


async def test_all_that_a_gateway_receives_of_a_call_names_nobody_and_no_address(tmp_path):
    config = ephemeral_config(guests=True)
    make_home(tmp_path / "Hedda", "Hedda Schmidt-Canary")
    async with open_bootstrap_host(config) as server:
        api = BootstrapApi(server, config, address_of=remote_address, dial_back=None)
        doors = Doors(
            server, lambda: origin, DoorLimits(), address_of=remote_address, guests_per_door=8
        )
        async with open_gateway(config.guests, doors, {}, {}, kind=Overheard) as gateway:
            origin = gateway.origin
            assert api.description()
            node_config = Config(
                home=tmp_path / "Hedda",
                listen=("/ip4/127.0.0.1/tcp/0",),
                bootstraps=server.addresses,
                lan=False,
                source="test",
            )
            async with open_node(config=node_config) as host:
                link = await the_link(host, knock=False)
                told = []
                visitor = GuestOptions(name="Gerda Canary-Meier", source="test", seconds=1)
                with trio.fail_after(60):
                    await join(
                        link.url, visitor, lambda event, **fields: told.append((event, fields))
                    )
                [entry] = host.history.list(1)
                identity, peer_id = host.identity, host._network.peer_id
                report = str(entry)
    assert {"connected", "media"} <= {event for event, _ in told}
    everything = b"".join(Overheard.received)
    assert len(everything) > 5_000, "an offer and an answer went through"
    addresses = {address.split("/")[2] for address in host.started.addresses} | {
        one[4][0] for one in socket.getaddrinfo(socket.gethostname(), None)
    }
    secrets_ = [
        *(word.encode() for word in ("Gerda", "Canary", "Hedda", "Tuesday", "Meier")),
        *(word.encode() for word in ("v=0", "a=candidate", "fingerprint", "ice-ufrag", "typ host")),
        *(address.encode() for address in addresses if address != "127.0.0.1"),
        identity,
        identity.hex().encode(),
        parse_link(link.url).secret,
        parse_link(link.url).psk,
    ]
    assert report
    assert peer_id
    for secret in secrets_:
        assert secret not in everything, secret


async def test_without_a_gateway_there_is_no_link_and_it_says_what_to_do(start, monkeypatch):
    host = await start("Hedda")
    monkeypatch.setattr(host._network, "gateways", lambda: ())
    with pytest.raises(NoGateway, match="--add-bootstrap"):
        await host.guests.links.new("x")


async def test_two_guests_whose_names_look_alike_are_not_taken_for_each_other(start):
    host = await start("Hedda")
    link = await the_link(host, once=False)
    async with knocking(host, link, "Bob"):
        bob = host.guests.who("Bob")
        with pytest.raises(OnMeetError, match="No guest is called"):
            host.guests.who("B0b")
        async with knocking(host, link, "Воb"):  # of Cyrillic letters
            for text in ("Bob", "Воb"):
                with pytest.raises(OnMeetError, match=bob.hex()[-8:]):
                    host.guests.who(text)
            assert host.guests.who(bob.hex()[-8:]) == bob
            async with knocking(host, link, bob.hex()[-8:]):  # who takes his id for a name
                assert host.guests.who(bob.hex()[-8:]) == bob
