"""A bootstrap put together: a host, on it the DHT, the relay and its answers; beside it TURN."""

from __future__ import annotations

import datetime
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import trio

from onmeet_bootstrap.api import BootstrapApi
from onmeet_bootstrap.config.model import (
    BootstrapConfig,
    GuestsConfig,
    SiteConfig,
    TokensConfig,
    TurnConfig,
)
from onmeet_bootstrap.errors import BootstrapError, SettingsError
from onmeet_bootstrap.forgetting.pieces import Live
from onmeet_bootstrap.forgetting.state import STATE
from onmeet_bootstrap.forgetting.sweep import ALL, Forgetting, open_forgetter
from onmeet_bootstrap.gateway.doors import DoorLimits, Doors
from onmeet_bootstrap.gateway.policy import in_force, read_policies
from onmeet_bootstrap.host import dial_back, network_of, open_bootstrap_host, remote_address
from onmeet_bootstrap.limits import Caps
from onmeet_bootstrap.mailboxes import Mailboxes
from onmeet_bootstrap.preflight import check_guests, check_site, check_turn
from onmeet_bootstrap.relay import Relay, RelayLimits, open_relay
from onmeet_bootstrap.turn.coturn import Coturn, open_coturn
from onmeet_bootstrap.turn.lending import Lender, foreign_lender, lender, new_secret, own_urls
from onmeet_node import guest_page
from onmeet_node.errors import first
from onmeet_node.net.libp2p.open_host import Host
from onmeet_node.process import faults

FORGET_TOKENS_SECONDS = 60.0
NO_TOKENS = TokensConfig()

if TYPE_CHECKING:
    from onmeet_bootstrap.gateway.server import Gateway
    from onmeet_bootstrap.tokens.redeeming import Redeemer
    from onmeet_bootstrap.turn.sessions import SessionWarden


@attrs.frozen
class Counts:
    """What is going on, in numbers alone: nothing about who."""

    seconds: int
    """Since the start."""
    connections: int
    streams: int
    reservations: int
    circuits: int
    doors: int
    """For guests, open now."""
    guests: int
    mailboxes: int
    """Of spoken codes, open now."""
    turn: str
    """``up``, ``down`` (being started again), ``elsewhere`` or ``none``."""
    turn_restarts: int
    turn_allocations: int
    """That coturn has now, as far as the system tells."""
    held: int
    """Entries of every kind of state about nodes (docs/STATE.md), coturn's aside: 0 when nobody
    is here and whoever was is forgotten."""
    faults: Mapping[str, int]
    """How often since the start a fault that nobody expected ended one party and nothing else, by
    the kind of party (`onmeet_node.process.faults`). Each is a bug worth reporting."""


class Bootstrap:
    """A running bootstrap. Made by `open_bootstrap`."""

    def __init__(
        self,
        host: Host,
        relay: Relay,
        turn: Turn,
        api: BootstrapApi,
        mailboxes: Mailboxes,
        gateway: Gateway | None,
    ) -> None:
        self._host = host
        self._relay = relay
        self._turn = turn
        self._api = api
        self._mailboxes = mailboxes
        self._gateway = gateway
        self._started = trio.current_time()

    @property
    def peer_id(self) -> str:
        """Its PeerId, the same at every start with the same key."""
        return self._host.peer_id

    @property
    def addresses(self) -> tuple[str, ...]:
        """Multiaddrs with ``/p2p/…`` by which nodes enter."""
        return self._host.addresses

    @property
    def guest_origin(self) -> str | None:
        """What guest links begin with; None without a gateway."""
        return self._gateway.origin if self._gateway is not None else None

    def counts(self) -> Counts:
        """What is held now."""
        stats = self._host.stats()
        return Counts(
            seconds=int(trio.current_time() - self._started),
            connections=stats.connections,
            streams=stats.streams,
            reservations=self._relay.reservations,
            circuits=self._relay.circuits,
            doors=self._gateway.doors if self._gateway else 0,
            guests=self._gateway.guests if self._gateway else 0,
            mailboxes=len(self._mailboxes),
            turn=self._turn.state,
            turn_restarts=self._turn.coturn.restarts if self._turn.coturn else 0,
            turn_allocations=self._turn.coturn.allocations() if self._turn.coturn else 0,
            held=sum(self.held()[piece.name] for piece in STATE if not piece.outlasts),
            faults=faults.counts(),
        )

    def troubles(self) -> tuple[str, ...]:
        """What is not well now, a line each; nothing when all is."""
        return ("turn: coturn is being started again",) if self._turn.state == "down" else ()

    def health(self) -> str:
        """The same in one line, for the service manager."""
        return "; ".join(("Serving", *self.troubles()))

    def held(self) -> dict[str, int]:
        """How many entries each declared piece of state has now, by its name (`state.STATE`)."""
        live = Live(
            self._host, self._relay, self._api, self._mailboxes, self._gateway, self._turn.warden
        )
        return {piece.name: piece.count(live) for piece in STATE}

    def reload(self) -> None:
        """Takes a renewed certificate into use, without an end to any call.

        Raises `SettingsError` for one that cannot be used; the old one stays.
        """
        if self._turn.coturn is not None:
            self._turn.coturn.reload_certificate()
        if self._gateway is not None:
            self._gateway.reload()

    def show_guest_page(self, files: Mapping[str, bytes]) -> None:
        """Serves these as the guest page from now on, in place of the page of this release.

        For work on the page alone: ``onmeet guest-page verify`` tells the two apart.
        """
        if self._gateway is not None:
            self._gateway.pages.show(files)

    @property
    def turn_pid(self) -> int | None:
        """The process id of coturn, if it runs here."""
        return self._turn.coturn.pid if self._turn.coturn else None


