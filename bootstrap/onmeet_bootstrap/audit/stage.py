"""Real calls for the audit: two nodes, a guest, and a bootstrap with gateway and coturn.

With root each node is in a network namespace with an address of its own, so that addresses are
canaries too; else all is on the loopback interface, and the report says that they were left out.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import attrs
import trio

from onmeet_bootstrap.audit import canaries
from onmeet_bootstrap.audit.canaries import Canary
from onmeet_bootstrap.audit.places import StageFailed, free_port, places
from onmeet_bootstrap.audit.processes import child_of, cpu_seconds, resident, sockets
from onmeet_bootstrap.audit.staged_process import NODE, StagedPerson, staged_process
from onmeet_bootstrap.config.file import create
from onmeet_bootstrap.config.model import BootstrapConfig, GuestsConfig, TurnConfig
from onmeet_bootstrap.errors import NotRunning
from onmeet_bootstrap.forgetting.sweep import WIPING
from onmeet_bootstrap.status import ask_status

GONE_SECONDS = 90.0
"""From the nodes' end to a bootstrap that holds nothing: buckets take up to 20 s."""
_LOOK_SECONDS = 0.25


@attrs.frozen
class Stage:
    """A call that is over, and the processes that helped it."""

    bootstrap: int
    coturn: int
    home: Path
    temporary: Path
    """TMPDIR of both processes."""
    logs: tuple[Path, ...]
    canaries: tuple[Canary, ...]
    addresses: tuple[str, ...]
    began: float
    """Unix seconds before anything was started."""
    facts: dict[str, Any]
    """About the call, for the report: path, bytes, what it took."""


def _guests(server: str, *, spaced: bool) -> GuestsConfig:
    """A gateway for guests of another machine; the guest stands where a proxy would."""
    if not spaced:
        return GuestsConfig(serve=True, listen=("127.0.0.1:0",))
    where = f"{server}:{free_port(server)}"
    return GuestsConfig(
        serve=True, listen=(where,), origin=f"https://{where}", behind_proxy=("127.0.0.1",)
    )


@asynccontextmanager
async def staged(
    root: Path,
    say: Callable[[str], None],
    *,
    command: Sequence[str] = (sys.executable, "-m", "onmeet_bootstrap", "run", "--json"),
    environment: Mapping[str, str] = WIPING,
    seconds: float = 2.0,
) -> AsyncIterator[Stage]:
    """Runs a relay-only call of so many seconds, ends both nodes, and waits until it is forgotten.

    Inside the block the bootstrap (started by `command` with ``--home``) and its coturn still run.
    `root`: an empty folder. Raises `StageFailed`.
    """
    began = time.time() - 1.0
    temporary = root / "tmp"
    temporary.mkdir()
    log, errors = root / "bootstrap.log", root / "bootstrap.err"
    with places() as (server, (here, there)):
        config = BootstrapConfig(
            operator="audit",
            listen=("/ip4/0.0.0.0/tcp/0",) if here.ip else ("/ip4/127.0.0.1/tcp/0",),
            turn=TurnConfig(
                serve=True,
                public=(server,),
                port=free_port(server),
                relay_port_min=40_500,
                relay_port_max=40_700,
                allow_private_peers=True,
            ),
            guests=_guests(server, spaced=bool(here.ip)),
        )
        home = create(root / "boot", config).parent
        env = {**os.environ, **environment, "TMPDIR": str(temporary)}
        run = [*command, "--home", str(home)]
        async with staged_process("the bootstrap", run, errors, env, log) as (process, lines):
            started = await lines.told("started")
            enter = next(
                (a for a in started["addresses"] if f"/{server}/" in a), started["addresses"][0]
            )
            if here.ip:
                port, peer = enter.split("/tcp/")[1].split("/")[0], started["peer"]
                enter = f"/ip4/{server}/tcp/{port}/p2p/{peer}"
            coturn = child_of(process.pid, "turnserver")
            if coturn is None:
                raise StageFailed(
                    "coturn does not run beside the bootstrap: look at onmeet-bootstrap doctor."
                )
            idle = {pid: sockets(pid) for pid in (process.pid, coturn)}
            used = cpu_seconds(process.pid)
            say(f"bootstrap {process.pid} and coturn {coturn} run; the call begins")
            people = [
                StagedPerson(canaries.unusual_name(begin), root / f"node-{begin}", place)
                for begin, place in (("Zora", here), ("Quinn", there))
            ]
            facts, found = await _call(people[0], people[1], enter, seconds, say)
            facts["gone_seconds"] = await _forgotten(home, idle, say)
            facts["cpu_seconds"] = round(cpu_seconds(process.pid) - used, 2)
            facts["resident_mb"] = round(resident(process.pid) / 1e6, 1)
            ips = tuple(place.ip for place in (here, there) if place.ip)
            found += [canaries.address(f"IP address {n}", ip) for n, ip in enumerate(ips, 1)]
            yield Stage(
                bootstrap=process.pid,
                coturn=coturn,
                home=home,
                temporary=temporary,
                logs=(log, errors),
                canaries=tuple(found),
                addresses=ips,
                began=began,
                facts=facts,
            )


