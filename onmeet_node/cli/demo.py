"""``onmeet demo``: the whole product on one machine, nothing staged.

A bootstrap runs inside this process; two nodes run in processes of their own, controlled by the
same commands that a person types. Everything that is printed was reported by them.
"""

from __future__ import annotations

import functools
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import click
import trio

from onmeet_node.cli.common import json_option
from onmeet_node.errors import OnMeetError, first

START_SECONDS = 30.0
CALL_SECONDS = 40.0
"""Slow machines included; a healthy one needs two."""


class DemoFailed(OnMeetError):
    """A step of the demonstration did not come about; the message says which."""


@click.command("demo")
@click.option("--seconds", default=4.0, show_default=True, help="Length of the call.")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("demo-out"),
    show_default=True,
    help="Where the first decoded pictures go.",
)
@json_option
def demo_command(seconds: float, out: Path, *, as_json: bool) -> None:
    """A bootstrap and two nodes on this machine; one calls the other by its code alone."""
    report = _Report(as_json=as_json)
    try:
        out.mkdir(parents=True, exist_ok=True)
        trio.run(_demo, seconds, out.absolute(), report)
    except* OnMeetError as errors:
        raise click.ClickException(str(first(errors))) from None
    except* KeyboardInterrupt:
        raise SystemExit(130) from None


