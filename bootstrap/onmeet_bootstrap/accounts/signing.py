"""The signer's half of blind RSA (RFC 9474, section 4.3), and how its keys are made.

By GMP: Python's own `pow` on a private key takes a time that depends on the key's bits. The base
is blinded once more (a fresh factor for each signature), the exponents of both primes go through
`powmod_sec`, which GMP makes for secrets, and what comes out is checked before it leaves: a fault
of the machine in one half would tell the key's factors (Boneh, DeMillo, Lipton 1997).

NOTE: what stands around the two exponentiations (products, one inverse) are ordinary integers,
whose time depends on values that the fresh factor hides.
"""

from __future__ import annotations

import secrets

import gmpy2
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)
from gmpy2 import mpz

from onmeet_bootstrap.accounts.errors import BadPurchase, LedgerDamaged
from onmeet_node.protocol.wire.blind_rsa import RsaKey
from onmeet_node.protocol.wire.tokens import EXPONENT, KEY_BITS, TokenKey


def new_private_key() -> bytes:
    """An RSA key of 2,048 bits as PKCS #8, DER."""
    key = generate_private_key(EXPONENT, KEY_BITS)
    return key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


class BlindSigner:
    """Signs what it cannot read, with one key."""

    def __init__(self, private: bytes) -> None:
        """`private`: PKCS #8, DER. Raises `LedgerDamaged` if it is no RSA key."""
        try:
            key = load_der_private_key(private, None)
        except ValueError as error:
            raise LedgerDamaged("A key in it cannot be read") from error
        if not isinstance(key, RSAPrivateKey):
            raise LedgerDamaged("A key in it is not of RSA")
        numbers = key.private_numbers()
        self.rsa = RsaKey(numbers.public_numbers.n, numbers.public_numbers.e)
        self._n, self._e = mpz(self.rsa.n), mpz(self.rsa.e)
        self._p, self._q = mpz(numbers.p), mpz(numbers.q)
        self._dp, self._dq = mpz(numbers.dmp1), mpz(numbers.dmq1)
        self._qi = mpz(numbers.iqmp)

    def __repr__(self) -> str:
        return f"BlindSigner({self.rsa.bits} bits)"

    @property
    def public(self) -> TokenKey:
        """What its signatures are checked with."""
        return TokenKey(self.rsa)

    def check(self, blinded: bytes) -> int:
        """The number to sign. Raises `BadPurchase` for what is none between 1 and n - 1.

        1 and n - 1 are refused besides: their signatures are themselves.
        """
        z = int.from_bytes(blinded, "big")
        if len(blinded) != self.rsa.size or not 1 < z < self.rsa.n - 1:
            raise BadPurchase("A blinded message is out of range. Update the program that made it.")
        return z

    def sign(self, blinded: bytes) -> bytes:
        """A blind signature. Raises `BadPurchase`, as `check`."""
        z = mpz(self.check(blinded))
        while gmpy2.gcd(r := mpz(secrets.randbelow(self.rsa.n - 1) + 1), self._n) != 1:
            pass
        hidden = z * gmpy2.powmod(r, self._e, self._n) % self._n
        at_p = gmpy2.powmod_sec(hidden % self._p, self._dp, self._p)
        at_q = gmpy2.powmod_sec(hidden % self._q, self._dq, self._q)
        s = (at_q + self._q * (self._qi * (at_p - at_q) % self._p)) * gmpy2.invert(r, self._n)
        s %= self._n
        if gmpy2.powmod(s, self._e, self._n) != z:
            raise LedgerDamaged("A signature came out wrong: this machine's memory, or a key")
        return int(s).to_bytes(self.rsa.size, "big")
