"""What would stop a start, looked for before anything starts: each mistake names its setting.

`run` refuses with the first, `doctor` tells them all. What changes between the look and the start
(a port, a file) is told by whatever meets it.
"""

from __future__ import annotations

import datetime
import errno
import ipaddress
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import attrs

from onmeet_bootstrap import certificate
from onmeet_bootstrap.config.model import (
    BootstrapConfig,
    GuestsConfig,
    MetricsConfig,
    SiteConfig,
    TurnConfig,
)
from onmeet_bootstrap.errors import BootstrapError, CertificateError, SettingsError, StartFailed
from onmeet_bootstrap.gateway.policy import read_policies
from onmeet_bootstrap.turn import coturn
from onmeet_bootstrap.turn.lending import foreign_lender, own_urls
from onmeet_node.net.libp2p.multiaddrs import free, ip_of, system_speaks
from onmeet_node.process.suggestions import command


def require_startable(config: BootstrapConfig) -> None:
    """Raises the first of the mistakes (`SettingsError`, `CertificateError`, `StartFailed`)."""
    for check in (disagreements, listening, turn, guests, site, metrics):
        for mistake in check(config):
            raise mistake


def listening(config: BootstrapConfig) -> Iterator[BootstrapError]:
    """Of ``[bootstrap] listen`` on this machine."""
    for place in _own_places(config):
        yield from _not_free(place)


def turn(config: BootstrapConfig) -> Iterator[BootstrapError]:
    """Of ``[turn]``, the ports that coturn needs among them."""
    yield from _told(lambda: check_turn(config.turn))
    if config.turn.serve:
        yield from _told(coturn.find_program)
        yield from _told(lambda: turn_certificate(config.turn))
        yield from _told(lambda: coturn.require_free_ports(config.turn))
    elif config.turn.urls:
        yield from _told(lambda: foreign_lender(config.turn))


def guests(config: BootstrapConfig) -> Iterator[BootstrapError]:
    """Of ``[guests]``."""
    if config.guests.serve:
        yield from _told(lambda: check_guests(config.guests))
        yield from _told(lambda: guests_certificate(config.guests))
        for place in _guest_places(config):
            yield from _not_free(place)


def site(config: BootstrapConfig) -> Iterator[BootstrapError]:
    """Of ``[site]``."""
    if config.site.serve:
        yield from _told(lambda: check_site(config.site, guests=config.guests.serve))
        today = datetime.date.today()
        yield from _told(lambda: read_policies(config.site.policies, today))


def metrics(config: BootstrapConfig) -> Iterator[BootstrapError]:
    """Of ``[metrics]``."""
    if config.metrics.serve:
        yield from _told(lambda: check_metrics(config.metrics))
        for place in _metrics_places(config):
            yield from _not_free(place)


def disagreements(config: BootstrapConfig) -> Iterator[BootstrapError]:
    """Two settings that want one TCP port."""
    places = [
        *_own_places(config),
        *_guest_places(config),
        *_turn_places(config.turn),
        *_metrics_places(config),
    ]
    for number, one in enumerate(places):
        for other in places[:number]:
            if one.setting != other.setting and one.meets(other):
                yield SettingsError(
                    f"{one.setting} and {other.setting} both want TCP port {one.port}. Give one "
                    "of them another port, or another address."
                )


# ── what belongs together ────────────────────────────────────────────────────────────────────────
def check_turn(config: TurnConfig) -> None:
    """Raises `SettingsError` for settings of TURN that do not fit each other."""
    if not config.serve:
        return
    if not own_urls(config):
        raise SettingsError(
            "[turn] serve needs to know how this machine is reached. Set [turn] public to its "
            "public IP addresses (or [turn] domain to its name)."
        )
    if bool(config.certificate) != bool(config.key):
        raise SettingsError("[turn] certificate and [turn] key belong together. Set both, or none.")
    if config.certificate and not config.domain:
        raise SettingsError(
            "[turn] certificate needs [turn] domain. Set it to the name that it is for."
        )
    if config.relay_port_min > config.relay_port_max:
        raise SettingsError(
            f"[turn] relay_port_min ({config.relay_port_min}) is above [turn] relay_port_max "
            f"({config.relay_port_max}). Exchange them."
        )


def check_guests(config: GuestsConfig) -> None:
    """Raises `SettingsError` for a gateway that browsers would not use, or that nobody should."""
    loopback = all(where.startswith(("127.", "[::1]")) for where in config.listen)
    if bool(config.certificate) != bool(config.key):
        raise SettingsError("[guests] certificate and key belong together. Set both, or none.")
    if not config.origin and not loopback:
        raise SettingsError(
            "[guests] serve needs [guests] origin. Set it to how browsers reach it, as in "
            "https://meet.example.org."
        )
    if config.origin.startswith("http://") and not loopback:
        raise SettingsError(
            "[guests] origin must begin with https://. Browsers give no camera to other pages."
        )
    if not config.certificate and not loopback and not config.behind_proxy:
        raise SettingsError(
            "[guests] listen serves no plain HTTP to others. Set [guests] certificate and key, or "
            "put a proxy with a certificate in front and name its address in [guests] behind_proxy."
        )


