"""Nodes and bootstraps as processes of their own in a lab, driven as their people drive them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from onmeet_bootstrap.config.file import create
from onmeet_bootstrap.config.model import BootstrapConfig, GuestsConfig, TurnConfig

from onmeet_node.control.client import ask, stream
from onmeet_node.control.requests.calls import CallAction, ChangeCall, DialAndFollow
from onmeet_node.control.requests.node import ShowStatus
from onmeet_node.control.requests.people import AddContact, ChangePerson, NewCode, PersonAction
from onmeet_node.control.shapes import Request
from onmeet_node.errors import OnMeetError
from onmeet_node.protocol.wire.messages import Kind
from tests import forkserver
from tests.media.coturn import make_certificate
from tests.netlab.lab import Host

PYTHON = sys.executable
GATEWAY_PORT = 8443
SOUND: tuple[Kind, ...] = (Kind.AUDIO,)
BOTH = tuple(Kind)


class Machine:
    """A node in a network namespace: its process, and all that it told."""

    def __init__(self, host: Host, home: Path, *, name: str | None = None) -> None:
        self.host = host
        self.home = home
        self.name = name or home.name
        self.told: list[dict[str, Any]] = []
        self.process: subprocess.Popen[str] | None = None
        self._news = threading.Condition()

    def init(self) -> None:
        """Makes the home."""
        self.onmeet("init", "--key-file", "--name", self.name)

    def onmeet(self, *arguments: str) -> Any:
        """One command's ``--json`` result, run on this machine."""
        done = forkserver.run(self._command(*arguments))
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    def ask(self, request: Request) -> Any:
        """A request to the running node. Quicker: its socket is a file, not of the network."""
        return ask(self.home, request)

    def _command(self, *arguments: str) -> list[str]:
        home = ("--json", "--home", str(self.home))
        return self.host.command(PYTHON, "-m", "onmeet_node.cli", *arguments, *home)

    @contextmanager
    def up(self, *options: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
        """The node runs inside the block; `environment` is added to ours."""
        process = self.process = forkserver.Popen(
            self._command("up", "--source", "test", *options),
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **environment},
        )
        listener = threading.Thread(target=self._listen, args=(process,))
        listener.start()
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(20)
            finally:
                process.kill()
                process.wait()
                listener.join()
                assert process.stdout is not None
                process.stdout.close()

    def _listen(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            with self._news:
                self.told.append(json.loads(line))
                self._news.notify_all()

    def wait(
        self, event: str, seconds: float = 90, *, after: float = 0, **fields: Any
    ) -> dict[str, Any]:
        """The first event of this name and these fields, told later than `after`."""
        deadline = time.monotonic() + seconds
        with self._news:
            while True:
                for line in self.told:
                    fits = line["event"] == event and line["t"] > after
                    if fits and all(line[key] == value for key, value in fields.items()):
                        return line
                left = deadline - time.monotonic()
                assert left > 0, f"{self.name}: no {event} {fields}; told: {self.told[-6:]}"
                self._news.wait(left)

    def values(self, event: str, field: str, *, after: float) -> set[Any]:
        """What such events said so far, told later than `after`."""
        with self._news:
            lines = [one for one in self.told if one["event"] == event and one["t"] > after]
        return {line[field] for line in lines} - {None}

    def tells(self, event: str, seconds: float, *, after: float, **fields: Any) -> bool:
        """Whether such an event comes within so many seconds."""
        try:
            self.wait(event, seconds, after=after, **fields)
        except AssertionError:
            return False
        return True

    def forget(self) -> None:
        """From here on only what is new counts."""
        with self._news:
            self.told.clear()

    def kill(self, signal: int) -> None:
        """Sends a signal to the node's process."""
        assert self.process is not None
        os.kill(self.process.pid, signal)

    def decoded(self) -> dict[str, int]:
        """Frames decoded in the current call, by kind."""
        (one,) = self.ask(ShowStatus())["calls"]
        return {s["kind"]: s["frames_decoded"] for s in one["streams"]}


def befriend(ana: Machine, ben: Machine) -> None:
    """Only a code is exchanged."""
    began = time.monotonic()
    code = ben.ask(NewCode(settle=True))["uri"]
    ana.ask(AddContact(code=code))
    identity = ana.ask(ShowStatus())["identity"]
    request = ben.wait("contact-request", after=began, identity=identity)
    ben.ask(ChangePerson(who=request["identity"], action=PersonAction.ACCEPT))
    ana.wait("contact-accepted", after=began, identity=ben.ask(ShowStatus())["identity"])


class Dialling(threading.Thread):
    """A call from the moment of dialling, in a thread that follows it to its end."""

    def __init__(
        self,
        ana: Machine,
        ben: Machine,
        *,
        kinds: tuple[Kind, ...] = BOTH,
        relay_only: bool = False,
    ) -> None:
        super().__init__()
        self.began = time.monotonic()
        self.events: list[dict[str, Any]] = []
        self.problem: OnMeetError | None = None
        self._ana, self._ben = ana, ben
        self._kinds, self._relay_only = kinds, relay_only

    def run(self) -> None:
        """Follows the call."""
        who = self._ben.ask(ShowStatus())["identity"]
        self.began = time.monotonic()
        try:
            request = DialAndFollow(who=who, kinds=self._kinds, relay_only=self._relay_only)
            for line in stream(self._ana.home, request):
                self.events.append(line)
        except OnMeetError as error:
            self.problem = error

    def time_of(self, event: str, **fields: Any) -> float | None:
        """Seconds from dialling to the first such event."""
        for line in tuple(self.events):
            if line.get("event") == event and all(line[k] == v for k, v in fields.items()):
                return float(line["t"]) - self.began
        return None


def agree(ana: Machine, ben: Machine, *, after: float, seconds: float = 90) -> None:
    """Waits until both were shown one number; a path that was replaced meanwhile has another."""
    deadline = time.monotonic() + seconds
    while not set.intersection(
        *(m.values("authenticated", "sas", after=after) for m in (ana, ben))
    ):
        assert time.monotonic() < deadline, "their numbers differ"
        time.sleep(0.05)


@contextmanager
def call(ana: Machine, ben: Machine, **options: Any) -> Iterator[Dialling]:
    """A call with media both ways; hung up at the end. Ben answers by himself."""
    dialling = Dialling(ana, ben, **options)
    dialling.start()
    try:
        for machine in (ana, ben):
            machine.wait("connected", after=dialling.began)
            for kind in ("audio", "video"):
                machine.wait("media", after=dialling.began, kind=kind)
        agree(ana, ben, after=dialling.began)
        yield dialling
        ana.ask(ChangeCall(action=CallAction.HANG_UP))
        assert ben.wait("ended", after=dialling.began)["reason"] == "peer-hung-up"
    finally:
        hang_up(ana)
        dialling.join(30)


def hang_up(machine: Machine) -> None:
    """Ends whatever call the machine is in."""
    try:
        for one in machine.ask(ShowStatus())["calls"]:
            machine.ask(ChangeCall(call=one["call"], action=CallAction.HANG_UP))
    except OnMeetError:
        pass  # it is over, or its node is gone


@contextmanager
def bootstrap(
    host: Host,
    home: Path,
    *,
    listen: Sequence[str] = (),
    options: Sequence[str] = (),
    turn: bool = False,
) -> Iterator[tuple[tuple[str, ...], subprocess.Popen[str]]]:
    """A bootstrap on a machine of its own: its addresses and process.

    `turn`: with coturn.
    """
    command = [PYTHON, "-m", "onmeet_bootstrap"]
    place = ["--home", str(home), "--json"]
    where = [f"--listen={a}" for a in listen or (f"/ip4/{host.address}/tcp/4001",)]
    public = ["--public-address", host.address, *(f"--announce={a}" for a in listen)]
    made = forkserver.run(
        host.command(*command, "init", *where, *(public if turn else ()), *options, *place)
    )
    assert made.returncode == 0, made.stderr
    process = forkserver.Popen(
        host.command(*command, "run", *place), stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        for line in process.stdout:
            if (event := json.loads(line))["event"] == "started":
                yield tuple(event["addresses"]), process
                break
        else:
            raise AssertionError("the bootstrap did not start")
    finally:
        process.kill()
        process.wait(10)
        process.stdout.close()


@contextmanager
def gateway(host: Host, home: Path) -> Iterator[tuple[str, str]]:
    """A bootstrap with relay, TURN and gateway: its address, and the origin of guest links.

    Its certificate is ``turn.pem`` in `home`.
    """
    origin = f"https://{host.address}:{GATEWAY_PORT}"
    home.mkdir()
    certificate = make_certificate(home, name=host.address)
    config = BootstrapConfig(
        operator="lab",
        listen=(f"/ip4/{host.address}/tcp/4001",),
        turn=TurnConfig(serve=True, public=(host.address,), allow_private_peers=False),
        guests=GuestsConfig(
            serve=True,
            listen=(f"{host.address}:{GATEWAY_PORT}",),
            origin=origin,
            certificate=str(certificate.certificate),
            key=str(certificate.key),
        ),
    )
    create(home / "bootstrap", config)
    command = host.command(PYTHON, "-m", "onmeet_bootstrap", "run", "--json")
    command += ["--home", os.fspath(home / "bootstrap")]
    process = forkserver.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield json.loads(process.stdout.readline())["addresses"][0], origin
    finally:
        process.terminate()
        process.wait(20)
        process.stdout.close()
