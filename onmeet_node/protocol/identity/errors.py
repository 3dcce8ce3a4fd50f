"""What can be wrong with keys, codes, addresses and profiles. Every message says what to do."""

from __future__ import annotations

from onmeet_node.errors import OnMeetError


class IdentityError(OnMeetError):
    """Base of this package's errors. Messages may be shown to a person; none holds a secret."""


class BadKey(IdentityError):
    """These bytes are no usable key: wrong length, not canonical, off the curve, or low order."""


class BadAddress(IdentityError):
    """Text or bytes that are no address (multiaddr) of a kind On-Meet uses."""


class BadProfile(IdentityError):
    """A profile field holds something that it cannot hold."""


class BadPicture(IdentityError):
    """The file is no picture that we show or send."""


class BadFingerprint(IdentityError):
    """An SDP names no DTLS certificate by SHA-256, or several."""


class CodeError(IdentityError):
    """Base of everything that can be wrong with a contact code; one subclass per remedy."""


class CodeEmpty(CodeError):
    """Nothing was given."""

    def __init__(self) -> None:
        super().__init__("There is no contact code here. Paste the whole code or link.")


class CodeForeign(CodeError):
    """The text is something else."""

    def __init__(self) -> None:
        super().__init__(
            "This is not an On-Meet contact code. A code begins with “onmeet:”, or is a link with "
            "“/c#” in it; ask the person to send it again and copy all of it."
        )


class CodeIsGuestLink(CodeError):
    """A link to join one call as a guest."""

    def __init__(self) -> None:
        super().__init__(
            "This is a link for joining one call, not a contact code. Open it in a browser to "
            "join; to add the person to your contacts, ask them for their contact code."
        )


class CodeTruncated(CodeError):
    """Characters are missing."""

    def __init__(self, have: int, need: int) -> None:
        super().__init__(
            f"This contact code is incomplete: {have} of {need} characters are here. Copy it again "
            "from its beginning to its end."
        )


class CodeTooLong(CodeError):
    """Characters follow where the code should have ended."""

    def __init__(self, have: int, need: int) -> None:
        super().__init__(
            f"This contact code has {have} characters where {need} belong. Copy the code alone, "
            "without the text around it, and look for a character typed twice."
        )


class CodeTypo(CodeError):
    """The checksum does not fit."""

    def __init__(self) -> None:
        super().__init__(
            "This contact code has a typing error: its checksum does not fit. Compare it with the "
            "original, or copy and paste it instead of typing."
        )


class CodeBadCharacter(CodeError):
    """A character that no code holds."""

    def __init__(self, character: str, position: int) -> None:
        super().__init__(
            f"This contact code has {character!r} as character {position}, which no code contains. "
            "Compare that place with the original, or copy and paste the code."
        )


class CodeTooNew(CodeError):
    """Made by a later On-Meet."""

    def __init__(self, version: int) -> None:
        super().__init__(
            f"This contact code is of version {version}, and this On-Meet reads version 1. Update "
            "On-Meet, or ask the person for a code of version 1."
        )


class CodeMalformed(CodeError):
    """Undamaged on its way, but made wrongly."""

    def __init__(self, what: str) -> None:
        super().__init__(
            f"This contact code arrived undamaged but was made wrongly: {what}. Ask the person to "
            "make a new one; if that is no better, one of the two programs has a bug."
        )


class CodeBadKey(CodeMalformed):
    """The identity in the code is no valid key."""

    def __init__(self) -> None:
        super().__init__("the identity key in it is not a valid one")


class CodeExpired(CodeError):
    """The code was valid once."""

    def __init__(self) -> None:
        super().__init__("This contact code has expired. Ask the person for a new one.")
