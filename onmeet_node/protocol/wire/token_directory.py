"""An issuer's public keys, as it publishes them (RFC 9578, section 4).

The members beginning with ``onmeet-`` are ours; others pass over them, as we over theirs.
"""

from __future__ import annotations

import base64
import json
from typing import Any

import attrs

from onmeet_node.protocol.wire.peer_id import ed25519_key
from onmeet_node.protocol.wire.tokens import TOKEN_TYPE, BadToken, TokenKey
from onmeet_node.protocol.wire.weeks import epoch_begins, epoch_of

PATH = "/.well-known/private-token-issuer-directory"
MEDIA_TYPE = "application/private-token-issuer-directory"
REQUEST_PATH = "/v1/tokens"
MAX_DIRECTORY_BYTES = 16_384
MAX_KEYS = 8
MAX_BOOTSTRAPS = 16
_BOOTSTRAPS = "onmeet-bootstraps"


@attrs.frozen
class IssuerDirectory:
    """Keys by week, and the bootstraps whose challenges they sign for, the most used first."""

    keys: dict[int, TokenKey]
    bootstraps: tuple[str, ...] = ()

    def encode(self) -> bytes:
        """As JSON."""
        keys = [
            {
                "token-type": TOKEN_TYPE,
                "token-key": base64.urlsafe_b64encode(key.encode()).decode(),
                "not-before": epoch_begins(epoch),
            }
            for epoch, key in sorted(self.keys.items())
        ]
        return json.dumps(
            {
                "issuer-request-uri": REQUEST_PATH,
                "token-keys": keys,
                _BOOTSTRAPS: list(self.bootstraps),
            },
            indent=1,
        ).encode()

    @classmethod
    def decode(cls, data: bytes) -> IssuerDirectory:
        """From JSON. Keys of other types are passed over. Raises `BadToken` and nothing else.

        Two keys of one week are refused: one of them could be for one person alone.
        """
        if len(data) > MAX_DIRECTORY_BYTES:
            raise BadToken("That directory of an issuer is too long")
        try:
            found = json.loads(data)
        except (ValueError, RecursionError):
            raise BadToken("That is no directory of an issuer") from None
        if not isinstance(found, dict):
            raise BadToken("That is no directory of an issuer")
        listed, peers = found.get("token-keys"), found.get(_BOOTSTRAPS, [])
        if not isinstance(listed, list) or not isinstance(peers, list):
            raise BadToken("That directory of an issuer lists no keys")
        if len(listed) > MAX_KEYS or len(peers) > MAX_BOOTSTRAPS:
            raise BadToken("That directory of an issuer lists too much")
        if len(peers) != len({str(peer) for peer in peers}):
            raise BadToken("That directory of an issuer names a bootstrap twice")
        keys: dict[int, TokenKey] = {}
        for entry in listed:
            if not isinstance(entry, dict):
                raise BadToken("That directory of an issuer lists what is no key")
            if entry.get("token-type") != TOKEN_TYPE:
                continue
            epoch, key = _key_of(entry)
            if epoch in keys:
                raise BadToken("That directory of an issuer has two keys for one week")
            keys[epoch] = key
        return cls(keys, tuple(map(_peer_of, peers)))


def _key_of(entry: dict[str, Any]) -> tuple[int, TokenKey]:
    text, begins = entry.get("token-key"), entry.get("not-before")
    if not isinstance(text, str) or type(begins) is not int or not 0 <= begins < 2**40:
        raise BadToken("A key in that directory has no week, or is none")
    epoch = epoch_of(begins)
    if epoch_begins(epoch) != begins:
        raise BadToken("A key in that directory begins at another time than a week does")
    try:
        padded = text + "=" * (-len(text) % 4)
        return epoch, TokenKey.decode(base64.b64decode(padded, altchars=b"-_", validate=True))
    except ValueError:
        raise BadToken("A key in that directory is no base64url") from None


def _peer_of(peer: object) -> str:
    try:
        ed25519_key(str(peer))
    except ValueError:
        raise BadToken("That directory of an issuer names what is no bootstrap") from None
    return str(peer)
