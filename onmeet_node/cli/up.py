"""``onmeet up`` and ``onmeet open``: the node that runs in a home, and its app in the browser."""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from onmeet_node.cli.common import home_option, json_option, revoke_hint, show
from onmeet_node.cli.home import passphrase_file_option, unlock_of
from onmeet_node.cli.stopping import Stopping
from onmeet_node.cli.string_words import about_string
from onmeet_node.control.client import ask
from onmeet_node.control.requests.node import OpenApp
from onmeet_node.errors import OnMeetError, first
from onmeet_node.process.outlet import Outlet, lines_missing, standard_outlets
from onmeet_node.process.ownership import is_own_directory
from onmeet_node.process.suggestions import below

if TYPE_CHECKING:
    from onmeet_node.calls.call import Call
    from onmeet_node.config import Config
    from onmeet_node.embedded.gateway import GatewayConfig, OwnDoors
    from onmeet_node.node.node import Node
    from onmeet_node.store.keys import Unlock


log = logging.getLogger(__name__)


@click.command("up")
@click.option("--auto-answer", is_flag=True, default=None, help="Take every call that rings.")
@click.option("--source", default=None, help="What calls send: test, none, devices, or a file.")
@click.option(
    "--record",
    type=click.Path(file_okay=False, path_type=Path),
    default=None,
    help="Directory for a recording of each call.",
)
@click.option("--bootstrap", "bootstraps", multiple=True, metavar="MULTIADDR")
@click.option("--listen", multiple=True, metavar="MULTIADDR")
@click.option("--lan/--no-lan", default=None, help="Find nodes on this network by mDNS.")
@click.option("--app/--no-app", default=None, help="Serve the app for your browser.")
@click.option("--browser/--no-browser", default=None, help="Open the app in your browser.")
@click.option(
    "--app-port",
    type=click.IntRange(0, 65_535),
    default=None,
    help="Another than the home's own, for this run; 0: a free one.",
)
@click.option(
    "--guests-on",
    metavar="ADDRESS:PORT",
    default=None,
    help="Serve the guest page from this node: guests then need no bootstrap's gateway.",
)
@click.option("--guests-origin", default="", help="How guests reach that: https://name[:port].")
@click.option("--guests-certificate", default="", metavar="FILE", help="PEM chain for that name.")
@click.option("--guests-key", default="", metavar="FILE", help="PEM key of the certificate.")
@passphrase_file_option
@home_option
@json_option
def up_command(
    home: Path,
    passphrase_file: Path | None,
    bootstraps: tuple[str, ...],
    listen: tuple[str, ...],
    app_port: int | None,
    *,
    app: bool | None,
    browser: bool | None,
    guests_on: str | None,
    guests_origin: str,
    guests_certificate: str,
    guests_key: str,
    as_json: bool,
    **flags: Any,
) -> None:
    """Runs your node until Ctrl-C, and its app in your browser. Other commands talk to it.

    The app is served where somebody can look at it: from a terminal, or with --app. Without a home
    the app makes one. Ctrl-C and SIGTERM end it with status 0, at whatever moment they come.
    """
    stopping = Stopping()
    from onmeet_node.config import load_config
    from onmeet_node.protocol.wire.messages import Kind

    config = load_config(
        home, flags={**flags, "bootstraps": bootstraps or None, "listen": listen or None}
    )
    with_app = sys.stdin.isatty() if app is None else app
    opens = with_app and sys.stdin.isatty() and _has_screen() if browser is None else browser
    unlock = None if with_app and passphrase_file is None else unlock_of(home, passphrase_file)
    guests = None
    if guests_on is not None:
        from onmeet_node.embedded.gateway import gateway_config

        guests = gateway_config(guests_on, guests_origin, guests_certificate, guests_key)
    if config.auto_answer or flags["source"] is not None or config.record is not None:
        # What cannot work is told here, and not to somebody who calls tonight.
        from onmeet_node.media.checking import check_media

        ahead = partial(check_media, directory=config.record)
        stopping.run(ahead, config.source, frozenset(Kind))
    try:
        with standard_outlets(_missed_events if as_json else lines_missing) as (outlet, _):
            if with_app:
                stopping.run(
                    _run_app, stopping, config, unlock, app_port, opens, guests, outlet, as_json
                )
            else:
                assert unlock is not None
                stopping.run(_run, stopping, config, unlock, guests, outlet, as_json)
    except* OnMeetError as errors:
        raise first(errors) from None


def _missed_events(number: int) -> str:
    return json.dumps({"t": time.monotonic(), "event": "missed-events", "number": number})


