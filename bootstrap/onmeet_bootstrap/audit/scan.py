"""Looks for canaries where a process can have left them: memory, files, sockets, folders.

Reading another process's memory needs root, or the same user and ptrace allowed (Yama).
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import attrs

from onmeet_bootstrap.audit.canaries import Canary
from onmeet_bootstrap.errors import BootstrapError

CHUNK = 4 * 1024 * 1024
"""Bytes read at a time; chunks overlap by the longest needle."""
MAX_FILE = 64 * 1024 * 1024
"""Bytes of one file that are read; logs and sockets' files are far below."""
_UNREADABLE = ("[vvar]", "[vsyscall]", "[vvar_vclock]")


class CannotLook(BootstrapError):
    """A process's memory cannot be read; then an audit proves nothing."""


@attrs.frozen
class Find:
    """A canary that was found. Where, not what it says."""

    canary: str
    encoding: str
    place: str
    """``memory of bootstrap: [heap]``, or a path."""
    offset: int
    around: str = ""
    """Up to 24 bytes either side, with the canary's own left out: tells whose it was."""


@attrs.define
class Looked:
    """What was looked at: an audit that looked at nothing found nothing."""

    regions: int = 0
    memory_bytes: int = 0
    unreadable: list[str] = attrs.field(factory=list)
    """Regions that the kernel does not show, with why."""
    files: int = 0
    file_bytes: int = 0
    descriptors: int = 0
    sockets: int = 0
    seconds: float = 0.0

    def add(self, other: Looked) -> None:
        """Adds what somebody else looked at."""
        for field in attrs.fields(Looked):
            setattr(self, field.name, getattr(self, field.name) + getattr(other, field.name))


class Searcher:
    """Finds every needle of some canaries in one pass over the bytes."""

    def __init__(self, canaries: Sequence[Canary]) -> None:
        self._names: dict[bytes, tuple[str, str]] = {}
        for canary in canaries:
            for encoding, needle in canary.needles:
                self._names.setdefault(needle, (canary.what, encoding))
        # Longest first: a PeerId's multihash contains its key, and is the better answer.
        self._ordered = sorted(self._names, key=len, reverse=True)
        self.longest = len(self._ordered[0])

    def search(self, data: bytes, place: str, base: int = 0) -> Iterator[Find]:
        """The finds in `data`, which begins at offset `base` of `place`."""
        if data.count(0) == len(data):
            return
        taken: set[int] = set()
        # NOTE: one pass for each needle; an alternation in `re` takes four times as long.
        for needle in self._ordered:
            at = data.find(needle)
            while at >= 0:
                end = at + len(needle)
                if at not in taken:
                    taken.update(range(at, end))
                    what, encoding = self._names[needle]
                    before, after = data[max(0, at - 24) : at], data[end : end + 24]
                    around = f"{_printable(before)}«…»{_printable(after)}"
                    yield Find(what, encoding, place, base + at, around)
                at = data.find(needle, end)


def _printable(data: bytes) -> str:
    return "".join(chr(byte) if 32 <= byte < 127 else "." for byte in data)


@attrs.frozen
class Region:
    """One line of ``/proc/PID/maps``."""

    start: int
    end: int
    readable: bool
    name: str


def regions(maps: str) -> tuple[Region, ...]:
    """The memory of a process, from the text of ``/proc/PID/maps`` (proc(5))."""
    found = []
    for line in maps.splitlines():
        span, permissions, _, _, _, *name = line.split(maxsplit=5)
        start, end = (int(part, 16) for part in span.split("-"))
        label = name[0] if name else "[anonymous]"
        found.append(Region(start, end, permissions.startswith("r"), label))
    return tuple(found)


def scan_memory(pid: int, who: str, searcher: Searcher, looked: Looked) -> list[Find]:
    """What of the canaries is in the memory of a process. Raises `CannotLook`."""
    finds: list[Find] = []
    root = Path(f"/proc/{pid}")
    try:
        with (root / "mem").open("rb", buffering=0) as memory:
            for region in regions((root / "maps").read_text()):
                if not region.readable or region.name in _UNREADABLE:
                    continue
                place = f"memory of {who}: {region.name}"
                found = _scan_region(memory, region, place, searcher, looked)
                finds += found
    except (FileNotFoundError, ProcessLookupError) as error:
        raise CannotLook(f"{who} (process {pid}) is gone: start the audit again.") from error
    except PermissionError as error:
        raise CannotLook(
            f"The memory of {who} cannot be read. Run the audit as root (sudo onmeet-bootstrap "
            "audit), or allow ptrace: sysctl kernel.yama.ptrace_scope=0"
        ) from error
    if not looked.memory_bytes:
        raise CannotLook(f"No memory of {who} could be read: run the audit as root.")
    return finds


