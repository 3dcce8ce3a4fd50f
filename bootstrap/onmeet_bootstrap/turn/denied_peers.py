"""Where nobody may be reached through TURN: every address that is not a public one."""

from __future__ import annotations

import ipaddress

SPECIAL = (
    # https://www.iana.org/assignments/iana-ipv4-special-registry, and multicast
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.31.196.0/24",
    "192.52.193.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
    "192.175.48.0/24",
    "198.18.0.0/15",
    "224.0.0.0/3",
    # https://www.iana.org/assignments/iana-ipv6-special-registry: all that is no global unicast …
    "::1/128",
    "::ffff:0:0/96",
    "64:ff9b::/96",
    "64:ff9b:1::/48",
    "100::/63",
    "4000::/2",
    "8000::/2",
    "c000::/3",
    "e000::/4",
    "f000::/5",
    "f800::/6",
    "fc00::/7",
    "fe00::/9",
    "fe80::/10",
    "fec0::/10",
    "ff00::/8",
    # … and what is special in it: IETF's (Teredo, ORCHID, benchmarks), 6to4, AS112
    "2001::/23",
    "2002::/16",
    "2620:4f:8000::/48",
)
"""Where nobody may be reached through us. The public addresses of this machine stay allowed: two
people who are both relay-only meet there."""
BELOW_GLOBAL_UNICAST = ("::1", "1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff")
"""NOTE: from ``::1``, not ``::``. coturn takes a range that begins with the unspecified address for
one without a beginning, and IPv4 for lower than IPv6: ``::-::ffff:ffff`` refuses all of IPv4. It
refuses ``::`` and ``0.0.0.0`` themselves of its own accord."""
DOCUMENTATION = (
    "192.0.2.0/24",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "2001:db8::/32",
    "3fff::/20",
)
"""RFC 5737, 3849 and 9637: nobody is there, but in a lab whose server is there too."""


def denied_peers(public: tuple[str, ...]) -> tuple[str, ...]:
    """`denied-peer-ip` of a server at these addresses: ranges as coturn reads them."""
    own = [ipaddress.ip_address(ip) for ip in public]
    special = [ipaddress.ip_network(network) for network in (*SPECIAL, *DOCUMENTATION)]
    labs = {ipaddress.ip_network(network) for network in DOCUMENTATION}
    ranges = [
        f"{network[0]}-{network[-1]}" if network.num_addresses > 1 else str(network[0])
        for network in special
        if not (network in labs and any(ip in network for ip in own))
    ]
    return (*ranges, "-".join(BELOW_GLOBAL_UNICAST))