def relay_limits(config: BootstrapConfig) -> RelayLimits:
    """What the relay lends, as configured."""
    return RelayLimits(
        reservations=Caps(config.max_reservations, config.reservations_per_network, per_peer=1),
        circuits=Caps(
            config.max_circuits, config.circuits_per_network, per_peer=config.circuits_per_node
        ),
        circuits_to_one=config.circuits_to_one,
        # Behind a proxy, where all come from one network, there is nothing to divide.
        circuits_of_network_to_one=config.circuits_to_one
        if config.circuits_per_network >= config.max_circuits
        else max(1, config.circuits_to_one // 2),
        reservation_seconds=config.reservation_seconds,
        circuit_seconds=config.circuit_seconds,
        circuit_bytes=config.circuit_bytes,
    )


@attrs.frozen
class Turn:
    """The TURN service as configured: what is lent, and the coturn that is run for it."""

    lender: Lender | None = None
    coturn: Coturn | None = None
    warden: SessionWarden | None = None
    """Ends sessions whose ration is used up, where TURN is rationed and coturn runs here."""

    @property
    def state(self) -> str:
        """See `Counts.turn`."""
        if self.coturn is not None:
            return "up" if self.coturn.up else "down"
        return "elsewhere" if self.lender is not None else "none"


@asynccontextmanager
async def open_turn(config: TurnConfig, tokens: TokensConfig = NO_TOKENS) -> AsyncIterator[Turn]:
    """Runs coturn for the length of the block if so configured.

    Raises `SettingsError`, `CertificateError` and `StartFailed`.
    """
    if not config.serve:
        yield Turn(foreign_lender(config)) if config.urls else Turn()
        return
    check_turn(config)
    secret = new_secret()
    async with open_coturn(config, secret, rationed=tokens.serve) as coturn:
        lends = lender(
            config,
            own_urls(config),
            secret,
            full=lambda: coturn.allocations() >= config.max_allocations,
        )
        warden = None
        if tokens.serve:
            from onmeet_bootstrap.turn.sessions import (  # noqa: PLC0415 - if it is used
                Rations,
                SessionWarden,
            )

            warden = SessionWarden(lambda: coturn.cli, Rations(tokens.bytes_per_token))
        yield Turn(lends, coturn, warden)


def open_redeemer(config: TokensConfig, peer_id: str, turn: Turn) -> Redeemer | None:
    """What takes tokens, if so configured. Raises `SettingsError`."""
    if not config.serve:
        return None
    if turn.lender is None:
        raise SettingsError("[tokens] serve needs TURN to lend: set [turn] serve or urls too.")
    if not config.issuer or not config.keys:
        raise SettingsError(
            "[tokens] serve needs issuer and keys: onmeet-bootstrap accounts init shows both."
        )
    from onmeet_bootstrap.tokens.issuer_keys import IssuerKeys  # noqa: PLC0415 - if it is used
    from onmeet_bootstrap.tokens.redeeming import Redeemer  # noqa: PLC0415

    coturn = turn.coturn
    return Redeemer(
        config.issuer,
        peer_id,
        IssuerKeys(Path(config.keys)).current,
        most_spent=config.max_spent,
        free_per_network=config.free_per_network,
        doors=config.doors,
        up=lambda: coturn is None or coturn.up,
    )


async def keep_rations(redeemer: Redeemer, warden: SessionWarden | None) -> None:
    """Forgets tokens that are over, and ends sessions that are, until cancelled."""
    async with trio.open_nursery() as nursery:
        if warden is not None:
            nursery.start_soon(warden.run)
        while True:
            await trio.sleep(FORGET_TOKENS_SECONDS)
            with faults.contained("tokens"):
                redeemer.forget()


@asynccontextmanager
async def open_guests(
    config: GuestsConfig, site: SiteConfig, host: Host, api: BootstrapApi
) -> AsyncIterator[Gateway | None]:
    """Serves guests for the length of the block if so configured.

    Raises `SettingsError` and `StartFailed`.
    """
    if not config.serve:
        if site.serve:
            check_site(site, guests=False)
        yield None
        return
    from onmeet_bootstrap.gateway.server import open_gateway  # noqa: PLC0415 - if it is used

    check_guests(config)
    limits = DoorLimits(config.max_doors, config.doors_per_network, config.doors_per_node)
    origin = config.origin
    doors = Doors(
        host,
        lambda: origin,
        limits,
        address_of=remote_address,
        guests_per_door=config.guests_per_door,
        redeemer=api.redeemer,
    )
    doors.on_closed = api.receipts.door_closed
    doors.on_guest_left = api.receipts.guest_left
    api.holders.append(doors.held_by)
    files, facts = guest_page.files(), api.facts()
    async with open_gateway(config, doors, files, facts, site=site) as gateway:
        origin = gateway.origin
        yield gateway


def policy_version(config: SiteConfig) -> int:
    """Of the operator's policy that is in force; 0 if there is none. Raises `SettingsError`."""
    today = datetime.date.today()
    policy = in_force(read_policies(config.policies, today), today) if config.serve else None
    return policy.version if policy is not None else 0


@asynccontextmanager
async def open_bootstrap(
    config: BootstrapConfig, *, forgetting: Forgetting = ALL
) -> AsyncIterator[Bootstrap]:
    """Serves for the length of the block, in this process, and writes nothing to disk.

    `forgetting`: what is cleaned up after nodes that left; less than all is for tests alone.

    An exception of the block, SystemExit too, comes out as it is, in no group. Raises
    `StartFailed` when an address cannot be listened on, and as `open_turn` and `open_guests`.
    """
    failure: BaseException | None = None
    try:
        async with _serving(config, forgetting) as bootstrap:
            try:
                yield bootstrap
            except (Exception, SystemExit) as error:  # noqa: BLE001 - raised again below
                failure = error
    except BaseExceptionGroup as group:
        # What stops the start leaves through the nurseries of what had started before it.
        if isinstance(mistake := first(group), BootstrapError):
            raise mistake from None
        raise
    if failure is not None:
        raise failure


@asynccontextmanager
async def _serving(config: BootstrapConfig, forgetting: Forgetting) -> AsyncIterator[Bootstrap]:
    async with (
        open_turn(config.turn, config.tokens) as turn,
        open_bootstrap_host(config) as host,
        open_relay(host, relay_limits(config), prefix_of=network_of) as relay,
    ):
        redeemer = open_redeemer(config.tokens, host.peer_id, turn)
        api = BootstrapApi(
            host,
            config,
            address_of=remote_address,
            dial_back=partial(dial_back, host),
            lender=turn.lender,
            redeemer=redeemer,
            policy_version=policy_version(config.site),
        )
        relay.on_ended = api.receipts.circuit_ended
        api.holders.append(relay.held_by)
        mailboxes = Mailboxes(host, address_of=remote_address, network_factor=config.network_factor)
        api.holders.append(mailboxes.held_by)
        host.on_disconnect(api.receipts.forget)
        if turn.lender is not None:
            host.on_disconnect(turn.lender.forget)
        async with (
            open_guests(config.guests, config.site, host, api) as gateway,
            open_forgetter(
                host,
                (*api.limits, *mailboxes.limits, *(gateway.limits if gateway else ())),
                forgetting,
            ) as forgetter,
            trio.open_nursery() as nursery,
        ):
            if redeemer is not None:
                nursery.start_soon(keep_rations, redeemer, turn.warden)
            if gateway is not None:
                gateway.on_left = lambda: forgetter.left("")
            yield Bootstrap(host, relay, turn, api, mailboxes, gateway)
            nursery.cancel_scope.cancel()
