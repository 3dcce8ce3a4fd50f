"""A media session that is connected: how media travels in it, and its authentication string."""

from __future__ import annotations

from dataclasses import dataclass

from onmeet_node.media.endpoint import MediaEndpoint, MediaSession
from onmeet_node.media.errors import BadDescription
from onmeet_node.protocol.call.authentication import Nonces, StringDoubt
from onmeet_node.protocol.identity.errors import BadFingerprint
from onmeet_node.protocol.identity.safety import fingerprint_from_sdp, sas
from onmeet_node.protocol.media import MediaPath


@dataclass(slots=True)
class ConnectedSession:
    """The media session with one device of the peer, and what is known of it."""

    session: MediaSession
    endpoint: MediaEndpoint
    local_sdp: str | None = None
    remote_sdp: str | None = None
    path: MediaPath | None = None
    region: str | None = None
    """Of the relay on our side, as its operator signs; None without one."""
    sas: str | None = None
    doubt: StringDoubt | None = None
    """Why there is no authentication string."""

    def described(self, local_sdp: str, remote_sdp: str) -> None:
        """Both descriptions are there. Raises `BadDescription` if the peer's names no certificate,
        or several.
        """
        try:
            fingerprint_from_sdp(remote_sdp)
        except BadFingerprint as error:
            raise BadDescription(str(error)) from error
        self.local_sdp, self.remote_sdp = local_sdp, remote_sdp

    def authenticate(self, binding: bytes, outcome: Nonces | StringDoubt) -> None:
        """Makes the authentication string: of the two people, both certificates, both nonces."""
        match outcome:
            case StringDoubt():
                self.doubt = outcome
            case Nonces(offerer=offerer, answerer=answerer):
                assert self.local_sdp is not None, "descriptions come before what they are worth"
                assert self.remote_sdp is not None, "descriptions come before what they are worth"
                ours = fingerprint_from_sdp(self.local_sdp)
                theirs = fingerprint_from_sdp(self.remote_sdp)
                self.sas = sas(binding, ours, theirs, (offerer, answerer))
