"""``onmeet link``: makes the home of a device that is linked to a person's other one."""

from __future__ import annotations

import secrets
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import trio

from onmeet_node.config import Config
from onmeet_node.contacts.linking import LinkFailed, LinkWelcome, offer_link
from onmeet_node.contacts.meeting import MeetingPlaces
from onmeet_node.errors import first
from onmeet_node.events import LinkOffered, LinkWordsShown, NodeEvent
from onmeet_node.net.bootstraps.bootstraps import Bootstraps
from onmeet_node.net.exposure import Exposure
from onmeet_node.net.libp2p.config import HostConfig
from onmeet_node.net.libp2p.open_host import open_host
from onmeet_node.protocol.identity.keys import IdentityKey
from onmeet_node.store import Unlock, create_linked_home, open_home
from onmeet_node.store.home import require_no_home
from onmeet_node.store.settings import BOOTSTRAPS

CONNECT_SECONDS = 15.0


async def link_home(
    config: Config,
    unlock: Unlock,
    name: str,
    tell: Callable[[NodeEvent], Awaitable[None]],
) -> bytes:
    """Makes a home at `config.home` of a device that calls itself `name`; whose it is.

    `tell` gets a `LinkOffered`, then `LinkWordsShown`. Raises `HomeExists` before anything is
    offered, `SpokenFailed`, `LinkFailed`; then there is no home.
    """
    require_no_home(config.home)
    seed = secrets.token_bytes(32)
    try:
        welcome, ways = await _meet(config, IdentityKey(seed).public, name, tell)
    except ExceptionGroup as group:  # of the nursery that the bootstraps ran in
        raise first(group) from None
    made = partial(_make, config.home, unlock, seed, welcome, ways)
    await trio.to_thread.run_sync(made)
    return welcome.identity


async def _meet(
    config: Config, key: bytes, name: str, tell: Callable[[NodeEvent], Awaitable[None]]
) -> tuple[LinkWelcome, tuple[str, ...]]:
    """What the other device says, and the bootstraps at which it was met."""

    async def show(words: tuple[str, ...], device: str) -> None:
        await tell(LinkWordsShown(words=words, device=device))

    exposure = Exposure(
        hidden=lambda: config.relay_only, entrances=lambda: config.bootstraps, listen=()
    )
    async with (
        open_host(HostConfig(listen=(), server=False, exposure=exposure)) as host,
        trio.open_nursery() as nursery,
    ):
        bootstraps = Bootstraps(host, config.bootstraps, region=config.region)
        nursery.start_soon(bootstraps.run)
        with trio.move_on_after(CONNECT_SECONDS):
            while not bootstraps.connected:  # noqa: ASYNC110 - no event of the first one
                await trio.sleep(0.05)
        if not bootstraps.connected:
            raise LinkFailed(
                "No bootstrap can be reached, and devices meet at one. Name one that your other "
                "device uses: --bootstrap ADDRESS (see onmeet settings there)."
            )
        async with offer_link(MeetingPlaces(host, bootstraps)) as link:
            await tell(LinkOffered(code=link.text, seconds=link.seconds))
            welcome = await link.outcome(key, name, show)
        nursery.cancel_scope.cancel()
        return welcome, bootstraps.addresses
    raise AssertionError("the block returns or raises")


def _make(
    home: Path, unlock: Unlock, seed: bytes, welcome: LinkWelcome, ways: tuple[str, ...]
) -> None:
    now = int(time.time())
    devices = (welcome.devices.signed, None)
    create_linked_home(home, unlock, welcome.identity, seed, devices, now=now)
    with open_home(home, unlock) as store:
        store.audiences.rotate_contacts(welcome.contacts_secret, now=now)
        store.settings.put(BOOTSTRAPS, ways)
