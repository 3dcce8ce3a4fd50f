"""How two contacts recognize each other in a room, where everybody has a key of one visit.

Each says to the other one tag per contact of its own. The tag for a contact can be made by the two
of them alone, for these two room keys and this direction alone; to everybody else it is random. So
who are contacts of each other learn it, and nobody else learns anything but about how many contacts
somebody has (the numbers are rounded up with random tags).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import TypeVar

from onmeet_node.protocol.identity.keys import IdentityKey

K = TypeVar("K", bound=bytes)

TAG_BYTES = 16
STEPS = (16, 64, 256)
"""How many tags are said; who has more contacts says those of the first 256."""
_DOMAIN = b"onmeet acquaint1"
_KEY_DOMAIN = b"onmeet acq. key1"


def pair_key(mine: IdentityKey, contact: bytes) -> bytes:
    """SECRET. What tags between these two people are made with; the same on both sides.

    Raises `BadKey`.
    """
    return hashlib.blake2b(mine.agree(contact), digest_size=32, person=_KEY_DOMAIN).digest()


def tag(pair: bytes, room: bytes, sender: bytes, receiver: bytes) -> bytes:
    """What `sender` says to `receiver` in `room` (room keys and a room's id) for one contact."""
    data = room + sender + receiver
    return hashlib.blake2b(data, digest_size=TAG_BYTES, key=pair, person=_DOMAIN).digest()


def tags(
    pairs: Iterable[bytes], room: bytes, sender: bytes, receiver: bytes, random: bytes
) -> tuple[bytes, ...]:
    """All of somebody's, sorted, so that their order says nothing. `random`: `max(STEPS)` times
    `TAG_BYTES` of it.
    """
    said = [tag(pair, room, sender, receiver) for pair in pairs][: max(STEPS)]
    wanted = next(step for step in STEPS if step >= len(said))
    fill = [random[n * TAG_BYTES : (n + 1) * TAG_BYTES] for n in range(wanted - len(said))]
    return tuple(sorted(said + fill))


def recognized(
    pairs: Mapping[K, bytes], room: bytes, sender: bytes, receiver: bytes, said: Iterable[bytes]
) -> K | None:
    """Which of our contacts (each with its pair key) said these tags; None: nobody we know."""
    heard = frozenset(said)
    for contact, pair in pairs.items():
        if tag(pair, room, sender, receiver) in heard:
            return contact
    return None
