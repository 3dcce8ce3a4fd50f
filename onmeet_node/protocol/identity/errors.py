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


class DeviceListError(IdentityError):
    """Base of what can be wrong with somebody's list of devices: they are not believed by it."""


class BadDeviceList(DeviceListError):
    """It is none, or not by the person."""

    def __init__(self, what: str) -> None:
        super().__init__(
            f"A list of devices is refused: {what}. The other side should update; if it is your "
            "own, see onmeet devices."
        )


class DeviceListOlder(DeviceListError):
    """A newer list of the same person was seen."""

    def __init__(self) -> None:
        super().__init__(
            "A list of devices is older than one seen before; a device of it may have been "
            "revoked. Let the device meet another one of the same person."
        )


class DeviceListForked(DeviceListError):
    """Another list of the same number was seen."""

    def __init__(self) -> None:
        super().__init__(
            "Two different lists of devices have the same number, so two devices signed at once. "
            "The first one seen stays; let the person change anything in onmeet devices."
        )


class DeviceListExpired(DeviceListError):
    """It was valid once."""

    def __init__(self) -> None:
        super().__init__(
            "A list of devices has expired. Let that device meet the one that holds the identity "
            "key, and check both clocks."
        )


class DeviceListAhead(DeviceListError):
    """It is of a time to come."""

    def __init__(self) -> None:
        super().__init__(
            "A list of devices is dated in the future. Check this machine's clock, and that of "
            "the device that signed it."
        )


class DeviceNotListed(DeviceListError):
    """The device is none of the person's, or no more."""

    def __init__(self) -> None:
        super().__init__(
            "That device is not, or no more, in the person's list of devices. If it is yours, "
            "link it anew: onmeet link"
        )
