"""Traps of the DHT: each remedy, and what happens without it."""

import time

import pytest
import trio
from libp2p.kad_dht.pb.kademlia_pb2 import Record
from libp2p.records.record import make_put_record

from onmeet_node.net.errors import BadDhtKey, StreamRefused
from onmeet_node.net.libp2p.config import PresenceRules
from onmeet_node.net.libp2p.open_host import Host, HostConfig, open_host
from onmeet_node.net.libp2p.patches import KAD_PROTOCOL, Remedies
from onmeet_node.protocol.wire import record
from tests.fakes.hosts import ALL, LOCAL, Author, config, text_of, until, without

pytestmark = pytest.mark.real


def held(host: Host, key: str) -> tuple[Record, float]:
    return host._kad.value_store.store[key.encode()]


async def read_with_an_old_copy_at_home(remedies: Remedies) -> bytes | None:
    author = Author()
    async with (
        open_host(config(server=True, remedies=remedies)) as stale,
        open_host(config(server=True, remedies=remedies)) as fresh,
    ):
        await stale.join(fresh.addresses)
        await stale.put(author.key, author.write(b"old", age=60))
        new = make_put_record(author.key.encode(), author.write(b"new"))
        fresh._kad.value_store.put_record(author.key.encode(), new)
        return text_of(await stale.get(author.key))


async def test_an_old_copy_at_home_does_not_hide_a_new_one():
    assert await read_with_an_old_copy_at_home(ALL) == b"new"


async def test_without_ask_network_it_does():
    assert await read_with_an_old_copy_at_home(without("ask_network")) == b"old"


class AnyKey:
    """Rules that would allow a key of any length."""

    def verify(self, key: str, value: bytes, now: int) -> None:
        pass

    def select(self, values):
        return len(values) - 1


async def replicas_of_a_long_key(remedies: Remedies) -> int:
    """On how many of four servers a put arrives, by a client that knows only the first."""

    def settings(*, server: bool) -> HostConfig:
        return HostConfig(listen=LOCAL, server=server, rules=AnyKey(), remedies=remedies)

    async with (
        open_host(settings(server=True)) as first,
        open_host(settings(server=True)) as a,
        open_host(settings(server=True)) as b,
        open_host(settings(server=True)) as c,
        open_host(settings(server=False)) as client,
    ):
        for host in (a, b, c):
            await host.join(first.addresses)
        await until(lambda: len(first.dht_peers()) == 3)
        await client.connect(first.addresses)
        return await client.put("/om/" + "k" * 56, b"value")


async def test_a_key_that_servers_would_reset_is_refused():
    with pytest.raises(BadDhtKey, match="50"):
        await replicas_of_a_long_key(ALL)


async def test_without_check_keys_most_servers_never_see_it():
    assert await replicas_of_a_long_key(without("check_keys")) < 4


async def answers_to_sixty_lookups_at_once(remedies: Remedies) -> int:
    author = Author()
    answers: list[bytes] = []

    async def look(host: Host) -> None:
        if (value := await host.get(author.key)) is not None:
            answers.append(value)

    async with (
        open_host(config(server=True, remedies=remedies)) as server,
        open_host(config(remedies=remedies)) as client,
    ):
        await client.join(server.addresses)
        await client.put(author.key, author.write(b"x"))
        async with trio.open_nursery() as nursery:
            for _ in range(60):
                nursery.start_soon(look, client)
    return len(answers)


async def test_sixty_lookups_at_once_are_all_answered():
    assert await answers_to_sixty_lookups_at_once(ALL) == 60


async def test_without_wide_dht_limiter_some_are_reset():
    assert await answers_to_sixty_lookups_at_once(without("wide_dht_limiter")) < 60


async def open_ipfs_stream(remedies: Remedies) -> None:
    async with (
        open_host(config(server=True, remedies=remedies)) as server,
        open_host(config(remedies=remedies)) as client,
    ):
        await client.connect(server.addresses)
        await client.open_stream(server.peer_id, "/ipfs/kad/1.0.0")


