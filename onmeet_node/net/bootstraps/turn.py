"""TURN servers that bootstraps lend: borrowed ahead of calls, renewed, dropped when expired.

Where they are lent for tokens they are borrowed when a call is coming, and not before.
"""

from __future__ import annotations

import ipaddress
import logging
from collections.abc import Sequence
from functools import partial

import attrs
import trio

from onmeet_node.net.backoff import Backoff
from onmeet_node.net.bootstraps.bootstraps import Bootstraps, BootstrapState, KnownBootstrap
from onmeet_node.net.bootstraps.requests import ask
from onmeet_node.net.bootstraps.tokens import (
    FREE_AGAIN,
    MAX_TRIES,
    RENEW_BEFORE,
    TokenPurse,
    TurnIntent,
)
from onmeet_node.net.bootstraps.turn_urls import TurnUrlRefused, usable
from onmeet_node.net.errors import NetError, TokenRefused
from onmeet_node.net.libp2p.open_host import Host
from onmeet_node.process.faults import contained
from onmeet_node.protocol.wire.bootstrap_api import LendTurn, TokenTerms, TurnCredentials
from onmeet_node.protocol.wire.vocabulary import BootstrapService

log = logging.getLogger(__name__)

RENEW_AT = 0.5
"""Of their life credentials are renewed: a call that begins then has them for half of it."""
RENEW_AT_LEAST = 20.0
"""Seconds between two loans of one bootstrap, whatever it says of their life."""
AFTER_FAULT = 60.0
MAX_SERVERS = 4
"""Given to one call: each is asked for a relay, which costs the operator a port."""
ANSWER_LIMIT = 10.0


@attrs.frozen
class TurnServer:
    """A URL (RFC 7065) with credentials that work now."""

    url: str
    username: str
    credential: str = attrs.field(repr=False)


@attrs.frozen
class _Loan:
    given: TurnCredentials = attrs.field(repr=False)
    until: float


