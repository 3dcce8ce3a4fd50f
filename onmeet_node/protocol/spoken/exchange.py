"""What the two sides of a spoken code say to each other: SPAKE2, proofs, and the contact codes.

Pure: letters come in, effects go out. Why SPAKE2, and what each key is for: PROTOCOL, "Spoken
codes". The adder proves first, so the sayer tells a guess from the right words before it has said
anything that a guess could be checked with.
"""

from __future__ import annotations

import enum
import hmac
from collections.abc import Sequence

import attrs
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from nacl.exceptions import CryptoError
from nacl.secret import SecretBox
from spake2 import SPAKE2_A, SPAKE2_B, SPAKEError
from spake2.ed25519_basic import NotOnCurve

from onmeet_node.protocol.errors import LocalProtocolError
from onmeet_node.protocol.spoken.code import LISTS, SpokenCode
from onmeet_node.protocol.wire.errors import DecodeError
from onmeet_node.protocol.wire.mailbox import (
    CODE_BYTES,
    TAG_BYTES,
    MailboxEnd,
    PakeProof,
    PakeShare,
    SealedCode,
    WrongWords,
    decode_letter,
    encode_letter,
)
from onmeet_node.protocol.wire.messages import Unknown


class SpokenPurpose(enum.Enum):
    """What is exchanged; a code of one purpose is a wrong one for another."""

    CONTACT = b"onmeet spoken 1 "
    """Contact codes. The value begins every string that goes into the exchange, so that its keys
    fit nothing else."""
    LINK = b"onmeet link 1 "
    """What makes a new device one of the person's ("Linking" in PROTOCOL)."""


ENTROPY_BYTES = 64
"""For SPAKE2's secret scalar: 512 bits, reduced, leave no bias."""
_NO_NONCE = bytes(SecretBox.NONCE_SIZE)
"""Each key seals one message."""


class SpokenRole(enum.Enum):
    """The two sides are not alike: what one said cannot be sent back to it."""

    SAYER = "sayer"
    """Whoever made the code and opened the mailbox: SPAKE2's A."""
    ADDER = "adder"
    """Whoever typed it: B."""


class SpokenState(enum.Enum):
    """How far the exchange is."""

    SHARING = "sharing"
    """Waiting for their share."""
    PROVING = "proving"
    """Waiting for their proof."""
    OPEN = "open"
    """Both have proven that they have the same words; waiting for their contact code."""
    DONE = "done"
    FAILED = "failed"


class SpokenEnd(enum.StrEnum):
    """Why no contact codes were exchanged."""

    WRONG = "wrong"
    """The words differ, or somebody stands between."""
    UNPROVEN = "unproven"
    """They left before they had proven anything: whoever guesses could do so."""
    LEFT = "left"
    CROWDED = "crowded"
    EXPIRED = "expired"
    BROKEN = "broken"
    """They do not keep to the protocol."""


@attrs.frozen
class SendLetter:
    """Put this into the mailbox."""

    body: bytes = attrs.field(repr=False)


@attrs.frozen
class WordsAgree:
    """The other side has the same words: `reveal` our contact code to them now, or, when the
    adder's person is asked first, theirs was received.
    """


@attrs.frozen
class CodeReceived:
    """Their contact code, as text that is yet to be read. The exchange is done."""

    code: str = attrs.field(repr=False)


@attrs.frozen
class ExchangeFailed:
    """It is over, and the code is used up."""

    end: SpokenEnd


SpokenEffect = SendLetter | WordsAgree | CodeReceived | ExchangeFailed


