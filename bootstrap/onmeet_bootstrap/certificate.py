"""A TLS certificate, looked at before a server is started with it."""

from __future__ import annotations

import datetime
import ssl
from pathlib import Path

from onmeet_bootstrap.errors import CertificateError

SOON = datetime.timedelta(days=14)
"""Before its end a certificate should have been renewed: Let's Encrypt does at 30 days."""


def check(
    certificate: str, key: str, name: str, *, section: str, now: datetime.datetime
) -> datetime.datetime:
    """When a certificate for `name` ends. Raises `CertificateError` if it cannot be used.

    `certificate` and `key` are PEM files, which `section` of the settings names; the first
    certificate of the chain counts. An empty `name` fits any.
    """
    from cryptography import x509  # noqa: PLC0415 - only where TLS is configured

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    both = f"[{section}] certificate {certificate} with [{section}] key {key}"
    try:
        context.load_cert_chain(certificate, key, password=_no_passphrase)
        parsed = x509.load_pem_x509_certificates(Path(certificate).read_bytes())[0]
    except _Encrypted:
        raise CertificateError(
            f"[{section}] key {key} is under a passphrase, which nobody is there to type at a "
            "start. Take that off: openssl pkey -in FILE -out NEW."
        ) from None
    except (OSError, ValueError) as error:  # an SSLError is an OSError
        raise CertificateError(
            f"{both} cannot be used ({_why(error)}). Check both paths, that this user may read "
            "them, that they hold PEM, and that they belong together."
        ) from error
    ends = parsed.not_valid_after_utc
    if ends <= now:
        raise CertificateError(
            f"[{section}] certificate {certificate} expired on {ends:%Y-%m-%d}. "
            "Renew it, then restart."
        )
    if parsed.not_valid_before_utc > now:
        raise CertificateError(
            f"[{section}] certificate {certificate} begins on "
            f"{parsed.not_valid_before_utc:%Y-%m-%d}. Check this machine's clock."
        )
    names = _names(parsed)
    if name and not any(_fits(pattern, name) for pattern in names):
        told = {"turn": "domain", "guests": "origin"}[section]
        raise CertificateError(
            f"[{section}] certificate {certificate} is for {', '.join(names) or 'no host'}, not "
            f"for {name}. Set [{section}] {told} to one of its names, or get one for {name}."
        )
    return ends


def not_trusted(
    certificate: str, key: str, name: str, clients: ssl.SSLContext | None = None
) -> str | None:
    """Why a client on this machine would not take it for `name`; None if it would.

    A TLS handshake within memory says so: what is trusted is what OpenSSL trusts here, with
    ``SSL_CERT_FILE`` and the authorities that the system was given (`clients`: with these instead).
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    clients = clients or ssl.create_default_context()
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = clients.wrap_bio(to_client, to_server, server_hostname=name)
    server = context.wrap_bio(to_server, to_client, server_side=True)
    done: set[ssl.SSLObject] = set()
    while len(done) < 2:
        for side in (client, server):
            try:
                side.do_handshake()
                done.add(side)
            except ssl.SSLWantReadError:
                continue
            except ssl.SSLCertVerificationError as error:
                return str(error.verify_message)
            except ssl.SSLError as error:
                return error.reason or "no handshake"
    return None


class _Encrypted(Exception):
    """The key's file wants a passphrase."""


def _no_passphrase() -> str:
    """In place of OpenSSL's own question at the terminal, which would hold up the start."""
    raise _Encrypted


def _why(error: OSError | ValueError) -> str:
    if isinstance(error, ssl.SSLError):
        mismatch = "MISMATCH" in (error.reason or "")
        return "the key is another certificate's" if mismatch else "not such files"
    return (isinstance(error, OSError) and error.strerror) or type(error).__name__


def _names(parsed: object) -> list[str]:
    from cryptography import x509  # noqa: PLC0415

    assert isinstance(parsed, x509.Certificate)
    try:
        names = parsed.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    addresses = names.get_values_for_type(x509.IPAddress)
    return [*names.get_values_for_type(x509.DNSName), *map(str, addresses)]


def _fits(pattern: str, name: str) -> bool:
    """RFC 9525, 6.3: a star stands for the whole first label."""
    if pattern.startswith("*."):
        _, _, rest = name.partition(".")
        return rest.lower() == pattern[2:].lower()
    return pattern.lower() == name.lower()