async def test_the_public_dht_is_not_spoken():
    with pytest.raises(StreamRefused):
        await open_ipfs_stream(ALL)
    async with open_host(config(server=True)) as server, open_host(config()) as client:
        await client.connect(server.addresses)
        await client.open_stream(server.peer_id, KAD_PROTOCOL)


async def test_without_own_dht_protocol_it_is():
    await open_ipfs_stream(without("own_dht_protocol"))


async def author_of_a_stored_record(remedies: Remedies) -> bytes:
    author = Author()
    async with (
        open_host(config(server=True, remedies=remedies)) as server,
        open_host(config(remedies=remedies)) as client,
    ):
        await client.join(server.addresses)
        await client.put(author.key, author.write(b"x"))
        return held(server, author.key)[0].author


async def test_a_stored_record_names_no_peer():
    assert await author_of_a_stored_record(ALL) == b""


async def test_without_anonymous_records_it_names_its_publisher():
    assert await author_of_a_stored_record(without("anonymous_records")) != b""


class FirstOfEquals(PresenceRules):
    """The tie rule that looks as good: of equals, the first."""

    def select(self, values):
        return max(range(len(values)), key=lambda i: record.decode(values[i]).seq)


async def seconds_gained_by_putting_again(rules: PresenceRules) -> float:
    """How much later a record expires at a server once it was put a second time, unchanged."""
    author = Author()
    value = author.write(b"x")
    settings = HostConfig(listen=LOCAL, server=True, rules=rules)
    async with open_host(settings) as server, open_host(config()) as client:
        await client.join(server.addresses)
        await client.put(author.key, value)
        before = held(server, author.key)[1]
        await trio.sleep(0.05)
        try:
            await client.put(author.key, value)
        except Exception:  # noqa: BLE001 - refused: that is the trap
            return 0
        return held(server, author.key)[1] - before


async def test_putting_again_refreshes_a_record():
    assert await seconds_gained_by_putting_again(PresenceRules()) > 0


async def test_if_the_first_of_equals_won_it_would_not():
    assert await seconds_gained_by_putting_again(FirstOfEquals()) == 0


async def test_a_put_counts_only_peers_that_really_hold_the_record():
    author = Author()

    class Refuse(PresenceRules):
        def verify(self, key: str, value: bytes, now: int) -> None:
            raise ValueError("not here")

    async with (
        open_host(config(server=True)) as good,
        open_host(HostConfig(listen=LOCAL, server=True, rules=Refuse())) as bad,
        open_host(config()) as client,
    ):
        await client.join(good.addresses)
        await client.join(bad.addresses)
        assert set(client.dht_peers()) == {good.peer_id, bad.peer_id}
        assert await client.put(author.key, author.write(b"x")) == 1
        assert author.key.encode() not in bad._kad.value_store.store


async def test_a_record_from_a_lying_server_is_passed_over():
    author = Author()
    async with (
        open_host(config(server=True)) as honest,
        open_host(config(server=True)) as liar,
        open_host(config()) as client,
    ):
        await client.join(honest.addresses)
        await client.join(liar.addresses)
        await client.put(author.key, author.write(b"true", age=60))
        forged = bytearray(author.write(b"false"))
        forged[-1] ^= 1
        raw = author.key.encode()
        liar._kad.value_store.put_record(raw, make_put_record(raw, bytes(forged)))
        assert text_of(await client.get(author.key)) == b"true"


async def test_a_mute_server_does_not_hold_up_a_lookup():
    author = Author()
    async with (
        open_host(config(server=True)) as good,
        open_host(config(server=True)) as mute,
        open_host(config()) as client,
    ):
        await client.join(good.addresses)
        await client.put(author.key, author.write(b"x"))
        await client.join(mute.addresses)

        async def say_nothing(stream) -> None:
            await trio.sleep_forever()

        mute.handle(KAD_PROTOCOL, say_nothing)
        began = time.monotonic()
        assert text_of(await client.get(author.key)) == b"x"
        assert time.monotonic() - began < 2
