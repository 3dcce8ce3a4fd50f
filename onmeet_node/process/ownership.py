"""Whose a directory, file or socket's other end is: what another user prepared is not used.

Whoever owns a directory, or may write in it, may put links, pipes and sockets there and replace
what we wrote. So a home is taken only if it and everything above it is ours (or root's), and what
is opened in it must be an ordinary file of ours that has no other name.
"""

from __future__ import annotations

import errno
import grp
import os
import pwd
import socket
import stat
import struct
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from onmeet_node.errors import OnMeetError
from onmeet_node.process.suggestions import command

ROOT = 0
_MAX_LINKS = 40
"""Links followed in one path; Linux itself follows as many."""
_IN_A_HOME = os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
"""Without waiting: to open a pipe that nobody writes to would last for ever."""
_CREDENTIALS = struct.Struct("3i")


class ForeignPlace(OnMeetError):
    """Another user owns this, may change it, or prepared it."""


# ── directories ──────────────────────────────────────────────────────────────────────────────────
def require_own_directory(path: Path, *, owners: Iterable[int] | None = None) -> None:
    """Raises `ForeignPlace` unless `path` and all above it is safe from other users.

    `owners`: whose the directory itself may be (None: ours alone); above it root's will do, and a
    directory that everybody may write in, if it is sticky as ``/tmp`` is. OSError if it is none.
    """
    place, found = _follow(path.absolute())
    _require_owner(place, found, {os.geteuid()} if owners is None else set(owners))
    if not stat.S_ISDIR(found.st_mode):
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(path))
    if _others_write(found):
        raise ForeignPlace(
            f"Other users may write in {place} (mode {stat.S_IMODE(found.st_mode):04o}), so what "
            "is in it may be theirs. Choose another directory with --home; or look at what is in "
            f"this one, and make it yours alone: {command('chmod', '700', '--', place)}"
        )


def make_own_directory(path: Path) -> None:
    """Makes `path` and what is missing above it, for us alone whatever the umask says.

    One that is there must be ours; if others may look into it, they no longer may afterwards.
    Raises `ForeignPlace`, and OSError if it cannot be made.
    """
    path = path.absolute()
    missing = []
    there = path
    while not os.path.lexists(there):
        missing.append(there)
        there = there.parent
    if missing:
        # Before anything is made: what is made in a foreign place would be left there.
        _require_safe_above(*_follow(there))
    for directory in reversed(missing):
        directory.mkdir(mode=stat.S_IRWXU)
    require_own_directory(path)
    if stat.S_IMODE(path.stat().st_mode) & ~stat.S_IRWXU:
        path.chmod(stat.S_IRWXU)


def is_own_directory(path: Path) -> bool:
    """Whether `require_own_directory` would let it pass; False if it is not there."""
    try:
        require_own_directory(path)
    except (ForeignPlace, OSError):
        return False
    return True


def _follow(path: Path) -> tuple[Path, os.stat_result]:
    """Where a path leads, looking at every directory and link on the way."""
    left = list(reversed(path.parts[1:]))
    at = Path(path.anchor)
    found = os.lstat(at)
    links = 0
    while left:
        _require_safe_above(at, found)
        name = left.pop()
        if name == "..":
            at = at.parent
            found = os.lstat(at)
            continue
        step = at / name
        found = os.lstat(step)
        if not stat.S_ISLNK(found.st_mode):
            at = step
            continue
        _require_owner(step, found, {os.geteuid(), ROOT})
        links += 1
        if links > _MAX_LINKS:
            raise ForeignPlace(f"{path} is a circle of links. Choose another one with --home.")
        target = step.readlink()
        if target.is_absolute():
            at = Path(target.anchor)
        found = os.lstat(at)
        left += reversed(target.parts[1:] if target.is_absolute() else target.parts)
    return at, found


def _require_safe_above(place: Path, found: os.stat_result) -> None:
    _require_owner(place, found, {os.geteuid(), ROOT, *_unmapped()})
    if _others_write(found) and not found.st_mode & stat.S_ISVTX:
        raise ForeignPlace(
            f"Other users may write in {place} (mode {stat.S_IMODE(found.st_mode):04o}) and so "
            f"replace what is below it. Take that from them "
            f"({command('chmod', 'go-w', '--', place)}), or choose another directory with --home."
        )


def _require_owner(place: Path, found: os.stat_result, owners: set[int]) -> None:
    if found.st_uid not in owners:
        raise ForeignPlace(
            f"{place} belongs to another user ({_name(found.st_uid)}), who could read or replace "
            "what is kept there. Choose another place with --home, or run this as that user; if "
            f"it is yours, make it so: " + command("chown", _name(os.geteuid()), "--", place)
        )


def _others_write(found: os.stat_result) -> bool:
    """Whether others may write; a group that holds its owner alone, as Debian makes, is none."""
    if found.st_mode & stat.S_IWOTH:
        return True
    return bool(found.st_mode & stat.S_IWGRP) and not _is_private_group(found)