@click.command("open")
@home_option
@json_option
def open_command(home: Path, *, as_json: bool) -> None:
    """Opens another window of the running node's app."""
    url = ask(home, OpenApp())["url"]
    if not as_json and _has_screen():
        _open_browser(url)  # which may fail unseen, so the address is shown all the same
    show({"url": url}, as_json=as_json, text=lambda _: click.echo(_invitation(url)))


def _has_screen() -> bool:
    return sys.platform != "linux" or bool(
        os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    )


def _invitation(url: str) -> str:
    return f"The app is at {url}\nThis address works once, for a minute. For another: onmeet open"


async def _run(
    stopping: Stopping,
    config: Config,
    unlock: Unlock,
    guests: GatewayConfig | None,
    outlet: Outlet,
    as_json: bool,
) -> None:
    import trio

    with stopping.scope():
        from onmeet_node.config import of_a_person
        from onmeet_node.node.opening import open_node

        async with (
            _own_gateway(guests) as doors,
            open_node(config=of_a_person(config), unlock=unlock) as node,
        ):
            if not (config.auto_answer or as_json or sys.stdout.isatty()):
                await _serve(node, None, doors, outlet, as_json)  # a service: nobody notices a call
                return
            # NOTE: in a nursery inside the ringer's block, whose reader it must not outlive.
            with node.calls.ringer() as ringer:
                async with trio.open_nursery() as taking:
                    taking.start_soon(_take_calls, ringer, config.auto_answer, _check(node))
                    await _serve(node, None, doors, outlet, as_json)
                    taking.cancel_scope.cancel()


async def _run_app(
    stopping: Stopping,
    config: Config,
    unlock: Unlock | None,
    port: int | None,
    opens: bool,
    guests: GatewayConfig | None,
    outlet: Outlet,
    as_json: bool,
) -> None:
    from importlib.metadata import version

    import trio

    from onmeet_node.store.app_place import AppPlace
    from onmeet_node.web.access import Access
    from onmeet_node.web.local_app import LocalApp
    from onmeet_node.web.server import CannotListen, listen, open_server

    place = AppPlace.of(config.home) if port is None else None
    served = 0

    def url() -> str:
        return f"http://127.0.0.1:{served}/#c={access.new_code()}"

    doors: OwnDoors | None = None

    async def body(node: Node) -> None:
        if not config.auto_answer:
            await _serve(node, url, doors, outlet, as_json)
            return
        async with trio.open_nursery() as nursery:
            with node.calls.ringer() as ringer:
                nursery.start_soon(_take_calls, ringer, True, _check(node))
                await _serve(node, url, doors, outlet, as_json)
            nursery.cancel_scope.cancel()

    try:
        sockets = listen(place.port if place is not None else port or 0)
    except CannotListen:
        if place is None:
            raise
        if not as_json:
            outlet.tell(_elsewhere(place.port))
        sockets, place = listen(0), None
    shell = LocalApp(config, release=version("onmeet-node"), unlock=unlock, body=body, place=place)
    access = Access(trio.current_time, shell.browsers)
    with stopping.scope():
        async with (
            _own_gateway(guests) as doors,
            open_server(shell, access, sockets) as served,
        ):
            if as_json:
                outlet.tell(json.dumps({"t": time.monotonic(), "event": "app", "url": url()}))
            elif opens:
                # A browser in a sandbox may read no file of ours, and says so to nobody.
                outlet.tell(
                    "The app opens in your browser. If no window comes, open this address "
                    f"yourself: {url()}\nIt works once, for a minute. For another: onmeet open"
                )
                # One for the terminal would keep us until it is left.
                await trio.to_thread.run_sync(_open_browser, url(), abandon_on_cancel=True)
            else:
                outlet.tell(_invitation(url()))
            await shell.run()


def _elsewhere(port: int) -> str:
    return (
        f"Port {port} of this machine, where this home's app is, is taken by another program. For "
        "this run the app is elsewhere, and bookmarks do not lead to it."
    )


def _open_browser(url: str) -> None:
    """Opens `url` by way of a file that only this person can read: arguments are seen by all."""
    import html
    import tempfile
    import threading
    import webbrowser

    directory = os.environ.get("XDG_RUNTIME_DIR")
    # Elsewhere than in /tmp, where it is ours and sticky, others might put another in its place.
    parent = directory if directory and is_own_directory(Path(directory)) else None
    descriptor, name = tempfile.mkstemp(prefix="onmeet-", suffix=".html", dir=parent)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:  # mkstemp: 0600
        target = html.escape(url)
        file.write(f'<!doctype html><meta http-equiv="refresh" content="0;url={target}">')
    path = Path(name)
    webbrowser.open(path.as_uri())
    remove = threading.Timer(60.0, path.unlink, kwargs={"missing_ok": True})
    remove.daemon = True
    remove.start()


