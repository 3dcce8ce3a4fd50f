"""When a node buys: by the clock, and no more often than it must."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from onmeet_node.accounts.errors import IssuerUnreachable
from onmeet_node.accounts.planning import DAY
from onmeet_node.node.account import AGAIN_SECONDS, NodeAccount
from onmeet_node.protocol.wire.seat import BadSeat, SeatLink
from onmeet_node.protocol.wire.weeks import EPOCH_SECONDS, epoch_begins, epoch_of
from onmeet_node.store.keys import DatabaseKey
from onmeet_node.store.purse import PURSE_NAME, NoPurse, PendingBatch, Purse, PurseSlot
from tests.bootstrap.accounts.selling import CODE, EPOCH, ISSUER, MONDAY, PEER

KEY = DatabaseKey(bytes(range(32)))
LINK = str(SeatLink(ISSUER, CODE))


class Connected:
    """Bootstraps of which one is connected."""

    known = ()

    async def wait_connected(self) -> None:
        await trio.lowlevel.checkpoint()


class Market:
    """Sells to a purse whatever is asked for, and knows when it was asked."""

    def __init__(self, start: float) -> None:
        self._start = start
        self.asked: list[tuple[float, int, bool]] = []
        self.fails = 0
        self.count = 3

    def now(self) -> float:
        return self._start + trio.current_time() - self._began

    def begin(self) -> None:
        self._began = trio.current_time()

    async def purchase(
        self, purse: Purse, terms: Callable[[str], object], epoch: int, *, at_need: bool
    ) -> int:
        await trio.lowlevel.checkpoint()
        self.asked.append((self.now(), epoch, at_need))
        if self.fails:
            self.fails -= 1
            raise IssuerUnreachable(ISSUER, "down")
        if self.count:
            purse.begin(PendingBatch(epoch, b"k", ((PEER, b"r"),)), b"k" * 32)
            tokens = [(PEER, bytes([epoch % 256, n])) for n in range(self.count)]
            purse.finish(epoch, tokens, at_need=at_need)
        return self.count


@asynccontextmanager
async def account(
    home: Path, market: Market, *, chance: float = 0.5
) -> AsyncIterator[tuple[NodeAccount, PurseSlot]]:
    home.mkdir(mode=0o700, exist_ok=True)
    market.begin()
    slot = PurseSlot(home, KEY, now=market.now)
    made = NodeAccount(
        slot,
        Connected(),  # type: ignore[arg-type]
        now=market.now,
        chance=lambda: chance,
        purchase=market.purchase,
    )
    async with trio.open_nursery() as nursery:
        nursery.start_soon(made.run)
        yield made, slot
        nursery.cancel_scope.cancel()
    slot.close()


async def test_each_week_is_bought_once_on_the_day_before(
    tmp_path: Path, autojump_clock: trio.abc.Clock
) -> None:
    market = Market(MONDAY + 3600)
    async with account(tmp_path / "home", market) as (made, _):
        view = await made.take_seat(LINK)
        assert (view.bought, view.at_need) == (3, True)
        await trio.sleep(4 * EPOCH_SECONDS)
        weeks = [epoch for _, epoch, _ in market.asked]
        assert weeks == [*range(EPOCH, EPOCH + 5)]
        for when, epoch, at_need in market.asked[1:]:
            assert epoch_begins(epoch) - DAY <= when < epoch_begins(epoch)
            assert not at_need
        assert not made.view().at_need


async def test_without_a_seat_nothing_is_asked_and_nothing_is_made(
    tmp_path: Path, autojump_clock: trio.abc.Clock
) -> None:
    market = Market(MONDAY)
    async with account(tmp_path / "home", market) as (made, slot):
        await trio.sleep(3 * EPOCH_SECONDS)
        with pytest.raises(NoPurse):
            made.view()
        with pytest.raises(BadSeat):
            await made.take_seat("https://accounts.example.org/seat#seat-0")
        assert slot.purse is None
    assert market.asked == []
    assert not (tmp_path / "home" / PURSE_NAME).exists()


async def test_a_node_that_was_off_on_the_day_before_buys_at_need_and_says_so(
    tmp_path: Path, autojump_clock: trio.abc.Clock
) -> None:
    home = tmp_path / "home"
    async with account(home, Market(MONDAY)) as (made, _):
        await made.take_seat(LINK)
    later = Market(MONDAY + 3 * EPOCH_SECONDS + 7 * 3600)
    async with account(home, later) as (made, _):
        await trio.sleep(60)
        assert [(epoch, at_need) for _, epoch, at_need in later.asked] == [(EPOCH + 3, True)]
        assert made.view().at_need
        assert {each.week for each in made.view().tokens} == {EPOCH + 3}  # older ones are erased


async def test_a_purchase_that_failed_is_tried_again_and_its_trouble_told(
    tmp_path: Path, autojump_clock: trio.abc.Clock
) -> None:
    market = Market(MONDAY + EPOCH_SECONDS - DAY)
    market.fails = 3
    async with account(tmp_path / "home", market, chance=0.0) as (made, _):
        with pytest.raises(IssuerUnreachable):
            await made.take_seat(LINK)
        assert "does not answer" in made.view().trouble
        await trio.sleep(4 * AGAIN_SECONDS)
        assert made.view().trouble == ""
        assert {each.week for each in made.view().tokens} == {EPOCH, EPOCH + 1}


async def test_a_seat_with_nothing_left_is_not_asked_about_each_hour(
    tmp_path: Path, autojump_clock: trio.abc.Clock
) -> None:
    """Each question tells the issuer that this node runs."""
    market = Market(MONDAY)
    market.count = 0
    async with account(tmp_path / "home", market) as (made, _):
        await made.take_seat(LINK)
        await trio.sleep(EPOCH_SECONDS - 2)
        assert [epoch for _, epoch, _ in market.asked] == [EPOCH, EPOCH + 1]
        assert epoch_of(market.now()) == EPOCH
