"""What can go wrong in a bootstrap, said so that its operator can act on it."""

from __future__ import annotations

from onmeet_node.errors import OnMeetError


class BootstrapError(OnMeetError):
    """The bootstrap cannot do what was asked. Never contains a secret, an address or a PeerId."""


class SettingsError(BootstrapError, kind="ConfigError"):
    """The configuration is missing, unreadable, or says something we cannot do."""


class BootstrapKeyError(BootstrapError, kind="KeyFileError"):
    """The file that holds the bootstrap's key is missing, damaged, or readable by others."""


class StartFailed(BootstrapError):
    """The bootstrap could not begin to serve."""


class NotRunning(BootstrapError):
    """No bootstrap of this home can be asked."""


class CertificateError(BootstrapError):
    """A TLS certificate cannot be used: unreadable, out of date, or for another name."""


class TokenNotTaken(BootstrapError):
    """A token is needed, or the one that came is not good; the request changes nothing."""

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason
        """As `Refused` has it."""


class Exhausted(BootstrapError):
    """A cap was reached; the request is refused and changes nothing."""
