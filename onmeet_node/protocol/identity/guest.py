"""What guests are called inside a node: names for one visit, which prove nothing."""

from __future__ import annotations

PREFIX = b"\xff" * 8
"""No key of a person begins so, unless somebody tries 2^64 of them."""
RANDOM_BYTES = 24


def guest_id(random: bytes) -> bytes:
    """A name made of `RANDOM_BYTES` fresh random ones; greater than any identity, so that a host
    is the polite side of a call with a guest (PROTOCOL, "Guests").
    """
    if len(random) != RANDOM_BYTES:
        raise ValueError(f"give {RANDOM_BYTES} random bytes")
    return PREFIX + random


def is_guest(identity: bytes) -> bool:
    """Whether this names a guest, here or in the history."""
    return identity.startswith(PREFIX)
