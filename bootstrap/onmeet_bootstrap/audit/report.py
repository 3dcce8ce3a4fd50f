"""The audit from its self-test to its verdict."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs

from onmeet_bootstrap.audit import canaries
from onmeet_bootstrap.audit.canaries import Canary
from onmeet_bootstrap.audit.scan import (
    CannotLook,
    Find,
    Looked,
    Searcher,
    scan_file,
    scan_folder,
    scan_process,
)
from onmeet_bootstrap.audit.stage import Stage, staged
from onmeet_bootstrap.errors import BootstrapError
from onmeet_bootstrap.forgetting.remainders import REMAINDERS
from onmeet_bootstrap.forgetting.sweep import WIPING

Tell = Callable[..., None]
"""`_Output.event` of the command line: event, text, values."""

_HOLDER = "import sys; held = sys.stdin.readline(); print('held', flush=True); sys.stdin.read()"


class SelfTestFailed(BootstrapError):
    """What was planted was not found: whatever the audit says means nothing."""


@attrs.frozen
class Summed:
    """Finds of one canary in one place, together."""

    canary: str
    place: str
    times: int
    encodings: tuple[str, ...]
    around: str


@contextmanager
def holding(text: str) -> Iterator[int]:
    """A process that holds a text in its memory; its id."""
    command = [sys.executable, "-c", _HOLDER]
    process = subprocess.Popen(  # noqa: S603 - ours
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(text + "\n")
        process.stdin.flush()
        process.stdout.readline()
        yield process.pid
    finally:
        process.stdin.close()
        process.stdout.close()
        process.wait()


def self_test(root: Path) -> Looked:
    """Plants a canary in a process and in a file, and finds both. Raises `SelfTestFailed`."""
    value = canaries.unusual_name("planted")
    canary = canaries.text("planted", value)
    with holding(value) as pid:
        found, looked = scan_process(pid, "the self-test", [canary])
    if not any(find.place.startswith("memory") for find in found):
        raise SelfTestFailed("A name planted in a process was not found. Run the audit as root.")
    for encoding, needle in canary.needles:
        path = root / "planted"
        path.write_bytes(b"some log line " + needle + b" and more\n")
        if not scan_file(path, str(path), Searcher([canary]), looked):
            raise SelfTestFailed(f"A name planted in a file as {encoding} was not found.")
        path.unlink()
    return looked


def search(stage: Stage, tell: Tell) -> list[Find]:
    """Looks everywhere a staged call can have left something. Raises `CannotLook`."""
    finds: list[Find] = []
    for pid, who in ((stage.bootstrap, "bootstrap"), (stage.coturn, "coturn")):
        found, looked = scan_process(pid, who, stage.canaries, addresses=stage.addresses)
        finds += found
        _tell_looked(tell, f"process {who}", looked)
    searcher = Searcher(stage.canaries)
    folders = (stage.temporary, stage.home, Path("/dev/shm"), Path("/tmp"))  # noqa: S108 - looked at
    for folder in folders:
        looked = Looked()
        leave_out = [path for path in stage.home.parent.iterdir() if path.name.startswith("node-")]
        if folder in (Path("/tmp"), Path("/dev/shm")):  # noqa: S108
            leave_out = [stage.home.parent]  # scanned by itself, but for the nodes' own homes
        finds += scan_folder(folder, searcher, looked, leave_out=leave_out, since=stage.began)
        _tell_looked(tell, f"folder {folder}", looked)
    finds += _search_journal(stage, searcher, tell)
    for log in stage.logs:
        looked = Looked()
        finds += scan_file(log, str(log), searcher, looked)
        _tell_looked(tell, f"log {log.name}", looked)
    return finds


def _search_journal(stage: Stage, searcher: Searcher, tell: Tell) -> list[Find]:
    """What this machine's journal has been told since the call began, if it has one."""
    journal = shutil.which("journalctl")
    if journal is None:
        tell("left-out", "the journal was left out: this machine has none")
        return []
    command = [journal, "--no-pager", "--output=export", f"--since=@{int(stage.began)}"]
    done = subprocess.run(command, capture_output=True, check=False)  # noqa: S603 - ours
    looked = Looked()
    looked.file_bytes += len(done.stdout)
    _tell_looked(tell, "the journal", looked)
    return list(searcher.search(done.stdout, "the journal"))


