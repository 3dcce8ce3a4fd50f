"""No network takes the TURN that others need: what is lent, and what real coturn then lets run."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable
from contextlib import asynccontextmanager

import attrs
import pytest
import trio
from onmeet_bootstrap.app import open_bootstrap, open_turn
from onmeet_bootstrap.config.model import TurnConfig
from onmeet_bootstrap.errors import Exhausted
from onmeet_bootstrap.turn.coturn import RESERVE
from onmeet_bootstrap.turn.lending import BORROWINGS, DAY, GUESTS, Lender, NetworkShares

from onmeet_node.net.libp2p.open_host import HostConfig, open_host
from onmeet_node.protocol.wire.bootstrap_api import LendTurn, Refused, TurnCredentials
from tests.bootstrap.asking import ask
from tests.bootstrap.setups import turn, with_turn
from tests.bootstrap.test_turn import aio_allocate
from tests.fakes.hosts import until
from tests.net.test_examination import examined
from tests.requirements import needs_coturn

HOME, ELSEWHERE = "198.51.100.7", "203.0.113.9"
ASKED_TWICE = 437
"""Allocation mismatch: an answer was late and the request repeated; there is one."""
ROOM_PARTICIPANT = 22
"""Allocations of one participant of the largest room: 11 others, by UDP and TCP."""


def share(given: TurnCredentials) -> str:
    """By which coturn counts."""
    return given.username.partition(":")[2]


def make(**more: object) -> Lender:
    return Lender(("turn:192.0.2.1",), "secret", 3600, **more)  # type: ignore[arg-type]


# ── what is lent ─────────────────────────────────────────────────────────────────────────────────
def test_however_often_a_node_borrows_it_counts_as_one() -> None:
    lender = make()
    lent = [lender.lend("one", HOME) for _ in range(BORROWINGS)]
    assert len({share(given) for given in lent}) == 1
    assert len({given.username for given in lent}) == BORROWINGS
    with pytest.raises(Exhausted, match="what you have goes on working"):
        lender.lend("one", HOME)
    lender.lend("two", HOME)


def test_one_network_has_few_shares_whatever_nodes_it_invents() -> None:
    lender = make(shares=NetworkShares(5, 4))
    for number in range(300):
        lender.lend(f"node {number}", HOME)
    shares = {share(lender.lend(f"node {n}", HOME)) for n in range(300)}
    guests = {share(lender.lend(f"node {n}", HOME, guest=True)) for n in range(300)}
    assert (len(shares), len(guests)) == (5, 4)
    assert not shares & guests


@pytest.mark.parametrize(
    "addresses",
    [
        [f"198.51.100.{n}" for n in range(256)],
        [f"2001:db8:77:{n:x}00::1" for n in range(256)],
    ],
    ids=["IPv4 /24", "IPv6 /48"],
)
def test_a_neighbourhood_has_half_as_many_again(addresses: list[str]) -> None:
    lender = make(shares=NetworkShares(5, 4))
    shares = {
        share(lender.lend(f"{address} {n}", address, guest=guest))
        for address in addresses
        for n in range(8)
        for guest in (False, True)
    }
    assert len(shares) == 7 + 6


def test_coming_back_again_and_again_gains_nothing() -> None:
    lender = make(shares=NetworkShares(5, 4))
    shares = set()
    for number in range(100):
        shares.add(share(lender.lend(f"node {number}", HOME)))
        lender.forget(f"node {number}")
    assert len(shares) <= 5
    assert len(lender) == 0


def test_networks_share_nothing() -> None:
    lender = make()
    assert share(lender.lend("one", HOME)) != share(lender.lend("two", ELSEWHERE))
    assert share(lender.lend("three", "2001:db8:1::1")) != share(
        lender.lend("four", "2001:db8:2::1")
    )


def test_a_household_of_five_has_a_share_each() -> None:
    lender = make()
    assert len({share(lender.lend(f"node {n}", HOME)) for n in range(5)}) == 5


def test_a_room_of_eight_in_one_house_has_what_it_needs() -> None:
    config = TurnConfig()
    lender = make()
    nodes = Counter(share(lender.lend(f"node {n}", HOME)) for n in range(8))
    assert max(nodes.values()) * ROOM_PARTICIPANT <= config.allocations_per_node
    guests = Counter(share(lender.lend("host", HOME, guest=True)) for _ in range(7))
    assert max(guests.values()) * ROOM_PARTICIPANT <= config.allocations_per_node


def test_what_a_guest_does_costs_its_host_nothing() -> None:
    lender = make()
    own = share(lender.lend("host", HOME))
    for _ in range(GUESTS.burst):
        assert share(lender.lend("host", HOME, guest=True)) != own
    with pytest.raises(Exhausted):
        lender.lend("host", HOME, guest=True)
    assert share(lender.lend("host", HOME)) == own


def test_a_node_that_renews_at_half_life_is_served_for_ever() -> None:
    now = [0.0]
    lender = make(clock=lambda: now[0] + 50 * DAY, steady=lambda: now[0], full=lambda: now[0] > 0)
    shares = []
    for _ in range(48):
        shares.append(share(lender.lend("one", HOME)))
        now[0] += 1800
    assert len(set(shares)) == 1
    # Guests of another day cannot tell that it is the same network.
    assert share(lender.lend("one", HOME)) not in shares


def test_when_all_run_those_who_have_borrowed_are_served_alone() -> None:
    full = [False]
    lender = make(full=lambda: full[0])
    lender.lend("early", HOME)
    full[0] = True
    lender.lend("early", HOME)
    with pytest.raises(Exhausted, match="another bootstrap"):
        lender.lend("late", ELSEWHERE)


def test_two_networks_of_one_person_leave_others_their_part() -> None:
    """Who has IPv4 and IPv6, or a /48, which is given away, has two."""
    config = TurnConfig()
    own = config.shares_per_network + config.guest_shares_per_network
    most = own + own // 2 + 1
    assert 2 * own * config.allocations_per_node < config.max_allocations / 2
    assert 2 * most * config.allocations_per_node < config.max_allocations


# ── what real coturn lets run ────────────────────────────────────────────────────────────────────
real = [pytest.mark.real, needs_coturn]


def held(port: int, lent: Iterable[TurnCredentials], each: int) -> list[int]:
    """How many allocations were had with each of these credentials, of `each` asked for."""

    async def aio_ask() -> list[int]:
        had, asked = [], []
        try:
            for given in lent:
                made = [await aio_allocate(("127.0.0.1", port), given) for _ in range(each)]
                asked += made
                had.append(sum(code in {0, ASKED_TWICE} for _, code in made))
        finally:
            # Without a word, so that coturn keeps the allocations; and not before all have asked,
            # or one is given a port that coturn knows as somebody else's, whom it does not answer.
            for protocol, _ in asked:
                protocol.transport.close()
            await asyncio.sleep(0)
        return had

    return asyncio.run(aio_ask())


@asynccontextmanager
async def small(**more: object):
    """coturn with 40 allocations: a network has 3 shares of 4, and 1 for guests."""
    config = turn(
        max_allocations=40,
        allocations_per_node=4,
        shares_per_network=3,
        guest_shares_per_network=1,
        **more,
    )
    async with open_turn(config) as service:
        assert service.lender is not None
        yield config, service.lender, service.coturn


class TestCoturn:
    pytestmark = real

    async def test_all_that_one_network_can_borrow_leaves_the_others_theirs(self) -> None:
        with trio.fail_after(120):
            async with small() as (config, lender, _):
                greedy = [lender.lend(f"{n}", HOME, guest=g) for n in range(20) for g in (0, 1)]
                had = await trio.to_thread.run_sync(held, config.port, greedy, 4)
                assert sum(had) == 4 * 4
                honest = [lender.lend(f"honest {n}", ELSEWHERE) for n in range(3)]
                assert await trio.to_thread.run_sync(held, config.port, honest, 4) == [4, 4, 4]

    async def test_renewed_credentials_count_as_the_old_ones(self) -> None:
        with trio.fail_after(60):
            async with small() as (config, lender, _):
                first = lender.lend("one", HOME)
                assert await trio.to_thread.run_sync(held, config.port, [first], 4) == [4]
                again = lender.lend("one", HOME)
                assert again.username != first.username
                assert await trio.to_thread.run_sync(held, config.port, [again], 4) == [0]

    async def test_what_has_ended_is_free_again(self) -> None:
        async def aio_end_all(port: int, given: TurnCredentials) -> None:
            made = [await aio_allocate(("127.0.0.1", port), given) for _ in range(4)]
            assert [code for _, code in made] == [0] * 4
            for protocol, _ in made:
                await protocol.delete()

        with trio.fail_after(60):
            async with small() as (config, lender, coturn):
                given = lender.lend("one", HOME)
                await trio.to_thread.run_sync(asyncio.run, aio_end_all(config.port, given))
                had = 0
                while had < 4:  # coturn counts what ended about a second later, and tells nobody
                    had += sum(await trio.to_thread.run_sync(held, config.port, [given], 1))
                    await trio.sleep(0.2)
                assert coturn.up

    async def test_a_room_of_eight_and_its_guests_meet_behind_one_address(self) -> None:
        config = turn(relay_port_min=42_000, relay_port_max=43_000)
        with trio.fail_after(180):
            async with open_turn(config) as service:
                assert service.lender is not None
                nodes = [service.lender.lend(f"{n}", HOME) for n in range(8)]
                guests = [service.lender.lend("0", HOME, guest=True) for _ in range(7)]
                asked = (held, config.port, [*nodes, *guests], ROOM_PARTICIPANT)
                assert await trio.to_thread.run_sync(*asked) == [ROOM_PARTICIPANT] * 15

    async def test_a_node_is_told_that_all_are_in_use_and_who_has_borrowed_is_served(self) -> None:
        config = with_turn(max_allocations=4 * RESERVE, allocations_per_node=4 * RESERVE)
        with trio.fail_after(120):
            async with (
                open_bootstrap(config) as bootstrap,
                open_host(HostConfig(())) as early,
            ):
                await early.connect(bootstrap.addresses)
                lent = await ask(early, bootstrap.peer_id, LendTurn())
                asked = (held, config.turn.port, [lent], 4 * RESERVE)
                assert await trio.to_thread.run_sync(*asked) == [4 * RESERVE]
                await until(lambda: bootstrap.counts().turn_allocations == 4 * RESERVE, seconds=20)
                async with examined(bootstrap.addresses) as late:
                    await late.turn.ready()
                    assert late.turn.current() == ()
                    told = late.says("poor", "No TURN server is lent", "it has lent all")
                    assert "use a bootstrap that lends TURN" in told.remedy
                    refused = await ask(late.host, bootstrap.peer_id, LendTurn())
                    assert isinstance(refused, Refused)
                    assert refused.reason == "exhausted"
                    assert "another bootstrap" in refused.text
                again = await ask(early, bootstrap.peer_id, LendTurn())
                assert isinstance(again, TurnCredentials)


def test_shares_show_no_address() -> None:
    lender = make()
    given = lender.lend("12D3KooWpeer", HOME)
    assert HOME not in given.username
    assert "secret" not in repr(lender)
    assert attrs.asdict(given)["ttl"] == 3600
