"""TURN for tokens, whole: seats, purchases and a relayed call with real coturn, at real nodes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import attrs
import pytest
import trio
from onmeet_bootstrap.accounts.config import AccountsConfig
from onmeet_bootstrap.accounts.ledger import open_ledger
from onmeet_bootstrap.accounts.server import AccountsServer, open_accounts
from onmeet_bootstrap.app import Bootstrap
from onmeet_bootstrap.config.model import BootstrapConfig, TokensConfig
from onmeet_bootstrap.host import peer_id_of

from onmeet_node.accounts.errors import KeyNotShared
from onmeet_node.calls.options import CallOptions
from onmeet_node.events import StateChanged
from onmeet_node.net.bootstraps.tokens import RENEW_BEFORE
from onmeet_node.node.node import Node
from onmeet_node.protocol.call.effects import State
from onmeet_node.protocol.media import MediaPath
from onmeet_node.protocol.wire.messages import Kind
from onmeet_node.protocol.wire.seat import SeatLink, hash_of
from onmeet_node.store.purse import PURSE_NAME, NoPurse
from tests.bootstrap.ports import free_port
from tests.bootstrap.setups import with_turn
from tests.node.conftest import Start, befriend, connected
from tests.requirements import needs_coturn

pytestmark = [pytest.mark.real, needs_coturn]

SECONDS = 60.0
SEED = bytes([9]) * 32
WEEKLY = 12
SOUND = frozenset({Kind.AUDIO})
FAR = 10**6
"""A day that is long to come."""


@attrs.frozen
class Shop:
    """An accounts service in this process."""

    issuer: str
    home: Path
    server: AccountsServer

    def seat(self, weekly: int = WEEKLY) -> str:
        code = os.urandom(16)
        with open_ledger(self.home) as ledger:
            ledger.add_group("tests", weekly, FAR, [hash_of(code)])
        return str(SeatLink(self.issuer, code))


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Shop]:
    issuer = f"127.0.0.1:{free_port()}"
    config = AccountsConfig(issuer=issuer, bootstraps=(peer_id_of(SEED),), listen=(issuer,))
    home = tmp_path / "accounts"
    home.mkdir()
    async with open_accounts(home, config) as server:
        yield Shop(issuer, home, server)


@pytest.fixture
def credential_seconds() -> int:
    return 3600


@pytest.fixture
def free_per_network() -> int:
    return 0


@pytest.fixture
def bootstrap_config(shop: Shop, credential_seconds: int, free_per_network: int) -> BootstrapConfig:
    tokens = TokensConfig(
        serve=True,
        issuer=shop.issuer,
        keys=str(shop.home / "token-keys.json"),
        free_per_network=free_per_network,
    )
    turn = with_turn(
        relay_port_min=41_500, relay_port_max=41_600, credential_seconds=credential_seconds
    )
    return attrs.evolve(turn, seed=SEED, tokens=tokens)


def left(node: Node) -> int:
    """Of this week. On a Sunday it may have bought the next one's too."""
    view = node.account.view()
    return sum(each.count for each in view.tokens if each.week == view.this_week)


async def wait(holds: Callable[[], object]) -> None:
    """Until it holds; what is waited for has no event."""
    with trio.fail_after(SECONDS):
        while not holds():  # noqa: ASYNC110
            await trio.sleep(0.05)


async def test_a_relayed_call_is_paid_with_a_token_of_each_side(
    start: Start, shop: Shop, bootstrap: Bootstrap
) -> None:
    alice, bob = await start("Alice"), await start("Bob")
    await befriend(alice, bob)
    with trio.fail_after(SECONDS):
        for node in (alice, bob):
            view = await node.account.take_seat(shop.seat())
            assert (view.bought, view.at_need, view.trouble) == (WEEKLY, True, "")
            assert left(node) == WEEKLY
        assert bootstrap.held()["spent tokens"] == 0
        async with bob.incoming() as ringing:
            wish = CallOptions(source="test", relay_only=True)
            async with alice.call(bob.identity, kinds=SOUND, wish=wish) as call:
                answering = await ringing.receive()
                answering.accept(SOUND, CallOptions(source="test", relay_only=True))
                await connected(call)
                assert call.path is MediaPath.RELAY
                assert bootstrap.held()["spent tokens"] == 2
                assert (left(alice), left(bob)) == (WEEKLY - 1, WEEKLY - 1)
        # Another one within the hour costs nothing.
        async with (
            bob.incoming() as ringing,
            alice.call(bob.identity, kinds=SOUND, wish=wish) as call,
        ):
            answering = await ringing.receive()
            answering.accept(SOUND, CallOptions(source="test", relay_only=True))
            await connected(call)
        assert left(alice) == WEEKLY - 1


