"""The key inside a libp2p PeerId, without libp2p (libp2p specification, "Peer Ids and Keys")."""

from __future__ import annotations

_ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_DIGITS = {character: value for value, character in enumerate(_ALPHABET)}
_CHARS = 52
"""Every Ed25519 PeerId has as many: its first bytes are always the same."""
_BYTES_AT_MOST = 39
"""What that many digits can hold; a PeerId has 38, the first of which is zero."""
_ED25519 = bytes.fromhex("00 0024 0801 1220")
"""Multihash "identity" of 36 bytes, which are a protobuf: key type Ed25519, 32 bytes of key."""


def ed25519_key(peer_id: str) -> bytes:
    """The 32-byte Ed25519 public key that this base58 PeerId (``12D3KooW…``) is made of.

    Raises ValueError for PeerIds of other keys, which hold a hash, and for what is none.
    """
    if len(peer_id) != _CHARS or not all(character in _DIGITS for character in peer_id):
        raise ValueError("not the PeerId of an Ed25519 key")
    value = 0
    for character in peer_id:
        value = value * 58 + _DIGITS[character]
    multihash = value.to_bytes(_BYTES_AT_MOST, "big")
    if not multihash.startswith(_ED25519):
        raise ValueError("not the PeerId of an Ed25519 key")
    return multihash[len(_ED25519) :]


def peer_id_of(key: bytes) -> str:
    """The base58 PeerId of a 32-byte Ed25519 public key: what `ed25519_key` reads."""
    value = int.from_bytes(_ED25519 + key)
    digits = ""
    while value:
        value, digit = divmod(value, 58)
        digits = _ALPHABET[digit] + digits
    return "1" + digits  # for the zero byte that the multihash begins with