def _scan_region(
    memory: object, region: Region, place: str, searcher: Searcher, looked: Looked
) -> list[Find]:
    finds: dict[int, Find] = {}
    position = region.start
    looked.regions += 1
    while position < region.end:
        try:
            memory.seek(position)  # type: ignore[attr-defined]
            data: bytes = memory.read(min(CHUNK, region.end - position))  # type: ignore[attr-defined]
        except (OSError, OverflowError) as error:
            looked.unreadable.append(f"{place}: {error}")
            break
        if not data:
            break
        for find in searcher.search(data, place, position):
            finds.setdefault(find.offset, find)
        looked.memory_bytes += len(data)
        if position + len(data) >= region.end:
            break
        position += max(len(data) - searcher.longest, 1)
    return list(finds.values())


def scan_descriptors(pid: int, who: str, searcher: Searcher, looked: Looked) -> list[Find]:
    """What is in the files a process has open, memory files among them, and in their names."""
    finds: list[Find] = []
    for entry in sorted(Path(f"/proc/{pid}/fd").iterdir()):
        try:
            target = str(entry.readlink())
            looked.descriptors += 1
            place = f"open file of {who}: {target}"
            finds += searcher.search(target.encode(), place)
            if target.startswith("socket:"):
                looked.sockets += 1
            elif entry.is_file():
                finds += scan_file(entry, place, searcher, looked)
        except OSError:
            continue  # closed while we looked
    return finds


def scan_sockets(pid: int, who: str, addresses: Iterable[str], looked: Looked) -> list[Find]:
    """Sockets of a process (``/proc/PID/net``) that still lead to one of these IPv4 addresses."""
    held = set()
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        try:
            target = str(entry.readlink())
        except OSError:
            continue
        if target.startswith("socket:["):
            held.add(target[8:-1])
    finds: list[Find] = []
    wanted = {_kernel_form(ip): ip for ip in addresses if ":" not in ip}
    for kind in ("tcp", "udp"):
        table = Path(f"/proc/{pid}/net/{kind}").read_text().splitlines()[1:]
        for offset, line in enumerate(table):
            fields = line.split()
            looked.sockets += 1
            if fields[9] in held and fields[2].split(":")[0] in wanted:
                finds.append(Find("IP address", "socket", f"{kind} socket of {who}", offset))
    return finds


def _kernel_form(ip: str) -> str:
    return bytes(reversed([int(part) for part in ip.split(".")])).hex().upper()


def scan_file(path: Path, place: str, searcher: Searcher, looked: Looked) -> list[Find]:
    """What is in a file, up to `MAX_FILE` bytes of it."""
    with path.open("rb") as file:
        data = file.read(MAX_FILE)
    looked.files += 1
    looked.file_bytes += len(data)
    return list(searcher.search(data, place))


def scan_folder(
    folder: Path,
    searcher: Searcher,
    looked: Looked,
    *,
    leave_out: Sequence[Path] = (),
    since: float = 0.0,
) -> list[Find]:
    """What is in the files of a folder, and in their names, all the way down.

    Files last written before `since` (Unix seconds) are passed over.
    """
    finds: list[Find] = []
    todo = [folder]
    while todo:
        here = todo.pop()
        try:
            entries = sorted(here.iterdir())
        except OSError:
            continue
        for entry in entries:
            if entry in leave_out or entry.is_symlink():
                continue
            place = str(entry)
            finds += searcher.search(entry.name.encode(errors="surrogateescape"), f"name {place}")
            try:
                if entry.is_dir():
                    todo.append(entry)
                elif entry.is_file() and entry.stat().st_mtime >= since:
                    finds += scan_file(entry, place, searcher, looked)
            except OSError as error:
                looked.unreadable.append(f"{place}: {error.strerror}")
    return finds


def scan_process(
    pid: int, who: str, canaries: Sequence[Canary], *, addresses: Sequence[str] = ()
) -> tuple[list[Find], Looked]:
    """Memory, open files and sockets of a process. Raises `CannotLook`."""
    began = time.perf_counter()
    searcher, looked = Searcher(canaries), Looked()
    finds = [
        *scan_memory(pid, who, searcher, looked),
        *scan_descriptors(pid, who, searcher, looked),
        *scan_sockets(pid, who, addresses, looked),
    ]
    looked.seconds = time.perf_counter() - began
    return finds, looked
