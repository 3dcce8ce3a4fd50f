"""TURN servers that bootstraps lend: borrowed ahead of calls, renewed, dropped when expired."""

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
from onmeet_node.net.bootstraps.turn_urls import TurnUrlRefused, usable
from onmeet_node.net.errors import NetError
from onmeet_node.net.libp2p.open_host import Host
from onmeet_node.process.faults import contained
from onmeet_node.protocol.wire.bootstrap_api import LendTurn, TurnCredentials
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

    def __init__(self, host: Host, bootstraps: Bootstraps) -> None:
        self._host = host
        self._bootstraps = bootstraps
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
        """Credentials of the nearest lender that are nobody else's; none if none lends.

        Raises NetError and trio.TooSlowError.
        """
        for known in self._bootstraps.known:
            if _lends(known):
                with trio.fail_after(ANSWER_LIMIT):
                    asked = LendTurn(guest=True)
                    given = await self._lent(known.peer, asked)
                return tuple(
                    TurnServer(url, given.username, given.credential) for url in given.urls
                )
        return ()

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
                    await self._borrow_ahead(peer)
                await trio.sleep(AFTER_FAULT)

    def _fail(self, peer: str) -> None:
        self.problems[peer] = "something went wrong with it"
        # Calls wait until it is known what each lends.
        self._settled.add(peer)
        self._tell()

    async def _borrow_ahead(self, peer: str) -> None:
        backoff = Backoff(start=2.0)
        while True:
            try:
                with trio.fail_after(ANSWER_LIMIT):
                    given = await self._lent(peer, LendTurn())
            except (NetError, trio.TooSlowError) as error:
                self.problems[peer] = str(error) or "it does not answer"
                pause = backoff.next()
            else:
                self.problems.pop(peer, None)
                backoff.reset()
                self._loans[peer] = _Loan(given, trio.current_time() + given.ttl)
                pause = max(given.ttl * RENEW_AT, RENEW_AT_LEAST)
            self._settled.add(peer)
            self._tell()
            await trio.sleep(pause)


def _lends(known: KnownBootstrap) -> bool:
    offered = known.description.services if known.description is not None else ()
    return BootstrapService.TURN in offered and known.standing is BootstrapState.CONNECTED
