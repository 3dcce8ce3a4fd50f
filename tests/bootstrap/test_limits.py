import pytest
from onmeet_bootstrap.errors import Exhausted
from onmeet_bootstrap.limits import Caps, Quota

from onmeet_node.net.libp2p.remote_address import prefix_of


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
