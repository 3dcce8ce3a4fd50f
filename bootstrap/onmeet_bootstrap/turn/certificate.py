"""A TLS certificate, looked at before a server is started with it."""

from __future__ import annotations

import datetime
import ssl
from pathlib import Path

from onmeet_bootstrap.errors import CertificateError

SOON = datetime.timedelta(days=14)
"""Before its end a certificate should have been renewed: Let's Encrypt does at 30 days."""


def check(certificate: str, key: str, name: str, *, now: datetime.datetime) -> datetime.datetime:
    """When a certificate for `name` ends. Raises `CertificateError` if it cannot be used.

    `certificate` and `key` are PEM files; the first certificate of the chain counts.
    """
    from cryptography import x509  # noqa: PLC0415 - only where TLS is configured

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(certificate, key)
        parsed = x509.load_pem_x509_certificates(Path(certificate).read_bytes())[0]
    except OSError as error:  # an SSLError is one
        why = error.strerror or type(error).__name__
        raise CertificateError(
            f"The certificate {certificate} with the key {key} cannot be used ({why}). Check both "
            "paths, that this user may read them, and that they belong together."
        ) from error
    ends = parsed.not_valid_after_utc
    if ends <= now:
        raise CertificateError(
            f"The certificate {certificate} expired on {ends:%Y-%m-%d}. Renew it, then restart."
        )
    if parsed.not_valid_before_utc > now:
        raise CertificateError(
            f"The certificate {certificate} begins on {parsed.not_valid_before_utc:%Y-%m-%d}. "
            "Check this machine's clock."
        )
    names = _names(parsed)
    if not any(_fits(pattern, name) for pattern in names):
        raise CertificateError(
            f"The certificate {certificate} is for {', '.join(names) or 'no host'}, not for "
            f"{name}. Set [turn] domain to one of its names, or get one for {name}."
        )
    return ends


def _names(parsed: object) -> list[str]:
    from cryptography import x509  # noqa: PLC0415

    assert isinstance(parsed, x509.Certificate)
    try:
        names = parsed.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return names.get_values_for_type(x509.DNSName)


def _fits(pattern: str, name: str) -> bool:
    """RFC 9525, 6.3: a star stands for the whole first label."""
    if pattern.startswith("*."):
        _, _, rest = name.partition(".")
        return rest.lower() == pattern[2:].lower()
    return pattern.lower() == name.lower()
