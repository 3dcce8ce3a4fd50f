import pytest
from hypothesis import given
from hypothesis import strategies as st
from onmeet_bootstrap.errors import Exhausted
from onmeet_bootstrap.limits import AllowedRate, Caps, Quota, RateLimit

from onmeet_node.net.libp2p.remote_address import prefix_of


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_burst_passes_then_requests_pass_at_the_set_pace():
    clock = Clock()
    limit = RateLimit(AllowedRate(per_minute=6, burst=3), clock)
    assert [limit.allow("a") for _ in range(5)] == [True, True, True, False, False]
    clock.now += 9.9
    assert not limit.allow("a")
    clock.now += 0.2
    assert limit.allow("a")
    assert not limit.allow("a")


def test_one_asker_does_not_use_up_anothers_share():
    limit = RateLimit(AllowedRate(per_minute=1, burst=1), Clock())
    assert limit.allow("a")
    assert not limit.allow("a")
    assert limit.allow("b")


def test_an_asker_who_has_rested_is_forgotten():
    clock = Clock()
    limit = RateLimit(AllowedRate(per_minute=60, burst=5), clock)
    for name in "abc":
        limit.allow(name)
    assert len(limit) == 3
    clock.now += 10
    limit.allow("d")
    assert len(limit) == 1


def test_memory_stays_bounded_under_many_askers():
    limit = RateLimit(AllowedRate(per_minute=1, burst=1), Clock(), max_keys=50)
    for number in range(500):
        limit.allow(str(number))
    assert len(limit) == 50


@given(st.lists(st.floats(min_value=0, max_value=20), max_size=60))
def test_never_more_than_the_burst_plus_the_pace(gaps: list[float]):
    clock = Clock()
    limit = RateLimit(AllowedRate(per_minute=30, burst=4), clock)
    start, passed = clock.now, 0
    for gap in gaps:
        clock.now += gap
        passed += limit.allow("a")
        assert passed <= 4 + (clock.now - start) / 2 + 1e-6


@pytest.mark.parametrize(
    ("address", "prefix"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2ff::9", "2001:db8:1:200::"),
        ("fe80::1%eth0", "fe80::"),
        (None, "?"),
        ("nonsense", "?"),
    ],
)
def test_addresses_of_one_customer_share_a_prefix(address: str | None, prefix: str):
    assert prefix_of(address) == prefix


def test_caps_hold_for_a_peer_for_its_network_and_for_all():
    quota = Quota(Caps(total=4, per_prefix=3, per_peer=2), "circuits")
    quota.take("a", "net1")
    quota.take("a", "net1")
    with pytest.raises(Exhausted, match="You already hold"):
        quota.take("a", "net1")
    quota.take("b", "net1")
    with pytest.raises(Exhausted, match="Your network"):
        quota.take("c", "net1")
    quota.take("c", "net2")
    with pytest.raises(Exhausted, match="All circuits"):
        quota.take("d", "net3")
    quota.give_back("a", "net1")
    quota.take("d", "net3")
    assert quota.held == 4


def test_what_was_held_leaves_no_trace():
    quota = Quota(Caps(total=4, per_prefix=3, per_peer=2), "circuits")
    with quota.holding("a", "net1"):
        assert quota.held == 1
    assert quota.held == 0
    assert "a" not in repr(vars(quota)["_by_peer"])
    assert "net1" not in repr(vars(quota)["_by_prefix"])
