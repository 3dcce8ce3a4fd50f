"""What kind of NAT is in front of us, by how STUN servers see our sockets (RFC 4787, 4.1). Pure."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

Address = tuple[str, int]


@dataclass(frozen=True, slots=True)
class SeenMapping:
    """A server at the address `server` saw our socket `own` as `seen`."""

    own: Address
    server: str
    seen: Address


def nat_kind(mappings: Collection[SeenMapping]) -> str:
    """``none``: servers see our own address. ``same``: all see one other, so that peers can use it.

    ``each``: each server sees another one, so no peer can know what it will see (a symmetric NAT).
    ``""``: unknown, as after a single server's word. Of several sockets the luckiest counts, of
    IPv4 where there is any: its NATs are the ones in the way.
    """
    ipv4 = [m for m in mappings if ":" not in m.own[0]]
    kinds = {_kind(of) for of in _by_socket(ipv4 or mappings).values()}
    return next((kind for kind in ("none", "same", "each") if kind in kinds), "")


def _by_socket(mappings: Collection[SeenMapping]) -> dict[Address, list[SeenMapping]]:
    sockets: dict[Address, list[SeenMapping]] = {}
    for mapping in mappings:
        sockets.setdefault(mapping.own, []).append(mapping)
    return sockets


def _kind(mappings: list[SeenMapping]) -> str:
    seen = {mapping.seen for mapping in mappings}
    if len(seen) > 1:
        return "each"
    if mappings[0].own in seen:
        return "none"
    return "same" if len({mapping.server for mapping in mappings}) > 1 else ""
