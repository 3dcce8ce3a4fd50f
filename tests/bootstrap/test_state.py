"""What a bootstrap holds is declared, and gone when those it is about are."""

from __future__ import annotations

import gc
import os
import secrets
import shutil
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import pytest
import trio
from onmeet_bootstrap.app import Bootstrap, open_bootstrap
from onmeet_bootstrap.audit.census import census
from onmeet_bootstrap.config.model import ephemeral_config
from onmeet_bootstrap.forgetting.state import STATE, declared, document
from onmeet_bootstrap.forgetting.sweep import ALL, Forgetting, wiping_environment

from onmeet_node.joining.line import open_line
from onmeet_node.net.bootstraps.bootstraps import ask_description
from onmeet_node.net.bootstraps.doors import HostDoors
from onmeet_node.net.libp2p.open_host import HostConfig, open_host
from onmeet_node.net.rates import AllowedRate, RateLimit
from onmeet_node.net.relay.client import RelayClient, through
from onmeet_node.protocol.wire.bootstrap_api import Echo, LendTurn, TurnCredentials
from onmeet_node.protocol.wire.link import make_link
from tests.bootstrap.asking import ask
from tests.bootstrap.setups import with_turn
from tests.fakes.hosts import Author, until
from tests.fakes.relay_world import ECHO, echo, said_back

TURN = shutil.which("turnserver") is not None or os.environ.get("ONMEET_REQUIRE_ALL") == "1"
ONCE_FOR_ALL = ("_signed", "flag_names", "type_names")
"""Grows at the first question, to a size that does not depend on who asks."""


def test_the_document_is_made_of_the_declarations():
    path = Path(__file__).parents[2] / "docs" / "STATE.md"
    assert path.read_text() == document(), (
        "run: python -m onmeet_bootstrap.forgetting.state > docs/STATE.md"
    )


def test_each_piece_says_everything_about_itself():
    for piece in STATE:
        assert all((piece.what, piece.why, piece.owner, piece.ended_by)), piece.name
    assert len({piece.name for piece in STATE}) == len(STATE)
    assert "doors" in {piece.name for piece in STATE}


def test_a_full_bucket_is_forgotten_without_a_question():
    now = 0.0
    limit = RateLimit(AllowedRate(per_minute=60, burst=5), lambda: now)
    limit.allow("a")
    limit.forget_full()
    assert len(limit) == 1
    now = 1.0
    limit.forget_full()
    assert len(limit) == 0


def test_an_environment_that_says_how_to_allocate_is_left_alone():
    assert wiping_environment({"PYTHONMALLOC": "debug"}) is None
    added = wiping_environment({"A": "b"})
    assert added is not None
    assert added["A"] == "b"
    assert wiping_environment(added) is None


@asynccontextmanager
async def helped(bootstrap: Bootstrap) -> AsyncIterator[None]:
    """Two nodes and a guest that use all a bootstrap offers, and are there inside the block."""
    async with open_host(HostConfig(())) as callee, open_host(HostConfig(())) as caller:
        callee.handle(ECHO, echo)
        for host in (callee, caller):
            await host.join(bootstrap.addresses)
        await RelayClient(callee).reserve(bootstrap.addresses)
        RelayClient(caller)
        await caller.connect([through(bootstrap.addresses[0], callee.peer_id)])
        stream = await caller.open_stream(callee.peer_id, ECHO)
        assert await said_back(stream, b"hello") == b"hello"
        if TURN:
            assert isinstance(await ask(caller, bootstrap.peer_id, LendTurn()), TurnCredentials)
        await ask(callee, bootstrap.peer_id, Echo())
        author = Author()
        await caller.put(author.key, author.write(b"text", lasts=6))
        await callee.get(author.key)
        secret = secrets.token_bytes(16)
        async with HostDoors(callee).open(bootstrap.peer_id, secret) as door:
            link = make_link(
                door_secret=secret, private_key=b"k" * 32, secret=b"s" * 16, expires=None
            )
            async with open_line(link.url(door.origin), shake=False) as line:
                await line.send_frame(link.door)
                await line.send_frame(b"sealed")
                guest = await door.guests.receive()
                await guest.receive_some()
                yield
                guest.abort()


async def _all_gone(bootstrap: Bootstrap) -> None:
    await until(lambda: bootstrap.counts().held == 0, seconds=60)
    await until(lambda: bootstrap._host.stats().calls == 0, seconds=20)
    await until(lambda: _records(bootstrap) == 0, seconds=20)
    gc.collect()


def _records(bootstrap: Bootstrap) -> int:
    bootstrap._host.dht.purge_now()
    return bootstrap.held()["DHT records"]


@pytest.mark.real
@pytest.mark.slow
async def test_nothing_undeclared_grows_during_a_call_and_nothing_at_all_is_left_after_it():
    config = with_turn() if TURN else ephemeral_config()
    config = attrs.evolve(config, guests=ephemeral_config(guests=True).guests)
    with trio.fail_after(110):
        async with open_bootstrap(config) as bootstrap:
            async with helped(bootstrap):  # what is made at the first use, once
                pass
            await _all_gone(bootstrap)
            before = census(bootstrap)
            async with helped(bootstrap):
                during = census(bootstrap)
                held = bootstrap.held()
            await _all_gone(bootstrap)
            after = census(bootstrap)
    for name in (
        "connections",
        "streams",
        "reservations",
        "circuits",
        "address book",
        "doors",
        "guests",
    ):
        assert held[name] > 0, name
    assert {piece for piece, count in bootstrap.held().items() if count} <= {"DHT records"}
    assert _undeclared(before, during) == []
    assert [name for name in after if after[name] > before[name]] == []


def _undeclared(before: Counter[str], during: Counter[str]) -> list[str]:
    return sorted(
        name
        for name, count in during.items()
        if count > before[name] and declared(name) is None and not _of_once(name)
    )


def _of_once(name: str) -> bool:
    return any(part in name for part in ONCE_FOR_ALL)


@pytest.mark.real
async def test_a_container_that_is_declared_nowhere_is_noticed():
    async with open_bootstrap(ephemeral_config()) as bootstrap:
        before = census(bootstrap)
        bootstrap.__dict__["_seen"] = ["a PeerId"]
        assert _undeclared(before, census(bootstrap)) == ["onmeet_bootstrap.app.Bootstrap._seen"]


@pytest.mark.real
@pytest.mark.parametrize(
    ("without", "left"),
    [("peers", "address book"), ("peers", "backoffs"), ("buckets", "question rate buckets")],
)
async def test_without_a_line_of_clean_up_something_is_left(without: str, left: str):
    forgetting: Forgetting = attrs.evolve(ALL, **{without: False})
    with trio.fail_after(30):
        async with open_bootstrap(ephemeral_config(), forgetting=forgetting) as bootstrap:
            async with open_host(HostConfig(())) as node:
                await RelayClient(node).reserve(bootstrap.addresses)
                await ask_description(node, bootstrap.peer_id)
                await until(lambda: bootstrap.held()["address book"] == 1)
            await until(lambda: not bootstrap.counts().connections)
            await trio.sleep(12)  # time itself: longer than any sweep or bucket takes
            assert bootstrap.held()[left] >= 1
            assert bootstrap.counts().held > 0
