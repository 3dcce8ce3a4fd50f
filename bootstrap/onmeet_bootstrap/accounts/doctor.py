"""What works of an accounts service, seen from its own machine."""

from __future__ import annotations

import datetime
import time
from collections.abc import Iterator
from pathlib import Path

from onmeet_bootstrap import certificate
from onmeet_bootstrap.accounts.config import AccountsConfig, load
from onmeet_bootstrap.accounts.errors import AccountsError
from onmeet_bootstrap.accounts.ledger import open_ledger
from onmeet_bootstrap.errors import CertificateError, SettingsError
from onmeet_node.findings import Finding, bad, good, poor
from onmeet_node.protocol.wire.seat import issuer_url
from onmeet_node.protocol.wire.token_directory import IssuerDirectory
from onmeet_node.protocol.wire.tokens import BadToken
from onmeet_node.protocol.wire.weeks import epoch_of


def examine_accounts(home: Path) -> Iterator[Finding]:
    """Findings, with remedies; changes nothing that `run` would not."""
    try:
        config = load(home)
    except SettingsError as error:
        yield bad(str(error))
        return
    yield good(
        f"Nodes buy at {issuer_url(config.issuer)}. "
        f"Bootstraps where tokens are spent: {len(config.bootstraps)}."
    )
    yield from _of_certificate(config)
    yield from _of_keys(config.keys_path(home))
    try:
        with open_ledger(home) as ledger:
            groups = ledger.groups(epoch_of(time.time()))
    except AccountsError as error:
        yield bad(str(error))
        return
    seats = sum(each.seats for each in groups)
    if seats:
        yield good(f"{seats} seats in {len(groups)} groups.")
    else:
        yield poor("There are no seats.", "Make some: onmeet-bootstrap accounts seats add LABEL")


def _of_certificate(config: AccountsConfig) -> Iterator[Finding]:
    if not config.certificate:
        return
    name = config.issuer.rpartition(":")[0] or config.issuer
    try:
        now = datetime.datetime.now(datetime.UTC)
        certificate.check(config.certificate, config.key, name, section="accounts.toml", now=now)
    except CertificateError as error:
        yield bad(str(error))


def _of_keys(path: Path) -> Iterator[Finding]:
    week = epoch_of(time.time())
    try:
        keys = IssuerDirectory.decode(path.read_bytes()).keys
    except OSError:
        keys = {}
    except BadToken as error:
        yield bad(f"{path}: {error}")
        return
    if week in keys and week + 1 in keys:
        yield good(f"{path} has the public keys of this week and the next.")
    else:
        yield bad(
            f"{path} lacks the keys of this week or the next.",
            "Run the service: onmeet-bootstrap accounts run",
        )
