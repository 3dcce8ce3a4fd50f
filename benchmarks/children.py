"""Processes that print one JSON object a line, seen from trio."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import trio

PATIENCE = 30.0
"""Seconds after which something that takes a few is given up."""


class StepFailed(Exception):
    """What a benchmark waited for did not come; the text says what and from whom."""


class Child:
    """A running process, what it printed, and a way to write to it."""

    def __init__(self, name: str, process: trio.Process, log: Path) -> None:
        self.name = name
        self.process = process
        self.started = time.monotonic()
        self._log = log
        self._lines: list[dict[str, Any]] = []
        self._news = trio.Event()
        self._ended = False
        self._asked = 0

    async def listen(self) -> None:
        """Collects what it prints until it ends."""
        assert self.process.stdout is not None
        buffer = b""
        async for part in self.process.stdout:
            *lines, buffer = (buffer + part).split(b"\n")
            self._lines += [json.loads(line) for line in lines if line.startswith(b"{")]
            self._tell()
        self._ended = True
        self._tell()

    def _tell(self) -> None:
        self._news.set()
        self._news = trio.Event()

    @property
    def mark(self) -> int:
        """A moment: `event(since=mark)` sees only what is printed after it."""
        return len(self._lines)

    async def event(
        self, *names: str, since: int = 0, seconds: float = PATIENCE, **fields: Any
    ) -> dict[str, Any]:
        """The first line after `since` whose `event` is one of `names` and that has these fields.

        Raises `StepFailed` after `seconds`, or when the process ends before.
        """
        looked = since
        with trio.move_on_after(seconds):
            while True:
                news = self._news
                for line in self._lines[looked:]:
                    if line.get("event") in names and fields.items() <= line.items():
                        return line
                looked = len(self._lines)
                if self._ended:
                    break
                await news.wait()
        last = [line.get("event") for line in self._lines[since:]][-8:]
        raise StepFailed(
            f"{self.name} did not tell {' or '.join(names)} {fields or ''} within {seconds:g} s"
            f"{' (it ended)' if self._ended else ''}; last: {last}; log: {self._tail()}"
        )

    async def ask(self, do: str, *, seconds: float = PATIENCE, **arguments: Any) -> dict[str, Any]:
        """Sends a worker a request and waits for its answer (`{"event": "answer", "id": …}`)."""
        assert self.process.stdin is not None
        self._asked += 1
        request = {"id": self._asked, "do": do, **arguments}
        await self.process.stdin.send_all(json.dumps(request).encode() + b"\n")
        answer = await self.event("answer", id=self._asked, seconds=seconds)
        if "error" in answer:
            raise StepFailed(f"{self.name}: {do} failed: {answer['error']}")
        return answer

    def _tail(self) -> str:
        try:
            return self._log.read_text(errors="replace")[-400:].strip() or "empty"
        except OSError:
            return "none"


@asynccontextmanager
async def open_child(name: str, argv: list[str], log: Path) -> AsyncIterator[Child]:
    """Runs a process inside the block, and ends it with the block, politely first."""
    with log.open("ab") as errors:
        process = await trio.lowlevel.open_process(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors
        )
        child = Child(name, process, log)
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(child.listen)
                yield child
                nursery.cancel_scope.cancel()
        finally:
            with trio.CancelScope(shield=True):
                process.terminate()
                with trio.move_on_after(5):
                    await process.wait()
                if process.returncode is None:
                    process.kill()
                    await process.wait()


async def run_json(argv: list[str], *, seconds: float = PATIENCE) -> Any:
    """Runs a short command; the JSON of the last line it prints. Raises `StepFailed`."""
    with trio.move_on_after(seconds):
        done = await trio.run_process(argv, capture_stdout=True, capture_stderr=True, check=False)
        said = (done.stderr + done.stdout).decode(errors="replace").strip()
        if done.returncode:
            raise StepFailed(f"{' '.join(argv[-6:])} failed: {said[-400:]}")
        return json.loads(done.stdout.decode().strip().splitlines()[-1])
    raise StepFailed(f"{' '.join(argv[-6:])} took over {seconds:g} s")