def _tell_looked(tell: Tell, where: str, looked: Looked) -> None:
    parts = [
        f"{looked.memory_bytes / 1e6:.1f} MB of memory in {looked.regions} regions",
        f"{looked.descriptors} descriptors, {looked.sockets} sockets",
        f"{looked.files} files ({looked.file_bytes} bytes)",
        *([f"{len(looked.unreadable)} could not be read"] if looked.unreadable else []),
    ]
    tell("looked", f"looked at {where}: {', '.join(parts)}", where=where, **attrs.asdict(looked))


def summed(finds: Sequence[Find]) -> list[Summed]:
    """The same finds by canary and place, most first."""
    groups: dict[tuple[str, str], list[Find]] = {}
    for find in finds:
        groups.setdefault((find.canary, find.place), []).append(find)
    result = [
        Summed(
            canary, place, len(group), tuple(sorted({f.encoding for f in group})), group[0].around
        )
        for (canary, place), group in groups.items()
    ]
    return sorted(result, key=lambda remainder: -remainder.times)


def sorted_out(finds: Sequence[Find]) -> tuple[list[Find], list[Find]]:
    """The finds that `state.REMAINDERS` declares, and all others.

    More of a canary than is declared are all others.
    """
    known: list[Find] = []
    for declared in REMAINDERS:
        matching = [
            find
            for find in finds
            if find.canary.startswith(declared.canary) and find.place.startswith(declared.place)
        ]
        counts = Counter(find.canary for find in matching)
        known += [find for find in matching if counts[find.canary] <= declared.at_most]
    return known, [find for find in finds if find not in known]


async def run_audit(
    root: Path,
    tell: Tell,
    *,
    command: Sequence[str] | None = None,
    environment: Mapping[str, str] = WIPING,
    plant: Sequence[Canary] = (),
) -> bool:
    """Whether nothing was found. Tells what was looked at, and each find.

    `root`: an empty folder. Raises `StageFailed`, `SelfTestFailed`, `CannotLook`.
    """
    if not sys.platform.startswith("linux"):
        raise CannotLook("The audit reads /proc: run it on Linux.")
    self_test(root)
    tell("self-test", "self-test: a name planted in a process and in a file was found")
    options: dict[str, Any] = {"environment": environment}
    if command is not None:
        options["command"] = command
    async with staged(root, lambda text: tell("staged", text), **options) as played:
        stage = attrs.evolve(played, canaries=(*played.canaries, *plant))
        if not stage.addresses:
            tell("left-out", "IP addresses were left out: they need root, for namespaces")
        names = [canary.what for canary in stage.canaries]
        forms = sum(len(canary.needles) for canary in stage.canaries)
        tell("canaries", f"looking for {', '.join(names)}: {forms} forms", canaries=names)
        finds = search(stage, tell)
    known, finds = sorted_out(finds)
    for remainder in (*summed(known), *summed(finds)):
        fresh = any((f.canary, f.place) == (remainder.canary, remainder.place) for f in finds)
        begin = "FOUND" if fresh else "left, as docs/STATE.md says:"
        tell(
            "find" if fresh else "remainder",
            f"{begin} {remainder.canary} {remainder.times} times in {remainder.place} as "
            f"{', '.join(remainder.encodings)}: {remainder.around}",
            **attrs.asdict(remainder),
        )
    counts = Counter(find.canary for find in finds)
    left = f"; declared remainders: {len(known)}" if known else ""
    verdict = ("nothing undeclared was found" if not finds else f"found: {dict(counts)}") + left
    tell(
        "verdict",
        verdict,
        clean=not finds,
        finds=len(finds),
        remainders=len(known),
        facts=stage.facts,
    )
    return not finds