class TurnServers:
    """Keeps credentials of every connected bootstrap that lends TURN. Live in `run`."""

    def __init__(
        self, host: Host, bootstraps: Bootstraps, *, purse: TokenPurse | None = None
    ) -> None:
        self._host = host
        self._bootstraps = bootstraps
        self._purse = purse
        self._intent = TurnIntent()
        self._following: set[str] = set()
        """Lenders that are asked in their time, and are not just being left alone after a fault."""
        self._free_again: dict[str, float] = {}
        """When a bootstrap that lends for tokens is asked for something free again."""
        self.ending = trio.Event()
        """Set when credentials of a token come to their end; then there is another event here."""
        self.renewed = trio.Event()
        """Set when there are new ones; then there is another event here."""
        self._loans: dict[str, _Loan] = {}
        self._settled: set[str] = set()
        self._changed = trio.Event()
        self.problems: dict[str, str] = {}
        """Why a bootstrap that offers TURN lent none, by PeerId."""
        self.refused: dict[str, str] = {}
        """Why a server that a bootstrap lent is not used, by the bootstrap's PeerId."""

    def current(self) -> tuple[TurnServer, ...]:
        """What works now, the nearest bootstrap's first; of the second only its best URL."""
        loans = [(peer, loan.given) for peer, loan in self._live()]
        chosen: list[TurnServer] = []
        for place, (_, given) in enumerate(loans):
            urls = given.urls[: MAX_SERVERS - 1] if place == 0 and len(loans) > 1 else given.urls
            chosen += [TurnServer(url, given.username, given.credential) for url in urls]
        return tuple(chosen[:MAX_SERVERS])

    async def borrow(self) -> tuple[TurnServer, ...]:
        """Credentials of the nearest lender that answers, nobody else's; none if none lends.

        Raises NetError and trio.TooSlowError, the last one's.
        """
        lenders = [known.peer for known in self._bootstraps.known if _lends(known)]
        last: NetError | trio.TooSlowError | None = None
        for peer in lenders:
            with contained("TURN lender"):
                try:
                    with trio.fail_after(ANSWER_LIMIT / len(lenders)):
                        given = await self._granted(peer, guest=True)
                except (NetError, trio.TooSlowError) as error:
                    last = error
                    continue
                return tuple(
                    TurnServer(url, given.username, given.credential) for url in given.urls
                )
        if last is not None:
            raise last
        return ()

    def want(self) -> None:
        """A call is coming, or goes on over a relay: what is lent for tokens is borrowed now."""
        for peer in self._following:
            if self._terms_of(peer) is not None and not self._has_loan(peer):
                self._settled.discard(peer)
        self._intent.want()

    def rationed(self) -> bool:
        """Whether a connected bootstrap lends for tokens."""
        return any(_lends(k) and _terms(k) is not None for k in self._bootstraps.known)

    def token_for_door(self, gateway: str) -> bytes | None:
        """A token for a day of a door at this gateway; None: it costs nothing, or there is none."""
        terms = self._terms_of(gateway)
        if terms is None or not terms.doors or self._purse is None:
            return None
        return self._purse.take(gateway, terms)

    def region_of(self, url: str) -> str | None:
        """Where the lender of this URL says to be: ``ca``, ``de``, or None if it says neither."""
        for known in self._bootstraps.known:
            loan = self._loans.get(known.peer)
            if loan is not None and url in loan.given.urls and known.description is not None:
                return known.description.region or None
        return None

    async def ready(self) -> None:
        """Wait until every connected bootstrap has lent or refused; at once if there is none.

        Waits for the first bootstrap too while one is still being tried for the first time.
        """
        while not self._live() and self._undecided():
            await self._changed.wait()

    def _undecided(self) -> bool:
        return any(
            known.peer not in self._settled
            for known in self._bootstraps.known
            if known.standing is BootstrapState.CONNECTED or not known.problem
        )

    def _live(self) -> Sequence[tuple[str, _Loan]]:
        now = trio.current_time()
        order = [known.peer for known in self._bootstraps.known]
        live = [
            (peer, loan)
            for peer, loan in self._loans.items()
            if loan.until > now and self._may_see_us(peer)
        ]
        return sorted(live, key=lambda item: order.index(item[0]) if item[0] in order else 99)

    def _may_see_us(self, lender: str) -> bool:
        exposure = self._host.config.exposure
        return exposure is None or exposure.sees_us(lender)

    async def run(self) -> None:
        """Borrows from every bootstrap that lends, until cancelled."""
        keepers: dict[str, trio.CancelScope] = {}
        async with trio.open_nursery() as nursery:
            while True:
                changed = trio.Event()
                stop = self._bootstraps.on_change(changed.set)
                try:
                    lending = {k.peer for k in self._bootstraps.known if _lends(k)}
                    self._settle_the_rest(lending)
                    for peer in keepers.keys() - lending:
                        keepers.pop(peer).cancel()
                    for peer in lending - keepers.keys():
                        scope = keepers[peer] = trio.CancelScope()
                        nursery.start_soon(self._keep, peer, scope)
                    await changed.wait()
                finally:
                    stop()

    def _settle_the_rest(self, lending: set[str]) -> None:
        for known in self._bootstraps.known:
            if known.peer in lending:
                continue
            if known.standing is BootstrapState.CONNECTED or known.problem:
                self._settled.add(known.peer)
        self._tell()

    def _tell(self) -> None:
        self._changed.set()
        self._changed = trio.Event()

    async def _lent(self, peer: str, asked: LendTurn) -> TurnCredentials:
        """What a bootstrap lends, without the servers that are not used. Raises NetError."""
        given = await ask(self._host, peer, asked, TurnCredentials)
        own = {ipaddress.ip_address(ip.partition("%")[0]) for ip in self._host.remote_ips(peer)}
        found = await usable(given.urls, own, region=self._bootstraps.pinned)
        if found.refused:
            self.refused[peer] = found.refused
        else:
            self.refused.pop(peer, None)
        if not found.urls:
            self._loans.pop(peer, None)
            raise TurnUrlRefused(found.refused)
        return attrs.evolve(given, urls=found.urls)

    async def _keep(self, peer: str, scope: trio.CancelScope) -> None:
        with scope:
            while True:
                with contained("TURN lender", then=partial(self._fail, peer)):
                    self._following.add(peer)
                    try:
                        await self._follow(peer)
                    finally:
                        self._following.discard(peer)
                await trio.sleep(AFTER_FAULT)

    def _fail(self, peer: str) -> None:
        self.problems[peer] = "something went wrong with it"
        # Calls wait until it is known what each lends.
        self._settled.add(peer)
        self._tell()

    async def _pause(self, peer: str, seconds: float) -> None:
        """Waits; but a call that comes, and finds nothing lent, is served at once."""
        with trio.move_on_after(seconds):
            while True:
                await self._intent.told()
                if self._terms_of(peer) is not None and not self._has_loan(peer):
                    return

    def _has_loan(self, peer: str) -> bool:
        loan = self._loans.get(peer)
        return loan is not None and loan.until > trio.current_time()

    def _terms_of(self, peer: str) -> TokenTerms | None:
        """For what tokens this bootstrap lends; None: it lends to anybody."""
        return next((_terms(k) for k in self._bootstraps.known if k.peer == peer), None)

    async def _granted(self, peer: str, *, guest: bool = False) -> TurnCredentials:
        """Credentials: for the asking, or for a token if it must be. Raises NetError."""
        terms = self._terms_of(peer)
        if terms is None:
            return await self._lent(peer, LendTurn(guest=guest))
        if terms.free and trio.current_time() >= self._free_again.get(peer, 0.0):
            try:
                return await self._lent(peer, LendTurn(guest=guest))
            except TokenRefused:
                self._free_again[peer] = trio.current_time() + FREE_AGAIN
        last = TokenRefused("token-needed")
        for _ in range(MAX_TRIES):
            token = self._purse.take(peer, terms) if self._purse is not None else None
            if token is None:
                break
            try:
                return await self._lent(peer, LendTurn(guest=guest, token=token))
            except TokenRefused as error:
                last = error
            except BaseException:
                assert self._purse is not None
                self._purse.give_back(peer, token)
                raise
        raise last

    async def _until_wanted(self, peer: str) -> None:
        """Returns when a call wants what there is not, or not for long."""
        while True:
            loan = self._loans.get(peer)
            if loan is None or loan.until <= trio.current_time():
                if self._intent.wanted:
                    return
                await self._intent.told()
                continue
            early = min(RENEW_BEFORE, loan.given.ttl / 2)
            await trio.sleep_until(loan.until - early)
            # Whoever has a call that goes over it says so now.
            self.ending.set()
            self.ending = trio.Event()
            with trio.move_on_after(early):
                while not self._intent.wanted:
                    await self._intent.told()
                return

    async def _follow(self, peer: str) -> None:
        """Borrows from one that lends, ahead of calls or when one is coming."""
        backoff = Backoff(start=2.0)
        while True:
            if self._terms_of(peer) is not None:
                if peer not in self._settled and not self._intent.wanted:
                    self._settled.add(peer)
                    self._tell()
                await self._until_wanted(peer)
            try:
                with trio.fail_after(ANSWER_LIMIT):
                    given = await self._granted(peer)
            except (NetError, trio.TooSlowError) as error:
                self.problems[peer] = str(error) or "it does not answer"
                pause = backoff.next()
            else:
                self.problems.pop(peer, None)
                backoff.reset()
                self._loans[peer] = _Loan(given, trio.current_time() + given.ttl)
                pause = max(given.ttl * RENEW_AT, RENEW_AT_LEAST)
                if self._terms_of(peer) is not None:
                    pause = RENEW_AT_LEAST
                    self.renewed.set()
                    self.renewed = trio.Event()
            self._settled.add(peer)
            self._tell()
            await self._pause(peer, pause)


def _lends(known: KnownBootstrap) -> bool:
    offered = known.description.services if known.description is not None else ()
    return BootstrapService.TURN in offered and known.standing is BootstrapState.CONNECTED


def _terms(known: KnownBootstrap) -> TokenTerms | None:
    return known.description.tokens if known.description is not None else None
