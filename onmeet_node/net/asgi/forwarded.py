"""Who asks: the other end of the connection, or whom a proxy that we trust names."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence

_HEADER = b"x-forwarded-for"


def plain(address: str) -> str:
    """An IP address as it is compared: without a zone, and IPv4 also where IPv6 carries it.

    Raises ValueError for what is none.
    """
    parsed = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is not None:
        parsed = parsed.ipv4_mapped
    return str(parsed)


def asker(peer: str, headers: Iterable[tuple[bytes, bytes]], proxies: Sequence[str]) -> str:
    """The IP address that a request counts as, `peer` being the connection's.

    The last address of the last ``X-Forwarded-For``: the hop before our proxy, as our proxy itself
    saw it; whatever stands before it is what that hop said. One that names none counts as its own.
    `peer` and `proxies` are as `plain` gives them.
    """
    if peer not in proxies:
        return peer
    told = [value for name, value in headers if name.lower() == _HEADER]
    last = told[-1].decode("latin-1").rpartition(",")[2].strip() if told else ""
    try:
        return plain(last)
    except ValueError:
        return peer
