"""Keys for tests of tokens."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from onmeet_node.protocol.wire.blind_rsa import RsaKey
from onmeet_node.protocol.wire.bootstrap_api import TokenTerms


def signer_of(p: int, q: int, d: int, key: RsaKey) -> bytes:
    """A published private key as PKCS #8."""
    numbers = rsa.RSAPrivateNumbers(
        p,
        q,
        d,
        rsa.rsa_crt_dmp1(d, p),
        rsa.rsa_crt_dmq1(d, q),
        rsa.rsa_crt_iqmp(p, q),
        rsa.RSAPublicNumbers(key.e, key.n),
    )
    return numbers.private_key().private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


class FakePurse:
    """A purse whose tokens are what the test puts in."""

    def __init__(self, *tokens: bytes) -> None:
        self.tokens = list(tokens)
        self.taken: list[bytes] = []

    def take(self, bootstrap: str, terms: TokenTerms) -> bytes | None:
        if not self.tokens:
            return None
        self.taken.append(self.tokens.pop(0))
        return self.taken[-1]

    def give_back(self, bootstrap: str, token: bytes) -> None:
        self.tokens.insert(0, token)
