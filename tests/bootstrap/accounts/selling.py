"""An issuer for tests: its keys, seats, and what buys there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from onmeet_bootstrap.accounts.config import AccountsConfig
from onmeet_bootstrap.accounts.issuer import DAY, Issuer
from onmeet_bootstrap.accounts.ledger import Ledger, open_ledger
from onmeet_bootstrap.host import peer_id_of

from onmeet_node.protocol.wire.seat import hash_of
from onmeet_node.protocol.wire.token_directory import IssuerDirectory
from onmeet_node.protocol.wire.tokens import RANDOM_BYTES, BlindedToken, TokenKey, challenge_digest
from onmeet_node.protocol.wire.weeks import epoch_begins

ISSUER = "accounts.example.org"
EPOCH = 2_900
MONDAY = epoch_begins(EPOCH)
CODE = bytes(range(16))
SEAT = hash_of(CODE)
SEED = bytes([7]) * 32
PEER = peer_id_of(SEED)
PEERS = (PEER, peer_id_of(bytes([8]) * 32))


def config(**settings: object) -> AccountsConfig:
    return AccountsConfig(
        **{"issuer": ISSUER, "bootstraps": PEERS, "listen": ("127.0.0.1:0",), **settings}
    )


@contextmanager
def issuer(home: Path, **options: int) -> Iterator[tuple[Issuer, Ledger]]:
    """One with a seat of 40 tokens a week, in the week that begins on `MONDAY`."""
    with open_ledger(home, **options) as ledger:
        ledger.add_group("tests", 40, MONDAY // DAY + 400, [SEAT])
        made = Issuer(ledger, config(), home)
        made.turn_over(MONDAY)
        yield made, ledger


def keys_of(issuer: Issuer) -> dict[int, TokenKey]:
    return IssuerDirectory.decode(issuer.directory()).keys


def blinded(key: TokenKey, count: int, *, peer: str = PEER) -> list[BlindedToken]:
    digest = challenge_digest(ISSUER, peer)
    return [BlindedToken.make(key, digest, os.urandom(RANDOM_BYTES)) for _ in range(count)]


def body_of(made: list[BlindedToken]) -> bytes:
    return b"".join(one.request for one in made)


def buy(
    issuer: Issuer,
    count: int,
    *,
    epoch: int = EPOCH,
    now: float = MONDAY,
    seat: bytes = SEAT,
    peer: str = PEER,
) -> list[bytes]:
    """Tokens, as the issuer's own functions sell them."""
    made = blinded(keys_of(issuer)[epoch], count, peer=peer)
    order = issuer.order(seat, body_of(made), now)
    return [
        one.finish(order.signer.sign(each)) for one, each in zip(made, order.blinded, strict=True)
    ]
