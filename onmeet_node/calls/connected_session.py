"""A media session that is connected: how media travels in it, and its authentication string."""

from __future__ import annotations

from dataclasses import dataclass

from onmeet_node.media.endpoint import MediaEndpoint, MediaSession
from onmeet_node.media.errors import BadDescription
from onmeet_node.protocol.identity.errors import BadFingerprint
from onmeet_node.protocol.identity.safety import fingerprint_from_sdp, sas
from onmeet_node.protocol.media import MediaPath


@dataclass(slots=True)
class ConnectedSession:
    """The media session with one device of the peer, and what is known of it."""

    session: MediaSession
    endpoint: MediaEndpoint
    local_sdp: str | None = None
    path: MediaPath | None = None
    region: str | None = None
    """Of the relay on our side, as its operator signs; None without one."""
    sas: str | None = None

    def authenticate(self, binding: bytes, local_sdp: str, remote_sdp: str) -> None:
        """Computes the authentication string: of the two people and both DTLS certificates.

        Raises `BadDescription` if the peer's names none, or several.
        """
        try:
            theirs = fingerprint_from_sdp(remote_sdp)
        except BadFingerprint as error:
            raise BadDescription(str(error)) from error
        self.sas = sas(binding, fingerprint_from_sdp(local_sdp), theirs)
