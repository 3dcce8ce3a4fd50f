"""The node's account at an operator's: a seat, and when its tokens are bought.

Without a seat it waits for one, and loads nothing of `accounts`.
"""

from __future__ import annotations

import random
import time
from collections.abc import Awaitable, Callable, Mapping

import trio

from onmeet_node.errors import OnMeetError
from onmeet_node.net.bootstraps.bootstraps import Bootstraps, BootstrapState
from onmeet_node.node.views import AccountView, TokensLeft
from onmeet_node.protocol.wire.bootstrap_api import TokenTerms
from onmeet_node.protocol.wire.seat import SeatLink
from onmeet_node.protocol.wire.weeks import GRACE_SECONDS, epoch_of
from onmeet_node.store.purse import Purse, PurseSlot

Terms = Callable[[str], Mapping[str, TokenTerms]]
"""What connected bootstraps sign of an issuer, the nearest first."""

AGAIN_SECONDS = 300.0
"""After a purchase that failed."""
LOOK_SECONDS = 3_600.0
"""Between looks at the clock: machines sleep, and clocks are set."""
CONNECT_SECONDS = 20.0
"""For a bootstrap to be connected, whose signature confirms the issuer's key."""


def _evenly() -> float:
    """From 0 to 1, and unforeseen."""
    return random.SystemRandom().random()


async def _purchase(purse: Purse, terms: Terms, epoch: int, *, at_need: bool) -> int:
    """As `accounts.purchases`, which is loaded at the first purchase."""
    from onmeet_node.accounts.errors import AccountsMissing  # noqa: PLC0415 - where there is one

    try:
        from onmeet_node.accounts.purchases import purchase  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise AccountsMissing from error
    return await purchase(purse, terms, epoch, at_need=at_need)


class NodeAccount:
    """Buys tokens for the seat of this home, the day before each week. Live in `run`."""

    def __init__(
        self,
        slot: PurseSlot,
        bootstraps: Bootstraps,
        *,
        now: Callable[[], float] = time.time,
        chance: Callable[[], float] = _evenly,
        purchase: Callable[..., Awaitable[int]] = _purchase,
    ) -> None:
        self._slot = slot
        self._bootstraps = bootstraps
        self._now = now
        self._chance = chance
        self._purchase = purchase
        self._settled: set[int] = set()
        """Weeks for which all was bought that there is: nothing is asked again, which would tell
        the issuer when this node runs."""
        self._changed = trio.Event()
        self._buying = trio.Lock()
        self._chosen = (-1, 0.0)
        """For which week a moment of its day before was chosen, and which."""
        self._trouble = ""

    def view(self) -> AccountView:
        """What there is. Raises `NoPurse`."""
        purse = self._slot.require()
        seat = purse.seat()
        week = epoch_of(self._now())
        bought = purse.week(week)
        return AccountView(
            issuer=seat[0].issuer if seat is not None else "",
            via=seat[1] if seat is not None else "",
            tokens=tuple(
                TokensLeft(bootstrap=each.bootstrap, week=each.epoch, count=each.count)
                for each in purse.counts()
            ),
            this_week=week,
            bought=bought.bought if bought is not None else 0,
            at_need=bought is not None and bought.at_need,
            trouble=self._trouble or self._slot.trouble,
        )

    async def take_seat(self, link: str, via: str = "") -> AccountView:
        """Takes a seat's link; buys what is left of this week. Raises `OnMeetError`."""
        from onmeet_node.accounts.planning import check_proxy  # noqa: PLC0415 - where there is one

        check_proxy(via)
        seat = SeatLink.parse(link)
        self._slot.make().set_seat(seat, via)
        self._settled.clear()
        try:
            return await self.buy()
        finally:
            self._tell()

    async def buy(self) -> AccountView:
        """Buys what is left of this week's allowance, now. Raises `OnMeetError`."""
        self._slot.require()
        with trio.move_on_after(CONNECT_SECONDS):
            await self._bootstraps.wait_connected()
        await self._buy(epoch_of(self._now()), at_need=True)
        return self.view()

    def leave(self) -> None:
        """Erases the seat and all tokens. Raises `NoPurse`."""
        self._slot.require()
        self._slot.remove()
        self._settled.clear()
        self._trouble = self._slot.trouble = ""
        self._tell()

    async def run(self) -> None:
        """Buys in time, until cancelled."""
        while True:
            changed = self._changed
            if self._slot.purse is None:
                await changed.wait()
                continue
            pause = await self._look()
            with trio.move_on_after(pause):
                await changed.wait()

    async def _look(self) -> float:
        """Buys what is due; seconds until the next look."""
        from onmeet_node.accounts.planning import moment_for  # noqa: PLC0415 - where there is one

        now = self._now()
        week = epoch_of(now)
        moment = moment_for(week + 1, self._moment(week + 1))
        try:
            self._slot.require().forget_before(epoch_of(now - GRACE_SECONDS))
            due = [week, week + 1] if now >= moment else [week]
            due = [epoch for epoch in due if self._due(epoch)]
            if due:
                await self._bootstraps.wait_connected()
            for epoch in due:
                await self._buy(epoch, at_need=epoch == week, asked=False)
        except OnMeetError:
            return AGAIN_SECONDS  # told by `view`
        left = moment - self._now()
        return min(LOOK_SECONDS, left) if left > 0 else LOOK_SECONDS

    def _due(self, epoch: int) -> bool:
        if epoch in self._settled:
            return False
        purse = self._slot.require()
        bought = purse.week(epoch)
        return bought is None or not bought.bought or purse.pending(epoch) is not None

    def _moment(self, epoch: int) -> float:
        if self._chosen[0] != epoch:
            self._chosen = (epoch, self._chance())
        return self._chosen[1]

    async def _buy(self, epoch: int, *, at_need: bool, asked: bool = True) -> None:
        async with self._buying:
            if not asked and not self._due(epoch):  # its user was faster
                return
            try:
                await self._purchase(self._slot.require(), self._terms, epoch, at_need=at_need)
            except OnMeetError as error:
                self._trouble = str(error)
                raise
            self._settled = {epoch, *(each for each in self._settled if each >= epoch - 1)}
            self._trouble = ""

    def _terms(self, issuer: str) -> Mapping[str, TokenTerms]:
        return {
            known.peer: known.description.tokens
            for known in self._bootstraps.known
            if known.standing is BootstrapState.CONNECTED
            and known.description is not None
            and known.description.tokens is not None
            and known.description.tokens.issuer == issuer
        }

    def _tell(self) -> None:
        self._changed.set()
        self._changed = trio.Event()