class _Report:
    """Lines for a person, or one JSON object at the end."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json
        self._began = time.monotonic()
        self.facts: dict[str, Any] = {}

    def say(self, line: str, **facts: Any) -> None:
        self.facts.update(facts)
        if not self._as_json:
            click.echo(f"{time.monotonic() - self._began:6.2f} s  {line}")

    def finish(self) -> None:
        if self._as_json:
            click.echo(json.dumps(self.facts))


class _DemoNode:
    """One of the two: a home, the process of its node, and the events it has told."""

    def __init__(self, name: str, home: Path, errors: Path) -> None:
        self.name = name
        self.home = home
        self._errors = errors
        self._told: list[dict[str, Any]] = []
        self._news = trio.Event()

    async def command(self, *arguments: str) -> Any:
        """Runs ``onmeet …`` as a person would; its ``--json`` result."""
        done = await trio.run_process(
            [*_onmeet(), *arguments, "--home", str(self.home), "--json"],
            capture_stdout=True,
            capture_stderr=True,
            check=False,
        )
        if done.returncode:
            said = done.stderr.decode(errors="replace").strip()
            raise DemoFailed(f"{self.name}: onmeet {arguments[0]} failed: {said}")
        return json.loads(done.stdout.decode().strip().splitlines()[-1])

    @asynccontextmanager
    async def up(self, *options: str) -> AsyncIterator[None]:
        """The node runs inside the block."""
        with self._errors.open("wb") as errors:
            async with trio.open_nursery() as nursery:
                process: trio.Process = await nursery.start(
                    functools.partial(
                        trio.run_process,
                        [*_onmeet(), "up", "--json", "--home", str(self.home), *options],
                        stdout=subprocess.PIPE,
                        stderr=errors,
                        check=False,
                    )
                )
                nursery.start_soon(self._listen, process)
                try:
                    yield
                finally:
                    process.terminate()

    async def _listen(self, process: trio.Process) -> None:
        assert process.stdout is not None
        buffer = b""
        async for part in process.stdout:
            *lines, buffer = (buffer + part).split(b"\n")
            for line in lines:
                self._told.append(json.loads(line))
            self._news.set()
            self._news = trio.Event()

    async def told(
        self, event: str, seconds: float = CALL_SECONDS, **fields: Any
    ) -> dict[str, Any]:
        """Waits until the node tells this event; raises `DemoFailed` when it does not."""
        with trio.move_on_after(seconds):
            while True:
                news = self._news
                for line in self._told:
                    if line["event"] == event and all(line.get(k) == v for k, v in fields.items()):
                        return line
                await news.wait()
        raise DemoFailed(
            f"{self.name}'s node did not tell {event!r} {fields or ''} within {seconds:.0f} s. "
            f"Its last words: {[line['event'] for line in self._told[-5:]]}; log: {self._errors}"
        )


def _onmeet() -> list[str]:
    return [sys.executable, "-m", "onmeet_node.cli"]


async def _demo(seconds: float, out: Path, report: _Report) -> None:
    from onmeet_bootstrap.app import open_bootstrap
    from onmeet_bootstrap.config.model import BootstrapConfig

    with tempfile.TemporaryDirectory(prefix="onmeet-demo-") as temporary:
        place = Path(temporary)
        alice = _DemoNode("Alice", place / "alice", out / "alice.log")
        bob = _DemoNode("Bob", place / "bob", out / "bob.log")
        async with open_bootstrap(BootstrapConfig(listen=("/ip4/127.0.0.1/tcp/0",))) as bootstrap:
            report.say("bootstrap started (DHT and relay; it cannot open any call)")
            for person in (alice, bob):
                await person.command("init", "--key-file", "--name", person.name)
            options = (
                "--source", "test", "--no-lan", "--listen", "/ip4/127.0.0.1/tcp/0",
                "--bootstrap", bootstrap.addresses[0],
            )  # fmt: skip
            async with (
                alice.up(*options, "--record", str(out / "alice")),
                bob.up(*options, "--record", str(out / "bob"), "--auto-answer"),
            ):
                for person in (alice, bob):
                    started = await person.told("started", START_SECONDS)
                    reachable = await person.told("reachable", START_SECONDS)
                    took = reachable["t"] - started["t"]
                    report.say(f"{person.name} is reachable ({took * 1000:.0f} ms after start)")
                await _introduce(alice, bob, report)
                await _call(alice, bob, seconds, out, report)
                await _compare_histories(alice, bob, report)
    report.say(f"pictures and recordings are in {out}", out=str(out))
    report.finish()


async def _introduce(alice: _DemoNode, bob: _DemoNode, report: _Report) -> None:
    code = await bob.command("code", "new", "--label", "demo")
    report.say("Bob made a contact code; it is all that Alice knows of him")
    await alice.command("contacts", "add", code["uri"])
    request = await bob.told("contact-request")
    await bob.command("contacts", "accept", request["identity"])
    await alice.told("contact-accepted")
    report.say(f"Alice asked, Bob saw “{request['card_name']}” and accepted")


async def _call(
    alice: _DemoNode, bob: _DemoNode, seconds: float, out: Path, report: _Report
) -> None:
    await trio.lowlevel.checkpoint()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_place_call, alice)
        dialled = await alice.told("state", state="dialing")
        ringing = await alice.told("ringing")
        incoming = await bob.told("incoming")
        report.say(
            f"ringing: Bob's node has the call, {_ms(dialled, incoming)} ms after Alice dialled",
            dial_to_ring_ms=_ms(dialled, ringing),
        )
        accepted = await bob.told("accepted")
        links = [await person.told("connected") for person in (alice, bob)]
        report.say(f"connected, path: {links[0]['path']}", path=links[0]["path"])
        one, other = [(await person.told("authenticated"))["sas"] for person in (alice, bob)]
        if one is None or one != other:
            raise DemoFailed("The authentication strings differ: somebody sits in the middle.")
        report.say(f"authentication string on both sides: {one}", sas=one)
        for person in (alice, bob):
            for kind in ("audio", "video"):
                first = await person.told("media", kind=kind)
                report.say(
                    f"{person.name} decoded the first {kind} frame {_ms(accepted, first)} ms "
                    "after Bob accepted",
                    **{f"{person.name.lower()}_{kind}_ms": _ms(accepted, first)},
                )
        await trio.sleep(seconds)
        for person in (alice, bob):
            calls = (await person.command("status"))["calls"]
            frames = {s["kind"]: s["frames_decoded"] for s in calls[0]["streams"]}
            if not all(frames.get(kind, 0) > 0 for kind in ("audio", "video")):
                raise DemoFailed(f"{person.name} decoded only {frames}.")
            report.say(
                f"{person.name} decoded {frames['video']} pictures and {frames['audio']} audio "
                "frames",
                **{f"{person.name.lower()}_frames": frames},
            )
        await alice.command("hangup")
        ends = [await person.told("ended") for person in (alice, bob)]
        report.say(
            f"Alice hung up; Bob saw it {_ms(ends[0], ends[1])} ms later",
            reasons=[end["reason"] for end in ends],
        )
    for person in (alice, bob):
        pictures = sorted((out / person.name.lower()).glob("*.png"))
        if not pictures:
            raise DemoFailed(f"{person.name} wrote no picture.")
        report.say(
            f"the first picture that {person.name} decoded: {pictures[-1]}",
            **{f"{person.name.lower()}_picture": str(pictures[-1])},
        )


async def _place_call(alice: _DemoNode) -> None:
    try:
        await alice.command("call", "Bob")
    except DemoFailed as error:
        raise DemoFailed(f"Alice's call was not answered. {error}") from error


def _ms(earlier: dict[str, Any], later: dict[str, Any]) -> int:
    return round(float(later["t"] - earlier["t"]) * 1000)


async def _compare_histories(alice: _DemoNode, bob: _DemoNode, report: _Report) -> None:
    for person in (alice, bob):
        history = await person.command("history")
        if len(history) != 1:
            raise DemoFailed(f"{person.name}'s history has {len(history)} calls instead of one.")
        call = history[0]
        report.say(
            f"{person.name}'s history: {'to' if call['outgoing'] else 'from'} {call['with']}, "
            f"{call['reason']}, {call['seconds']:.1f} s, {call['path']}",
            **{f"{person.name.lower()}_history": call},
        )
