"""What to buy and when: pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from onmeet_node.accounts.errors import BadProxy, KeyNotShared
from onmeet_node.protocol.wire.bootstrap_api import TokenTerms
from onmeet_node.protocol.wire.token_directory import IssuerDirectory
from onmeet_node.protocol.wire.tokens import MAX_PUBLISHED_KEYS, TokenKey
from onmeet_node.protocol.wire.weeks import epoch_begins

DAY = 86_400
LAST_HOUR = 3_600
"""Of the day before a week: left for tries after one that failed."""
NEAREST_SHARE = 0.75
"""Of the tokens are for the first bootstrap; the others share the rest, for when it is down."""


_VIA = re.compile(r"socks5h?://[^\s/@]{1,255}:\d{1,5}")


def check_proxy(via: str) -> None:
    """Raises `BadProxy`; "" is none."""
    if via and _VIA.fullmatch(via) is None:
        raise BadProxy


def moment_for(epoch: int, chance: float) -> float:
    """When to buy for a week: Unix seconds in the day before it. `chance`: in [0, 1)."""
    return epoch_begins(epoch) - DAY + chance * (DAY - LAST_HOUR)


def split(count: int, bootstraps: Sequence[str]) -> dict[str, int]:
    """How many of so many tokens are for each bootstrap, the first of which is used most."""
    if not bootstraps:
        return {}
    first, *others = bootstraps
    rest = min(count, round(count * (1 - NEAREST_SHARE))) if others else 0
    each, spare = divmod(rest, len(others)) if others else (0, 0)
    shares = {first: count - rest}
    shares |= {peer: each + (number < spare) for number, peer in enumerate(others)}
    return shares


def agreed_key(
    directory: IssuerDirectory,
    terms: Mapping[str, TokenTerms],
    epoch: int,
    known: bytes | None,
) -> tuple[TokenKey, tuple[str, ...]]:
    """The key that a week's tokens are bought under, and for which bootstraps.

    `terms`: what connected bootstraps sign of this issuer, the nearest first; `known`: the id of
    the key that the week had before. Raises `KeyNotShared` unless all of them agree.
    """
    if len(directory.keys) > MAX_PUBLISHED_KEYS:
        raise KeyNotShared("its directory lists more keys than this week's and the next one's")
    key = directory.keys.get(epoch)
    if key is None:
        raise KeyNotShared("its directory has no key for that week; check this machine's clock")
    if known is not None and known != key.id:
        raise KeyNotShared("its directory has another key for that week than before")
    served = {peer: each for peer, each in terms.items() if peer in directory.bootstraps}
    if not served:
        raise KeyNotShared(
            "no bootstrap of this issuer is connected, whose signature would confirm its key"
        )
    for each in served.values():
        if len(each.keys) > MAX_PUBLISHED_KEYS:
            raise KeyNotShared("a bootstrap names more keys than this week's and the next one's")
        if [shown.id for shown in each.keys if shown.epoch == epoch] != [key.id]:
            raise KeyNotShared("a bootstrap names another key than the issuer's directory")
    return key, tuple(served)