async def _call(
    caller: StagedPerson,
    callee: StagedPerson,
    enter: str,
    seconds: float,
    say: Callable[[str], None],
) -> tuple[dict[str, Any], list[Canary]]:
    for person in (caller, callee):
        await person.command("init", "--key-file", "--name", person.name)
    listen = ("--listen", "/ip4/0.0.0.0/tcp/0")
    options = ("--source", "test", "--no-lan", "--no-app", *listen, "--bootstrap", enter)
    found: list[Canary] = []
    facts: dict[str, Any] = {}
    async with caller.up(*options), callee.up(*options, "--auto-answer"):
        for person in (caller, callee):
            started = await person.lines.told("started")
            await person.lines.told("reachable")
            await person.command("settings", "--relay-only")
            status = await person.command("status")
            found += _identities(person, {**started, **status})
        say("both nodes are reachable")
        code = await callee.command("code", "new", "--label", "audit")
        found.append(canaries.text("contact code", code["uri"]))
        await caller.command("contacts", "add", code["uri"])
        request = await callee.lines.told("contact-request")
        await callee.command("contacts", "accept", request["identity"])
        await caller.lines.told("contact-accepted")
        say("they know each other")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(caller.command, "call", callee.name, "--relay-only")
            for person in (caller, callee):
                connected = await person.lines.told("connected")
                string = await person.lines.told("authenticated")
                for kind in ("audio", "video"):
                    await person.lines.told("media", kind=kind)
            facts["path"] = connected["path"]
            found.append(canaries.text("authentication string", str(string["sas"])))
            say(f"connected, path {connected['path']}; media both ways")
            await trio.sleep(seconds)  # time itself: a call of that length
            await caller.command("hangup")
            for person in (caller, callee):
                await person.lines.told("ended")
        say("the call is over; a guest comes by a link")
        facts["guest_path"] = await _guest(callee, caller, seconds, found)
        say(f"the guest was there, path {facts['guest_path']}, and has left")
    say("both nodes have ended")
    return facts, found


async def _guest(
    host: StagedPerson, where: StagedPerson, seconds: float, found: list[Canary]
) -> str:
    """A guest joins from where the other node is, relay-only, and leaves; the path of its media."""
    link = (await host.command("invite", "--let-in", "--name", "audit"))["url"]
    name = canaries.unusual_name("Odile")
    found += [
        canaries.text("name of the guest", name),
        canaries.text("fragment of the link", link.partition("#")[2]),
    ]
    join = ("join", "-", "--name", name, "--source", "test", "--relay-only", "--json", "--plain")
    done = await trio.run_process(
        [*where.prefix, *NODE, *join, "--seconds", str(seconds)],
        stdin=f"{link}\n".encode(),
        capture_stdout=True,
        capture_stderr=True,
        check=False,
    )
    said = [json.loads(line) for line in done.stdout.decode().splitlines()]
    if done.returncode or not said:
        raise StageFailed(f"the guest did not get in: {done.stderr.decode(errors='replace')}")
    kinds = {line["kind"] for line in said if line["event"] == "media"}
    if kinds != {"audio", "video"}:
        raise StageFailed(f"the guest received {sorted(kinds)} alone: look at onmeet doctor")
    await host.lines.told("ended", reason="peer-hung-up")
    found += [
        canaries.text("authentication string of the guest", line["sas"])
        for line in said
        if line["event"] == "answered"
    ]
    return str(next(line["path"] for line in said if line["event"] == "connected"))


def _identities(person: StagedPerson, told: Mapping[str, Any]) -> list[Canary]:
    """The canaries of one side: its name and whatever ids its node tells."""
    side = person.name.split()[0]
    found = [canaries.text(f"name of {side}", person.name)]
    for key in ("peer", "peer_id"):
        if isinstance(told.get(key), str):
            found.append(canaries.peer(f"PeerId of {side}", told[key]))
            break
    for key in ("identity", "id"):
        value = told.get(key)
        if isinstance(value, str):
            found.append(canaries.text(f"identity of {side}", value))
            with suppress(ValueError):
                found.append(canaries.binary(f"identity key of {side}", bytes.fromhex(value)))
            break
    return found


async def _forgotten(home: Path, idle: Mapping[int, int], say: Callable[[str], None]) -> float:
    """Waits until the bootstrap says that it holds nothing; seconds that it took.

    `idle`: how many sockets each process had before anybody came.
    """
    began = trio.current_time()
    held: object = "?"
    with trio.move_on_after(GONE_SECONDS):
        while True:
            try:
                status = await trio.to_thread.run_sync(ask_status, home)
            except NotRunning as error:
                raise StageFailed(f"The bootstrap ended by itself. {error}") from error
            held = status.get("held", 0)
            names = ("connections", "reservations", "circuits", "doors", "guests")
            counts = [status[name] for name in names]
            quiet = all(sockets(pid) <= before for pid, before in idle.items())
            if not held and not any(counts) and quiet:
                break
            await trio.sleep(_LOOK_SECONDS)
    took = trio.current_time() - began
    open_now = " and ".join(str(sockets(pid) - before) for pid, before in idle.items())
    say(
        f"after {took:.1f} s the bootstrap holds {held} entries; it and coturn have {open_now} "
        "sockets more than before"
    )
    return took