@asynccontextmanager
async def _own_gateway(guests: GatewayConfig | None) -> AsyncIterator[OwnDoors | None]:
    """Lets guests in here for the length of the block, if so asked.

    Outside the node's block: what a node says to its guests when it ends goes through it.
    """
    if guests is None:
        yield None
        return
    from onmeet_node.embedded.gateway import open_own_gateway
    from onmeet_node.process.leaving import in_order

    async with in_order(open_own_gateway(guests)) as doors:
        yield doors


async def _serve(
    node: Node, url: Any, doors: OwnDoors | None, outlet: Outlet, as_json: bool
) -> None:
    """The control socket, and what happens told on the terminal, until the node is stopped."""
    import trio

    from onmeet_node.control.socket import serve_control
    from onmeet_node.media.engine.memory import leave_to_itself

    if doors is not None:
        from onmeet_node.embedded.gateway import OWN, GatewayFailed

        if node.settings().relay_only:
            raise GatewayFailed(
                "Relay-only is on, and with --guests-on guests would connect to this machine and "
                "see where it is. Leave one of the two out: onmeet settings --direct"
            )
        node.use_own_gateway(OWN, doors.open)
    with node.watch() as events:
        async with trio.open_nursery() as nursery:
            await nursery.start(serve_control, node, node.config.socket, url)
            terminal = _Terminal(node, outlet, as_json=as_json)
            terminal.tell(node.started.as_json())
            leave_to_itself()
            async for event in events:
                terminal.tell(event.as_json())
            nursery.cancel_scope.cancel()


def _check(node: Node) -> Callable[[Call], Awaitable[None]]:
    return lambda call: node.check_media(call.kinds)


async def _take_calls(ringer: Any, auto_answer: bool, check: Any) -> None:
    from onmeet_node.process.faults import contained
    from onmeet_node.protocol.call.errors import CallRefused

    async for call in ringer:
        with contained("call"), suppress(CallRefused):  # given up a moment ago
            if not auto_answer:
                continue
            try:
                await check(call)
            except OnMeetError as error:  # it rings on, for somebody to take it otherwise
                log.warning("A call could not be answered by itself: %s", error)
            else:
                call.accept()


class _Terminal:
    """What happens, told where the node was started; nobody waits for who reads it."""

    def __init__(self, node: Node, outlet: Outlet, *, as_json: bool) -> None:
        self._node = node
        self._outlet = outlet
        self._as_json = as_json

    def tell(self, event: dict[str, Any]) -> None:
        """Hands an event to the outlet."""
        from onmeet_node.process.faults import contained

        if self._outlet.broken:
            return
        with contained("terminal"):
            for line in [json.dumps(event)] if self._as_json else _lines(self._node, event):
                self._outlet.tell(line)


def _lines(node: Node, event: dict[str, Any]) -> list[str]:
    """An event in words, line by line; none for those that are for programs."""
    match event["event"]:
        case "started":
            return [f"Your node runs in {node.config.home}. Stop it with Ctrl-C."]
        case "reachable":
            return ["You can be called."]
        case "contact-request":
            name = event["card_name"] or event["identity"][:16]
            by = f" (by your code {event['code']!r})" if event["code"] else ""
            # Never their own name in a command: it may be another's, or what a shell runs.
            answer = below(f"onmeet contacts accept {event['identity'][:12]}")
            hint = [revoke_hint(event["code"])] if event["code"] else []
            return [f"{name} asks to be a contact{by}. To accept:{answer}", *hint]
        case "contact-accepted":
            return [f"{event['card_name'] or event['identity'][:16]} accepted you."]
        case "missed-call":
            by = f", who came by your code {event['code']!r}," if event["code"] else ""
            return [f"While you were away, {event['identity'][:16]}{by} called."]
        case "knock":
            return [f"\a{event['guest_name']} knocks.{below('onmeet admit  # or: onmeet deny')}"]
        case "incoming":
            name = event["contact"] or event["identity"][:16]
            return [f"\a{name} is calling.{below('onmeet answer  # or: onmeet decline')}"]
        case "connected":
            return [f"Connected, {event['path']}."]
        case "authenticated" | "compared":
            return about_string(event)
        case "ended" | "recording-stopped":
            return [str(event["sentence"])]
        case _:
            return []