class SpokenExchange:
    """One side's part."""

    def __init__(
        self,
        role: SpokenRole,
        code: SpokenCode,
        mailbox: str,
        *,
        entropy: bytes,
        purpose: SpokenPurpose = SpokenPurpose.CONTACT,
    ) -> None:
        """`mailbox`: PeerId of the bootstrap that has it. `entropy`: fresh, `ENTROPY_BYTES`."""
        if len(entropy) != ENTROPY_BYTES:
            raise LocalProtocolError(f"SPAKE2 takes {ENTROPY_BYTES} random bytes.")
        self.role = role
        self.state = SpokenState.SHARING
        self._key = b""
        self._started = False
        self._revealed = False
        self._domain = purpose.value
        self._waits = purpose is SpokenPurpose.LINK and role is SpokenRole.ADDER
        """Whether a person is asked between what they say and what we say."""
        make = SPAKE2_A if role is SpokenRole.SAYER else SPAKE2_B
        where = mailbox.encode()
        self._pake = make(
            self._domain + code.text().encode(),
            idA=self._domain + b"sayer at " + where,
            idB=self._domain + b"adder at " + where,
            entropy_f=lambda count: entropy[:count],
        )

    def __repr__(self) -> str:
        return f"<SpokenExchange {self.role.value} {self.state.value}>"

    @property
    def _other(self) -> SpokenRole:
        return SpokenRole.ADDER if self.role is SpokenRole.SAYER else SpokenRole.SAYER

    def start(self) -> Sequence[SpokenEffect]:
        """There are two at the mailbox now."""
        if self._started:
            raise LocalProtocolError("An exchange begins once.")
        self._started = True
        share: bytes = self._pake.start()
        return [_send(PakeShare(element=share[1:]))]

    def take(self, body: bytes) -> Sequence[SpokenEffect]:
        """A letter of the other side. What does not fit ends the exchange, as `BROKEN`."""
        if self.state in {SpokenState.DONE, SpokenState.FAILED}:
            return []
        try:
            letter = decode_letter(body)
        except DecodeError:
            return self._fail(SpokenEnd.BROKEN)
        match self.state, letter:
            case SpokenState.SHARING, PakeShare(element=element):
                return self._shared(element)
            case SpokenState.PROVING, PakeProof(tag=tag):
                return self._proven(tag)
            case SpokenState.OPEN, SealedCode(box=box) if self._revealed or self._waits:
                return self._opened(box)
            case SpokenState.PROVING, WrongWords():
                return self._fail(SpokenEnd.WRONG)
            case _, Unknown():
                return []  # of a later On-Meet, which must do without an answer
            case _:
                return self._fail(SpokenEnd.BROKEN)

    def reveal(self, contact_code: str) -> Sequence[SpokenEffect]:
        """Sends our contact code, after `WordsAgree`."""
        ready = SpokenState.DONE if self._waits else SpokenState.OPEN
        if self.state is not ready or self._revealed:
            raise LocalProtocolError("A contact code is shown once, to whoever has the words.")
        self._revealed = True
        plain = contact_code.encode("ascii")
        if len(plain) > CODE_BYTES:
            raise LocalProtocolError(f"A contact code of {len(plain)} characters does not fit.")
        box = SecretBox(self._derive(self.role, b"seals"))
        sealed = box.encrypt(plain.ljust(CODE_BYTES, b"\x00"), _NO_NONCE).ciphertext
        return [_send(SealedCode(box=sealed))]

    def shown_words(self) -> tuple[str, ...]:
        """Four words that both sides show, after `WordsAgree`: nobody between has the same."""
        secret = self._derive(SpokenRole.SAYER, b"shows")
        return tuple(words[byte] for words, byte in zip(2 * LISTS, secret[:4], strict=True))

    def ended(self, reason: MailboxEnd) -> Sequence[SpokenEffect]:
        """The mailbox is gone. What was exchanged before stands."""
        if self.state in {SpokenState.DONE, SpokenState.FAILED}:
            return []
        match reason:
            case MailboxEnd.LEFT if self.state is SpokenState.PROVING:
                return self._fail(SpokenEnd.UNPROVEN)
            case MailboxEnd.LEFT:
                return self._fail(SpokenEnd.LEFT)
            case MailboxEnd.CROWDED:
                return self._fail(SpokenEnd.CROWDED)
            case MailboxEnd.EXPIRED:
                return self._fail(SpokenEnd.EXPIRED)
            case MailboxEnd.BROKEN:
                return self._fail(SpokenEnd.BROKEN)

    # ── what letters do ─────────────────────────────────────────────────────────────────────────
    def _shared(self, element: bytes) -> Sequence[SpokenEffect]:
        if not self._started:
            return self._fail(SpokenEnd.BROKEN)
        side = b"B" if self.role is SpokenRole.SAYER else b"A"
        try:
            self._key = self._pake.finish(side + element)
        except (SPAKEError, NotOnCurve, ValueError):
            # No point of the group of prime order, or our own sent back.
            return self._fail(SpokenEnd.BROKEN)
        self.state = SpokenState.PROVING
        return [self._proof()] if self.role is SpokenRole.ADDER else []

    def _proven(self, tag: bytes) -> Sequence[SpokenEffect]:
        if not hmac.compare_digest(tag, self._derive(self._other, b"proves")):
            return [_send(WrongWords()), *self._fail(SpokenEnd.WRONG)]
        self.state = SpokenState.OPEN
        return [*([self._proof()] if self.role is SpokenRole.SAYER else []), WordsAgree()]

    def _opened(self, box: bytes) -> Sequence[SpokenEffect]:
        try:
            plain = SecretBox(self._derive(self._other, b"seals")).decrypt(box, _NO_NONCE)
            text = plain.rstrip(b"\x00").decode("ascii")
        except (CryptoError, UnicodeDecodeError):
            return self._fail(SpokenEnd.BROKEN)
        self.state = SpokenState.DONE
        return [CodeReceived(text)]

    def _proof(self) -> SendLetter:
        return _send(PakeProof(tag=self._derive(self.role, b"proves")))

    def _fail(self, end: SpokenEnd) -> list[SpokenEffect]:
        self.state = SpokenState.FAILED
        self._key = b""
        return [ExchangeFailed(end)]

    def _derive(self, role: SpokenRole, purpose: bytes) -> bytes:
        info = self._domain + role.value.encode() + b" " + purpose
        return HKDF(SHA256(), TAG_BYTES, salt=None, info=info).derive(self._key)


def _send(letter: PakeShare | PakeProof | SealedCode | WrongWords) -> SendLetter:
    return SendLetter(encode_letter(letter))