async def test_nothing_is_borrowed_before_a_call_comes_and_guests_cost_a_token_each(
    start: Start, shop: Shop, bootstrap: Bootstrap
) -> None:
    alice = await start("Alice")
    turn = alice._network.turn
    with trio.fail_after(SECONDS):
        await alice.account.take_seat(shop.seat())
        await turn.ready()
        assert turn.current() == ()
        assert bootstrap.held()["spent tokens"] == 0
        assert any("for tokens" in found.what for found in alice._network.examine())
        turn.want()
        await turn.ready()
        assert turn.current()
        assert await alice._network.lend_turn()
        assert await alice._network.lend_turn()
    assert bootstrap.held()["spent tokens"] == 3
    assert left(alice) == WEEKLY - 3


@pytest.mark.parametrize("free_per_network", [1])
async def test_what_is_free_is_taken_first_and_by_those_without_a_seat(
    start: Start, shop: Shop, bootstrap: Bootstrap, free_per_network: int
) -> None:
    alice = await start("Alice")
    turn = alice._network.turn
    with trio.fail_after(SECONDS):
        turn.want()
        await turn.ready()
        assert turn.current()
        assert await alice._network.lend_turn() == ()
        await alice.account.take_seat(shop.seat())
        assert await alice._network.lend_turn()
    assert bootstrap.held()["spent tokens"] == free_per_network
    assert left(alice) == WEEKLY - 1


async def test_without_tokens_a_call_goes_directly_and_no_later(start: Start, shop: Shop) -> None:
    alice, bob = await start("Alice"), await start("Bob")
    await befriend(alice, bob)
    with trio.fail_after(SECONDS):
        async with bob.incoming() as ringing:
            wish = CallOptions(source="test")
            async with alice.call(bob.identity, kinds=SOUND, wish=wish) as call:
                (await ringing.receive()).accept(SOUND, CallOptions(source="test"))
                await connected(call)
                assert call.path is MediaPath.HOST
    with pytest.raises(NoPurse):
        alice.account.view()


@pytest.mark.slow
@pytest.mark.parametrize("credential_seconds", [60])
async def test_a_call_outlives_its_credentials_by_new_ones(
    start: Start, shop: Shop, bootstrap: Bootstrap, credential_seconds: int
) -> None:
    assert credential_seconds / 2 < RENEW_BEFORE
    alice, bob = await start("Alice"), await start("Bob")
    await befriend(alice, bob)
    for node in (alice, bob):
        await node.account.take_seat(shop.seat())
    warden = bootstrap._turn.warden
    assert warden is not None
    with trio.fail_after(110):
        async with bob.incoming() as ringing:
            wish = CallOptions(source="test", relay_only=True)
            async with alice.call(bob.identity, kinds=SOUND, wish=wish) as call:
                (await ringing.receive()).accept(SOUND, CallOptions(source="test", relay_only=True))
                await connected(call)
                first = {server.username for server in alice._network.turn.current()}
                async for event in call.events:
                    if isinstance(event, StateChanged) and event.state is State.RECONNECTING:
                        break
                await wait(lambda: call.state is State.CONNECTED)
                assert {server.username for server in alice._network.turn.current()} != first
                expired = max(int(name.partition(":")[0]) for name in first)
                await trio.sleep(max(0, expired + 1 - warden._clock()))  # time itself
                await warden.look()
                assert call.state is State.CONNECTED
                assert call.path is MediaPath.RELAY
    assert left(alice) <= WEEKLY - 2


