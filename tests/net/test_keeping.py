"""Records kept for others: within bounds, at little cost, and fairly."""

from __future__ import annotations

import time

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from nacl.signing import SigningKey

from onmeet_node.net.libp2p.open_host import open_host
from onmeet_node.net.libp2p.record_store import RecordStore, asking
from onmeet_node.protocol.wire import record
from tests.fakes.hosts import config, without


def put(records: RecordStore, network: str, *keys: bytes) -> None:
    token = asking.set(network)
    for key in keys:
        records[key] = network
    asking.reset(token)


def test_who_stores_too_much_loses_their_own_oldest() -> None:
    records = RecordStore(total=10, share=3)
    put(records, "honest", b"h1", b"h2")
    put(records, "flood", b"f1", b"f2", b"f3", b"f4", b"f5")
    assert list(records) == [b"h1", b"h2", b"f3", b"f4", b"f5"]


def test_bringing_a_record_again_makes_it_newest_but_nobody_elses() -> None:
    records = RecordStore(total=10, share=2)
    put(records, "honest", b"h1", b"h2")
    put(records, "flood", b"h1", b"f1", b"f2", b"f3")
    assert list(records) == [b"h2", b"h1", b"f2", b"f3"]
    put(records, "honest", b"h3")
    assert b"h2" not in records


def test_when_all_is_full_the_oldest_goes() -> None:
    records = RecordStore(total=3, share=2)
    for number in range(5):
        put(records, f"net{number}", b"%d" % number)
    assert list(records) == [b"2", b"3", b"4"]


def test_when_all_is_full_networks_that_fill_it_push_out_their_own() -> None:
    records = RecordStore(total=100, share=12)
    for number in range(20):
        put(records, f"honest{number}", b"h%d" % number)
    for number in range(1000):
        put(records, f"flood{number % 10}", b"f%d" % number)
    assert sum(key.startswith(b"h") for key in records) == 20
    assert len(records) == 100


@given(
    st.lists(
        st.tuples(st.sampled_from(["put", "remove"]), st.sampled_from("abc"), st.integers(0, 12))
    )
)
def test_no_bound_is_ever_passed(steps: list[tuple[str, str, int]]) -> None:
    records = RecordStore(total=8, share=3)
    for step, network, number in steps:
        key = b"%d" % number
        if step == "put":
            put(records, network, key)
            assert key in records
        elif key in records:
            del records[key]
        assert len(records) <= 8
        assert len(records) == len(records._network) == sum(map(len, records._of.values()))
        assert all(0 < len(keys) <= 3 for keys in records._of.values())


@pytest.mark.real
async def test_what_a_peer_stores_counts_for_its_network() -> None:
    key = SigningKey.generate()
    public = bytes(key.verify_key)
    now = int(time.time())
    made = record.sign_record(
        public, b"x", seq=now, not_after=now + 60, sign=lambda text: key.sign(text).signature
    )
    with trio.fail_after(20):
        async with open_host(config(server=True)) as server, open_host(config()) as node:
            await node.join(server.addresses)
            await node.put(record.dht_key(public), record.encode(made))
            kept = server.dht._kad.value_store.store
            assert isinstance(kept, RecordStore)
            assert list(kept._of) == ["127.0.0.1"]
            assert await node.get(record.dht_key(public)) == record.encode(made)


@pytest.mark.real
@pytest.mark.slow
async def test_a_full_store_costs_no_more_than_an_empty_one() -> None:
    """The trap: with the library's own store one more record takes a third of a second."""

    async def one_more(remedies: object) -> float:
        async with open_host(config(server=True, remedies=remedies)) as server:
            values = server.dht._kad.value_store
            for number in range(50_000):
                values.put(b"/om/%d" % number, b"x")
            began = time.perf_counter()
            for number in range(3):
                values.put(b"/om/more%d" % number, b"x")
            return (time.perf_counter() - began) / 3

    slow = await one_more(without("own_record_store"))
    assert await one_more(config().remedies) < slow / 10
