"""Looks at what people's browsers and the operator's collector meet: guests, site, metrics."""

from __future__ import annotations

import datetime
import http.client
import smtplib
import socket
import ssl
from collections.abc import Callable, Iterable, Iterator
from urllib.parse import urlsplit

from onmeet_bootstrap import certificate, preflight
from onmeet_bootstrap.config.model import BootstrapConfig, GuestsConfig, SiteConfig
from onmeet_bootstrap.errors import BootstrapError, StartFailed
from onmeet_bootstrap.gateway.policy import in_force, read_policies
from onmeet_node import guest_page
from onmeet_node.findings import Finding, bad, good, of_error, poor

ANSWER_SECONDS = 5.0


def examine_guests(
    config: BootstrapConfig, *, running: bool, tls: ssl.SSLContext | None = None
) -> Iterator[Finding]:
    """Whether guests can come. Blocks. `tls` knows the authorities; None: the system does."""
    guests = config.guests
    if not guests.serve:
        return
    if found := [*_mistakes(preflight.guests(config), running=running)]:
        yield from found
        return
    if not guest_page.files():
        yield bad(
            "This installation has no guest page.", "Install a wheel of a release: it has the page."
        )
    name = urlsplit(guests.origin).hostname or ""
    ends = preflight.guests_certificate(guests)
    if ends is not None:
        yield from of_certificate("guests", guests.certificate, guests.key, name, ends, tls)
    if name:
        yield _resolved(name, "[guests] origin")
    if running:
        yield from _served(guests)


def of_certificate(
    section: str,
    chain: str,
    key: str,
    name: str,
    ends: datetime.datetime,
    tls: ssl.SSLContext | None = None,
) -> Iterator[Finding]:
    """Who knows the authority of a certificate that was checked, and how long it lasts."""
    unknown = certificate.not_trusted(chain, key, name, tls) if name else None
    if unknown is not None:
        yield poor(
            f"The certificate of [{section}] is of an authority that this machine does not know "
            f"({unknown}).",
            "With an authority of your own, its certificate must be installed on every device that "
            "comes (browsers have a list of theirs), and here, so that this can be seen. Else give "
            "the whole chain (fullchain.pem), of an authority that devices know.",
        )
    if ends - datetime.datetime.now(datetime.UTC) < certificate.SOON:
        yield poor(
            f"The certificate of [{section}] ends on {ends:%Y-%m-%d}.",
            "Renew it now and send SIGHUP; see why that did not happen by itself.",
        )
    else:
        yield good(
            f"The certificate of [{section}] is for {name or 'any name'} and lasts until "
            f"{ends:%Y-%m-%d}."
        )


def examine_site(config: BootstrapConfig) -> Iterator[Finding]:
    """Whether the operator's pages can be shown, and letters sent. Blocks."""
    site = config.site
    if not site.serve:
        return
    if found := [of_error(mistake) for mistake in preflight.site(config)]:
        yield from found
        return
    today = datetime.date.today()
    policy = in_force(read_policies(site.policies, today), today)
    if policy is None:
        yield poor(
            "No policy is in force.",
            "People read that there is none: list one in [site] policies, announced 14 days ahead.",
        )
    else:
        yield good(f"Version {policy.version} of the policy is in force.")
    if site.mail_to:
        yield _mail(site)


def examine_metrics(config: BootstrapConfig, *, running: bool) -> Iterator[Finding]:
    """Whether numbers are told, if they shall be. Blocks."""
    if not config.metrics.serve:
        return
    if found := [*_mistakes(preflight.metrics(config), running=running)]:
        yield from found
        return
    if not running:
        return
    for where in config.metrics.listen:
        host, _, port = where.rpartition(":")
        answer = _answer(host, int(port), "/healthz", host) if int(port) else None
        if answer == http.client.OK:
            yield good(f"/healthz at {where} says that all is well.")
        elif answer is not None:
            yield bad(
                f"/healthz at {where} does not say that all is well ({answer}).",
                "Ask it for the reason, and look into the log.",
            )


def _mistakes(found: Iterable[BootstrapError], *, running: bool) -> Iterator[Finding]:
    """As findings; while it runs, its own ports are taken, by itself."""
    for mistake in found:
        if not (running and isinstance(mistake, StartFailed)):
            yield of_error(mistake)


def _resolved(name: str, setting: str) -> Finding:
    try:
        socket.getaddrinfo(name, None)
    except OSError:
        return bad(f"The DNS does not know {name}.", f"Add an entry for it, or correct {setting}.")
    return good(f"The DNS knows {name}.")


def _served(guests: GuestsConfig) -> Iterator[Finding]:
    """Asks the gateway for the page as a browser on this machine would."""
    name = urlsplit(guests.origin).netloc
    for where in guests.listen:
        host, _, port = where.rpartition(":")
        if not int(port):
            continue
        here = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}.get(host, host)  # noqa: S104 - compared
        secure = bool(guests.certificate)
        answer = _answer(here, int(port), "/j", name or where, secure=secure)
        if answer == http.client.OK:
            yield good(f"The guest page is served at {where}.")
        else:
            yield bad(
                f"The guest page is not served at {where} ({answer}).",
                "Restart it; if that does not help, look into the log.",
            )


def _answer(host: str, port: int, path: str, name: str, *, secure: bool = False) -> int | str:
    """The status of one HTTP request, or why there is none."""
    connection: http.client.HTTPConnection
    place = host.strip("[]")
    if secure:
        # Whose certificate it is was looked at; here it is asked by an address.
        context = ssl._create_unverified_context()  # noqa: S323
        connection = http.client.HTTPSConnection(
            place, port, timeout=ANSWER_SECONDS, context=context
        )
    else:
        connection = http.client.HTTPConnection(place, port, timeout=ANSWER_SECONDS)
    try:
        connection.request("GET", path, headers={"Host": name})
        return connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        return (isinstance(error, OSError) and error.strerror) or type(error).__name__
    finally:
        connection.close()


_MAILERS: dict[bool, Callable[..., smtplib.SMTP]] = {True: smtplib.SMTP_SSL, False: smtplib.SMTP}


def _mail(site: SiteConfig) -> Finding:
    """Whether the mail server is there; nothing is sent, and nobody logs in."""
    mailer = _MAILERS[site.smtp_tls == "implicit"]
    try:
        with mailer(site.smtp_host, site.smtp_port, timeout=ANSWER_SECONDS) as server:
            if site.smtp_tls == "starttls":
                server.starttls(context=ssl.create_default_context())
            server.noop()
    except (OSError, smtplib.SMTPException) as error:
        return bad(
            f"The mail server {site.smtp_host} does not answer as it should "
            f"({type(error).__name__}).",
            "Letters of the contact form are refused until it does: correct [site] smtp_host, "
            "smtp_port or smtp_tls.",
        )
    return good(f"The mail server {site.smtp_host} answers.")