# ── keys ─────────────────────────────────────────────────────────────────────────────────────────
async def test_an_issuer_whose_key_its_bootstrap_does_not_sign_sells_nothing(
    start: Start, shop: Shop, bootstrap: Bootstrap
) -> None:
    alice = await start("Alice")
    issuer = shop.server._issuer
    issuer._public, issuer._signers = dict(issuer._public), dict(issuer._signers)
    week, other = sorted(issuer._signers)
    issuer._public[week] = issuer._public[other]
    with trio.fail_after(SECONDS):
        with pytest.raises(KeyNotShared, match="another key than the issuer's directory"):
            await alice.account.take_seat(shop.seat())
    assert "another key" in alice.account.view().trouble
    assert left(alice) == 0


async def test_a_bootstrap_that_changes_its_key_is_given_no_token(
    start: Start, shop: Shop, bootstrap: Bootstrap
) -> None:
    alice = await start("Alice")
    with trio.fail_after(SECONDS):
        await alice.account.take_seat(shop.seat())
        bootstraps = alice._network.bootstraps
        (known,) = bootstraps.known
        assert known.description is not None
        terms = known.description.tokens
        assert terms is not None
        keys = tuple(attrs.evolve(key, id=bytes(32)) for key in terms.keys)
        changed = attrs.evolve(known.description, tokens=attrs.evolve(terms, keys=keys))
        bootstraps._set(known.peer, description=changed)
        alice._network.turn.want()
        await alice._network.turn.ready()
    assert alice._network.turn.current() == ()
    assert "shown to you alone" in alice.account.view().trouble
    assert left(alice) == WEEKLY
    assert bootstrap.held()["spent tokens"] == 0


# ── the purse ────────────────────────────────────────────────────────────────────────────────────
async def test_a_seat_and_its_tokens_outlive_a_restart_and_go_by_command(
    start: Start, shop: Shop
) -> None:
    alice = await start("Alice")
    link = shop.seat()
    with trio.fail_after(SECONDS):
        await alice.account.take_seat(link)
        purse = alice.account._slot.require()
        assert purse.pending(alice.account.view().this_week) is None
        await start.stop("Alice")
        again = await start("Alice")
        assert left(again) == WEEKLY
        assert again.account.view().issuer == shop.issuer
        again.account.leave()
    assert not list(again.config.home.glob(PURSE_NAME + "*"))
    with pytest.raises(NoPurse):
        again.account.view()


async def test_seat_and_tokens_are_readable_in_no_file_and_go_with_the_home(
    start: Start, shop: Shop
) -> None:
    from onmeet_node.store import delete_everything

    alice = await start("Alice")
    link = shop.seat()
    with trio.fail_after(SECONDS):
        await alice.account.take_seat(link)
    home = alice.config.home
    token = alice.account._slot.require()._database.execute("SELECT token FROM token")[0][0]
    await start.stop("Alice")
    kept = b"".join(path.read_bytes() for path in home.iterdir() if path.is_file())
    assert SeatLink.parse(link).code not in kept
    assert token[2:60] not in kept
    assert (home / PURSE_NAME).stat().st_mode & 0o077 == 0
    delete_everything(home)
    assert not home.exists()


async def test_the_command_line_enters_a_seat_and_tells_what_is_left(
    start: Start, shop: Shop
) -> None:
    from onmeet_node.control.socket import serve_control
    from onmeet_node.store.home import SOCKET_NAME

    alice = await start("Alice")

    async def onmeet(*arguments: str, given: str = "") -> subprocess.CompletedProcess[bytes]:
        code = "from onmeet_node.cli import main; main()"
        command = [sys.executable, "-c", code, *arguments, "--home", str(alice.config.home)]
        return await trio.run_process(
            command, stdin=given.encode(), capture_stdout=True, capture_stderr=True, check=False
        )

    with trio.fail_after(2 * SECONDS):
        async with trio.open_nursery() as nursery:
            await nursery.start(serve_control, alice, alice.config.home / SOCKET_NAME)
            none = await onmeet("account", "status")
            assert none.returncode == 1
            assert b"onmeet account seat" in none.stderr
            done = await onmeet("account", "seat", "-", given=shop.seat() + "\n")
            assert done.returncode == 0, done.stderr
            assert f"{WEEKLY} for this week".encode() in done.stdout
            assert b"may guess whose they are" in done.stdout
            again = await onmeet("account", "buy", "--json")
            assert again.returncode == 0
            assert b'"bought": 12' in again.stdout
            assert (await onmeet("account", "logout")).returncode == 0
            nursery.cancel_scope.cancel()
