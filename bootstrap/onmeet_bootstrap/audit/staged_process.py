"""The processes of a staged call: the nodes as people use them, and what each process tells."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import trio

from onmeet_bootstrap.audit.places import Place, StageFailed

STEP_SECONDS = 90.0
"""For each step of the call. NOTE: in namespaces nodes take some 20 s each until they call
themselves reachable; why was not traced. Every other step takes two at most."""
NODE = (sys.executable, "-m", "onmeet_node.cli")


class ToldLines:
    """The JSON lines that a process writes, as they come."""

    def __init__(self, who: str) -> None:
        self._who = who
        self._told: list[dict[str, Any]] = []
        self._news = trio.Event()

    async def listen(self, process: trio.Process, log: Path | None) -> None:
        """Reads all that the process writes, and keeps a copy in `log`."""
        assert process.stdout is not None
        buffer = b""
        async for part in process.stdout:
            if log is not None:
                with log.open("ab") as file:
                    file.write(part)
            *lines, buffer = (buffer + part).split(b"\n")
            self._told += [json.loads(line) for line in lines]
            self._news.set()
            self._news = trio.Event()

    async def told(self, event: str, **fields: Any) -> dict[str, Any]:
        """The first line of this event with these fields, waited for. Raises `StageFailed`."""
        with trio.move_on_after(STEP_SECONDS):
            while True:
                news = self._news
                for line in self._told:
                    if line["event"] == event and all(line.get(k) == v for k, v in fields.items()):
                        return line
                await news.wait()
        last = [line["event"] for line in self._told[-5:]]
        raise StageFailed(
            f"{self._who} did not tell {event!r} within {STEP_SECONDS:.0f} s (last: {last}). "
            "Look whether 'onmeet demo' works on this machine."
        )


@asynccontextmanager
async def staged_process(
    who: str, command: Sequence[str], errors: Path, env: Mapping[str, str], log: Path | None = None
) -> AsyncIterator[tuple[trio.Process, ToldLines]]:
    """A process and the lines that it writes; ended with the block. `errors` gets its stderr."""
    lines = ToldLines(who)
    with errors.open("wb") as file:
        async with trio.open_nursery() as nursery:
            process: trio.Process = await nursery.start(
                functools.partial(
                    trio.run_process,
                    list(command),
                    stdout=subprocess.PIPE,
                    stderr=file,
                    check=False,
                    env=dict(env),
                )
            )
            nursery.start_soon(lines.listen, process, log)
            try:
                yield process, lines
            finally:
                with suppress(ProcessLookupError):
                    process.terminate()


class StagedPerson:
    """One side of the call, as a person uses it."""

    def __init__(self, name: str, home: Path, place: Place) -> None:
        self.name = name
        self.home = home
        self._place = place
        self.prefix = place.prefix
        self.lines = ToldLines(name)

    async def command(self, *arguments: str) -> Any:
        """What `onmeet` answers to this. Raises `StageFailed`."""
        command = [*self._place.prefix, *NODE, *arguments, "--home", str(self.home), "--json"]
        done = await trio.run_process(
            command, capture_stdout=True, capture_stderr=True, check=False
        )
        if done.returncode:
            said = done.stderr.decode(errors="replace").strip()
            raise StageFailed(f"onmeet {arguments[0]} failed: {said}")
        return json.loads(done.stdout.decode().strip().splitlines()[-1])

    @asynccontextmanager
    async def up(self, *options: str) -> AsyncIterator[None]:
        """Their node runs inside the block; `lines` is what it tells."""
        command = [*self._place.prefix, *NODE, "up", "--json", "--home", str(self.home), *options]
        errors = self.home.with_suffix(".err")
        async with staged_process(self.name, command, errors, os.environ) as (_, lines):
            self.lines = lines
            yield
