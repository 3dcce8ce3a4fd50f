"""A bootstrap and nodes as people run them: processes, of which this one knows the homes alone."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

SECONDS = 60.0
"""For anything at all; a healthy machine needs two."""
ENVIRONMENT = {
    k: v for k, v in os.environ.items() if k not in {"DISPLAY", "WAYLAND_DISPLAY", "ONMEET_HOME"}
} | {"COLUMNS": "4000", "TZ": "UTC", "LC_ALL": "C.UTF-8", "PYTHONUNBUFFERED": "1"}


class NotInTime(AssertionError):
    """A step of a scene did not come about."""


def until(condition: Callable[[], Any], what: str, seconds: float = SECONDS) -> Any:
    """Waits for what no event tells; gives what the condition gave."""
    deadline = time.monotonic() + seconds
    while not (got := condition()):
        if time.monotonic() > deadline:
            raise NotInTime(f"not within {seconds:.0f} s: {what}")
        time.sleep(0.03)
    return got


class Lines:
    """What a process tells on its standard output, line by line, from its beginning."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.all: list[dict[str, Any]] = []
        self._ended = False
        self._news = threading.Condition()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._news:
                said = {"event": line.split()[0], "words": line.rstrip()}
                self.all.append(json.loads(line) if line.startswith("{") else said)
                self._news.notify_all()
        with self._news:
            self._ended = True
            self._news.notify_all()

    def wait(self, event: str, seconds: float = SECONDS, **fields: Any) -> dict[str, Any]:
        """The first line of this event with these fields, whenever it came."""

        def found() -> dict[str, Any] | None:
            return next(
                (
                    line
                    for line in self.all
                    if line.get("event") == event and all(line[k] == v for k, v in fields.items())
                ),
                None,
            )

        with self._news:
            self._news.wait_for(lambda: found() or self._ended, seconds)
            got = found()
        if got is None:
            raise NotInTime(f"no {event} {fields}; there were {[x.get('event') for x in self.all]}")
        return got

    def give(self, link: str) -> None:
        """What a guest waits for."""
        assert self.process.stdin is not None
        self.process.stdin.write(link + "\n")
        self.process.stdin.flush()

    def to_end(self) -> int:
        """Waits until the process has ended; its exit code."""
        code = self.process.wait(SECONDS)
        self._thread.join(SECONDS)
        return code


@contextmanager
def started(*command: str) -> Iterator[Lines]:
    """A process of this project; gone at the end. Its standard input stays open."""
    process = subprocess.Popen(
        [sys.executable, "-m", *command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=ENVIRONMENT,
    )
    with process:
        lines = Lines(process)
        try:
            yield lines
        finally:
            process.terminate()
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()


class Running:
    """A node that runs."""

    def __init__(self, home: Path, lines: Lines) -> None:
        self.home = home
        self.lines = lines

    def ask(self, do: str, /, **fields: Any) -> Any:
        """A request of which nothing is recorded: to see how far things are, and to go on."""
        answers = list(talk(self.home, json.dumps({"do": do, **fields}).encode()))
        if "result" not in answers[-1]:
            raise AssertionError(f"{do}: {answers[-1]}")
        return answers[-1]["result"]


def talk(home: Path, request: bytes, seconds: float = SECONDS) -> Iterator[dict[str, Any]]:
    """One conversation over the control socket: the lines of the answer."""
    with socket.socket(socket.AF_UNIX) as link:
        link.settimeout(seconds)
        link.connect(str(home / "control.sock"))
        link.sendall(request + b"\n")
        with link.makefile("rb") as lines:
            for line in lines:
                yield json.loads(line)


class World:
    """All processes of one recording. `directory`: short, for sockets are in it."""

    def __init__(self, directory: Path, stack: ExitStack) -> None:
        self.directory = directory
        self._stack = stack
        self.bootstrap = ""
        self.gateway = ""
        self.nodes: dict[str, Running] = {}

    def open_bootstrap(self) -> None:
        """A bootstrap with a gateway for guests."""
        from onmeet_bootstrap.config.file import create
        from onmeet_bootstrap.config.model import ephemeral_config

        home = self.directory / "bootstrap"
        create(home, ephemeral_config(guests=True))
        lines = self._stack.enter_context(
            started("onmeet_bootstrap", "run", "--home", str(home), "--json")
        )
        until(lambda: lines.all, "the bootstrap")
        self.bootstrap = lines.all[0]["addresses"][0]

    def begin(self, name: str, *options: str) -> None:
        """Starts a node; its home need not be there if it has the app."""
        home = self.directory / name
        lines = self._stack.enter_context(
            started(
                "onmeet_node.cli", "up", "--json", "--home", str(home), "--no-lan",
                "--listen", "/ip4/127.0.0.1/tcp/0", "--bootstrap", self.bootstrap, *options,
            )
        )  # fmt: skip
        self.nodes[name] = Running(home, lines)

    def guest(self, name: str, *options: str) -> Lines:
        """Somebody who is about to join by a link, which they wait for: it takes long to start."""
        return self._stack.enter_context(
            started("onmeet_node.cli", "join", "-", "--name", name, *options)
        )

    def app_of(self, name: str) -> tuple[int, str]:
        """Port of a node's app, and a code for one page."""
        url = self.nodes[name].lines.wait("app")["url"]
        address, _, code = url.partition("/#c=")
        return int(address.rpartition(":")[2]), code