def check_site(config: SiteConfig, *, guests: bool) -> None:
    """Raises `SettingsError` for a site without a gateway (`guests`), or one that cannot mail."""
    if not guests:
        raise SettingsError(
            "[site] serve shows pages beside the guest page. Set serve in [guests] too."
        )
    if not config.mail_to:
        return
    if not (config.smtp_host and config.mail_from):
        raise SettingsError(
            "[site] mail_to needs smtp_host and mail_from as well. Set both, or none."
        )
    if bool(config.smtp_user) != bool(config.smtp_password_file):
        raise SettingsError(
            "[site] smtp_user and smtp_password_file belong together. Set both, or none."
        )
    if config.smtp_password_file:
        _require_secret(Path(config.smtp_password_file), "[site] smtp_password_file")


def check_metrics(config: MetricsConfig) -> None:
    """Raises `SettingsError` for addresses that others than this machine's programs reach."""
    for where in config.listen:
        host = where.rpartition(":")[0].strip("[]")
        if not ipaddress.ip_address(host).is_loopback:
            raise SettingsError(
                f"[metrics] listen: {where} is open to other machines. Name an address of the "
                'loopback, as in ["127.0.0.1:9464"], and let what collects it run here, or come '
                "by a tunnel."
            )


def _require_secret(path: Path, setting: str) -> None:
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
    except OSError as error:
        raise SettingsError(
            f"{setting}: cannot read {path} ({error.strerror}). Correct its path or its mode."
        ) from error
    if mode & 0o077:
        raise SettingsError(
            f"{setting}: others can read {path}. Make it yours alone: "
            f"{command('chmod', '600', '--', path)}"
        )


# ── certificates ─────────────────────────────────────────────────────────────────────────────────
def turn_certificate(config: TurnConfig) -> datetime.datetime | None:
    """When TURN's certificate ends; None without one. Raises `CertificateError`."""
    if not config.tls:
        return None
    return certificate.check(
        config.certificate, config.key, config.domain, section="turn", now=_now()
    )


def guests_certificate(config: GuestsConfig) -> datetime.datetime | None:
    """When the gateway's certificate ends; None without one. Raises `CertificateError`."""
    if not (config.certificate and config.key):
        return None
    name = urlsplit(config.origin).hostname or ""
    return certificate.check(config.certificate, config.key, name, section="guests", now=_now())


def certificate_ends(config: BootstrapConfig) -> dict[str, float]:
    """When those in use end, in Unix seconds, by section; without those that cannot be read."""
    found = {}
    with suppress(CertificateError):
        found["turn"] = turn_certificate(config.turn) if config.turn.serve else None
    with suppress(CertificateError):
        found["guests"] = guests_certificate(config.guests) if config.guests.serve else None
    return {section: ends.timestamp() for section, ends in found.items() if ends is not None}


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


# ── ports ────────────────────────────────────────────────────────────────────────────────────────
@attrs.frozen
class ListeningPlace:
    """A TCP port that a setting wants."""

    setting: str
    host: str
    port: int

    def meets(self, other: ListeningPlace) -> bool:
        """Whether both cannot be had at once; port 0 is any that is free."""
        one, two = ipaddress.ip_address(self.host), ipaddress.ip_address(other.host)
        if not self.port or self.port != other.port or one.version != two.version:
            return False
        return one == two or one.is_unspecified or two.is_unspecified


def _places(setting: str, pairs: list[tuple[str, int]]) -> list[ListeningPlace]:
    """Without those of a version of IP that this kernel lacks, if any are left then."""
    here = [pair for pair in pairs if system_speaks(ipaddress.ip_address(pair[0]).version)]
    return [ListeningPlace(setting, host, port) for host, port in here or pairs]


def _own_places(config: BootstrapConfig) -> list[ListeningPlace]:
    split = [(ip_of(each), int(each.split("/")[4])) for each in config.listen]
    return _places("[bootstrap] listen", [(str(ip), port) for ip, port in split if ip is not None])


def _guest_places(config: BootstrapConfig) -> list[ListeningPlace]:
    if not config.guests.serve:
        return []
    split = [where.rpartition(":") for where in config.guests.listen]
    return _places("[guests] listen", [(host.strip("[]"), int(port)) for host, _, port in split])


def _metrics_places(config: BootstrapConfig) -> list[ListeningPlace]:
    if not config.metrics.serve:
        return []
    split = [where.rpartition(":") for where in config.metrics.listen]
    return _places("[metrics] listen", [(host.strip("[]"), int(port)) for host, _, port in split])


def _turn_places(config: TurnConfig) -> list[ListeningPlace]:
    if not config.serve:
        return []
    here = coturn.addresses_here()
    hosts = [ip for ip in config.public if ip in here] or ["0.0.0.0", "::"]  # noqa: S104 - compared
    settings = {"[turn] port": config.port}
    if config.tls:
        settings["[turn] tls_port"] = config.tls_port
    return [ListeningPlace(name, host, port) for name, port in settings.items() for host in hosts]


def _not_free(place: ListeningPlace) -> Iterator[StartFailed]:
    why = free(place.host, place.port) if place.port else None
    if why is not None:
        remedies = {
            errno.EADDRINUSE: "Stop the program that has it (ss -ltnp shows which), or choose "
            "another port.",
            errno.EACCES: "A port under 1024 needs root or CAP_NET_BIND_SERVICE: see the systemd "
            "unit in bootstrap/deploy, or choose a higher one.",
        }
        remedy = remedies.get(
            why.errno or 0, "Name an address that this machine has (ip address shows them)."
        )
        yield StartFailed(
            f"{place.setting}: cannot listen on TCP port {place.port} at {place.host} "
            f"({why.strerror or why}). {remedy}"
        )


def _told(check: Callable[[], object]) -> Iterator[BootstrapError]:
    try:
        check()
    except BootstrapError as error:
        yield error
