"""The operator's policy: its own file, versioned, and announced at least 14 days ahead (P13)."""

from __future__ import annotations

import datetime
import itertools
from pathlib import Path

import attrs

from onmeet_bootstrap.errors import SettingsError

NOTICE = datetime.timedelta(days=14)
MAX_FILE_BYTES = 256 * 1024
_FIELDS = ("version", "posted", "effective")

_EXAMPLE = """\
A policy file begins with three lines and an empty one:
    version: 2
    posted: 2026-11-24
    effective: 2026-12-08
and after that comes the text."""


@attrs.frozen
class Policy:
    """One version of the policy."""

    version: int
    posted: datetime.date
    effective: datetime.date
    text: str = attrs.field(repr=False)


def read_policy(path: Path) -> Policy:
    """Reads one version. Raises `SettingsError` that says what is wrong with the file."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise SettingsError(
            f"[site] policies: cannot read {path} ({error.strerror}). Correct its path or its mode."
        ) from error
    if len(data) > MAX_FILE_BYTES:
        raise SettingsError(f"[site] policies: {path} has more than {MAX_FILE_BYTES} bytes.")
    try:
        head, _, text = data.decode("utf-8").partition("\n\n")
        lines = (line.partition(":") for line in head.strip().splitlines())
        fields = {name.strip(): value.strip() for name, _, value in lines}
        version = int(fields["version"])
        posted, effective = (datetime.date.fromisoformat(fields[name]) for name in _FIELDS[1:])
    except (UnicodeDecodeError, ValueError, KeyError) as error:
        raise SettingsError(f"[site] policies: {path} is unreadable. {_EXAMPLE}") from error
    if version < 1 or not text.strip():
        raise SettingsError(f"[site] policies: {path} has no text, or version 0. {_EXAMPLE}")
    if effective - posted < NOTICE:
        raise SettingsError(
            f"[site] policies: {path} takes effect {(effective - posted).days} days after it is "
            f"posted. Changes are announced {NOTICE.days} days ahead at least: set effective to "
            f"{posted + NOTICE} or later."
        )
    return Policy(version, posted, effective, text.strip())


def read_policies(paths: tuple[str, ...], today: datetime.date) -> tuple[Policy, ...]:
    """All versions, the newest first: with those in force stand those that are announced.

    Raises `SettingsError`, also for a version twice and for one that is dated into the future.
    """
    policies = sorted((read_policy(Path(path)) for path in paths), key=lambda p: -p.version)
    for newer, older in itertools.pairwise(policies):
        if newer.version == older.version:
            raise SettingsError(f"[site] policies: two have version {newer.version}: count on.")
        if newer.effective < older.effective:
            raise SettingsError(
                f"[site] policies: {newer.version} takes effect before policy {older.version}."
            )
    for policy in policies:
        if policy.posted > today:
            raise SettingsError(
                f"[site] policies: {policy.version} is dated {policy.posted}, which is still to "
                "come: set posted to the day on which it is first served."
            )
    return tuple(policies)


def in_force(policies: tuple[Policy, ...], today: datetime.date) -> Policy | None:
    """The newest version that has taken effect; the oldest holds until then, if it is the first."""
    effective = [policy for policy in policies if policy.effective <= today]
    return effective[0] if effective else None