def _is_private_group(found: os.stat_result) -> bool:
    if found.st_gid == ROOT and found.st_uid == ROOT:
        return True
    try:
        owner, group = pwd.getpwuid(found.st_uid), grp.getgrgid(found.st_gid)
    except KeyError:
        return False
    return group.gr_name == owner.pw_name and set(group.gr_mem) <= {owner.pw_name}


def _unmapped() -> set[int]:
    """The uid that stands for all others in a user namespace: there root's show as nobody's."""
    try:
        if Path("/proc/self/uid_map").read_text().split() == ["0", "0", "4294967295"]:
            return set()
        return {int(Path("/proc/sys/kernel/overflowuid").read_text())}
    except (OSError, ValueError):
        return set()


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"


# ── files ────────────────────────────────────────────────────────────────────────────────────────
def open_own(
    path: Path, flags: int, mode: int = 0o600, *, links: bool = False, roots: bool = False
) -> int:
    """Opens a file that is ours, ordinary and known by this name alone; gives its descriptor.

    `links`: a file that the person named may be reached through a link, one in a home may not.
    `roots`: one that root owns will do, for what is read. Raises `ForeignPlace` and OSError.
    """
    try:
        descriptor = os.open(path, flags | _IN_A_HOME & ~(os.O_NOFOLLOW if links else 0), mode)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise ForeignPlace(
                f"{path} is a link to somewhere else and is not followed. Look at where it leads "
                "(ls -l), and put the file itself there, or remove the link."
            ) from error
        if error.errno in {errno.ENXIO, errno.EISDIR, errno.ENODEV}:
            raise ForeignPlace(_no_file(path)) from error
        raise
    try:
        _require_own_file(path, os.fstat(descriptor), roots=roots)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def require_own_file(path: Path) -> None:
    """Raises `ForeignPlace` if what is at `path` is not as `open_own` wants it; may be missing.

    For files that a library opens by itself.
    """
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return
    _require_own_file(path, found, roots=False)


def _require_own_file(path: Path, found: os.stat_result, *, roots: bool) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise ForeignPlace(_no_file(path))
    _require_owner(path, found, {os.geteuid(), ROOT} if roots else {os.geteuid()})
    if _others_write(found):
        raise ForeignPlace(
            f"Other users may write to {path}. Look at what is in it, and make it yours alone: "
            + command("chmod", "600", "--", path)
        )
    if found.st_nlink > 1 and found.st_uid == os.geteuid():
        raise ForeignPlace(
            f"{path} is known by another name too (a hard link), so to change it changes another "
            f"file. Give it one of its own: {command('cp', '--', path, f'{path}.own')} && "
            + command("mv", "--", f"{path}.own", path)
        )


def _no_file(path: Path) -> str:
    return f"{path} is no ordinary file. Remove it: On-Meet did not put it there."


def create_own(path: Path) -> int:
    """Opens a file to be written anew, for us alone (0600): made, or ours and emptied.

    For what a person asked to be written at a place of theirs. Raises `ForeignPlace`, OSError.
    """
    descriptor = open_own(path, os.O_WRONLY | os.O_CREAT)
    os.ftruncate(descriptor, 0)
    return descriptor


# ── sockets ──────────────────────────────────────────────────────────────────────────────────────
MAX_SOCKET_PATH = 103
"""Bytes that every system takes (Linux 107)."""
_BY_DESCRIPTOR = Path("/proc/self/fd")


def fits_a_socket(path: Path) -> bool:
    """Whether `socket_path` finds a way to this one."""
    return len(os.fsencode(path)) <= MAX_SOCKET_PATH or _BY_DESCRIPTOR.is_dir()


@contextmanager
def socket_path(path: Path) -> Iterator[str]:
    """A path to bind or connect a Unix socket by, however long its own is; for the block.

    Linux leads through an open directory by a short name. Raises OSError for a directory that
    cannot be opened.
    """
    if len(os.fsencode(path)) <= MAX_SOCKET_PATH or not _BY_DESCRIPTOR.is_dir():
        yield str(path)
        return
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"{_BY_DESCRIPTOR}/{directory}/{path.name}"
    finally:
        os.close(directory)


class UnixSocket(Protocol):
    """A connected Unix socket: `socket.socket`, or trio's `SocketType`."""

    def getsockopt(self, level: int, option: int, size: int, /) -> bytes: ...  # noqa: D102


def peer_uid(connection: UnixSocket) -> int | None:
    """The user at the other end of a Unix socket; None where the system does not tell."""
    if not hasattr(socket, "SO_PEERCRED"):  # then the socket's directory must do
        return None
    told = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    uid: int = _CREDENTIALS.unpack(told)[1]
    return uid


def is_own_peer(connection: UnixSocket) -> bool:
    """Whether the other end of a Unix socket is this same user."""
    return peer_uid(connection) in {os.geteuid(), None}
