"""What can go wrong with a person's home directory and the database in it."""

from __future__ import annotations

from pathlib import Path

from onmeet_node.errors import OnMeetError
from onmeet_node.process.suggestions import command


class StoreError(OnMeetError):
    """The home directory or its database did not do what was asked. Nothing was lost."""


class NotAHome(StoreError):
    """There is no node's data in this directory."""

    def __init__(self, home: Path) -> None:
        super().__init__(
            f"There is no On-Meet home in {home}. Make one with: "
            f"{command('onmeet', 'init', '--home', home)} - or name another directory with --home "
            "or ONMEET_HOME."
        )


class HomeExists(StoreError):
    """Making a home here would overwrite one."""

    def __init__(self, home: Path) -> None:
        super().__init__(
            f"{home} already holds an On-Meet home or a part of one. Use it as it is, choose "
            "another directory, or move the old files away first."
        )


class HomeInUse(StoreError):
    """Another process has the home open; two would overwrite each other's work."""

    def __init__(self, home: Path, pid: int | None) -> None:
        who = f"process {pid}" if pid else "another process"
        super().__init__(
            f"A node already runs in {home} ({who}). Talk to it with the other onmeet commands, "
            "stop it, or use another home."
        )
        self.pid = pid


class HomeNotLockable(StoreError):
    """The file system knows no locks, so nothing would keep two nodes out of one home."""

    def __init__(self, home: Path, why: str) -> None:
        super().__init__(
            f"{home} is on a file system without file locks ({why}): two nodes there could spoil "
            "each other's data. Put the home on a local disk, and name it with --home or "
            "ONMEET_HOME."
        )


class HomePathTooLong(StoreError):
    """No socket can have so long a path here, so a node could not be asked anything."""

    def __init__(self, home: Path) -> None:
        super().__init__(
            f"The path {home} is too long for this system: a node could not be talked to there. "
            "Choose a shorter one with --home or ONMEET_HOME."
        )


class HomeNotWritable(StoreError):
    """The home is on a read-only disk, or belongs to somebody else."""

    def __init__(self, home: Path, why: str) -> None:
        super().__init__(
            f"{home} cannot be written to ({why}). Make it yours with chown and chmod 700, or put "
            "the home on a disk that can be written."
        )


class ForeignHome(StoreError):
    """Another user owns the home, may change it, or prepared something in it."""


class HomeTooNew(StoreError):
    """A later On-Meet wrote this; reading it with this one could destroy what it does not know."""

    def __init__(self, what: str, found: int, known: int) -> None:
        super().__init__(
            f"{what} was written by a newer On-Meet (format {found}, this one knows up to "
            f"{known}). Update On-Meet; nothing was changed."
        )


class HomeDamaged(StoreError):
    """The files of the home are not what we wrote."""

    def __init__(self, what: str) -> None:
        super().__init__(
            f"{what} is damaged. Stop here and restore the home from a backup, or make a new home "
            "and import your last export with `onmeet export --restore`."
        )


class UpgradeFailed(StoreError):
    """A newer On-Meet could not convert the database; the old one is untouched."""

    def __init__(self, to: int, copy: Path | None) -> None:
        kept = f" A copy is in {copy}." if copy else ""
        super().__init__(
            f"The database could not be converted to format {to}; it is as it was.{kept} "
            "Go back to the On-Meet you had, and report this."
        )


class DiskFull(StoreError):
    """No room for the change; what was stored before is unharmed."""

    def __init__(self, home: Path) -> None:
        super().__init__(
            f"The disk that holds {home} is full, so the change was not stored; everything older "
            "is still there. Free some space and try again."
        )


class DiskFailed(StoreError):
    """The operating system failed to read or write."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(
            f"Reading or writing {path} failed ({why}). Check the disk and its free space, and "
            "try again."
        )


class UnlockError(StoreError):
    """The database key could not be had."""


class WrongPassphrase(UnlockError):
    """The passphrase does not open this."""

    def __init__(self) -> None:
        super().__init__(
            "That passphrase is wrong. Check Caps Lock and the keyboard layout, and try again; "
            "without it nobody can open this, and there is no way to reset it."
        )


class BadPassphrase(UnlockError):
    """A passphrase that we do not take when one is chosen."""


class WrongUnlock(UnlockError):
    """The home is opened another way than the one given."""

    def __init__(self, wanted: str, given: str) -> None:
        super().__init__(f"This home is opened with a {wanted}, not with a {given}.")


class KeyFileError(UnlockError):
    """The key file is missing, damaged, or readable by others."""


class KeyringError(UnlockError):
    """The operating system's keyring is missing, locked, or has lost the key."""


class ExportError(StoreError):
    """An export file could not be written or read."""


class ExportDamaged(ExportError):
    """The file is not an export, or was cut or changed."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(
            f"{path} cannot be used: {why}. Fetch the file again from where you keep it, or use "
            "another export."
        )


class Rejected(StoreError):
    """A value that the store does not take; says which limit it breaks."""
