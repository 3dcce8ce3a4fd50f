"""What works from here and what does not, before the first call (``onmeet doctor``, P14)."""

from __future__ import annotations

from collections.abc import Iterator

import trio

from onmeet_node.calls.media_setup import NodeMediaSetup
from onmeet_node.findings import Finding, Level, bad, good, poor
from onmeet_node.media.ice_report import IceReport, ServerReport
from onmeet_node.node.network import Network
from onmeet_node.store.tolerance import WriteTolerance

_NATS = {
    "none": (Level.GOOD, "No NAT between this machine and the internet."),
    "same": (
        Level.GOOD,
        "The NAT here lets calls find a direct way (endpoint-independent mapping).",
    ),
    "each": (
        Level.POOR,
        "The NAT here is strict (another port for each destination): calls to people behind such "
        "a NAT go through a relay.",
    ),
}
_OVER = {"turn/udp": "UDP", "turn/tcp": "TCP", "turn/tls": "TLS"}


class Doctor:
    """Looks at each part of a node and finds what is wrong with it, with remedies."""

    def __init__(
        self, network: Network, media: NodeMediaSetup, writes: WriteTolerance, reachable: trio.Event
    ) -> None:
        self._network = network
        self._media = media
        self._writes = writes
        self._reachable = reachable

    async def examine(self) -> list[Finding]:
        """What works from here and what does not, with remedies."""
        findings = [*self._network.examine(), *of_media(await self._media.examine())]
        if self._reachable.is_set():
            findings.append(good("Your record is published: you can be found."))
        else:
            findings.append(
                bad(
                    "No record of yours is published: nobody can find you.",
                    "The DHT needs one other node: give a bootstrap (onmeet up --bootstrap "
                    "MULTIADDR), or start a second node on this network.",
                )
            )
        if self._writes.trouble is not None:
            findings.append(bad("Nothing is being written down.", str(self._writes.trouble)))
        return findings


def of_media(report: IceReport) -> Iterator[Finding]:
    """Findings from candidates gathered for nobody."""
    if not any(kind.startswith("host") for kind in report.local) and not report.relay_only:
        yield bad(
            "This machine has no network address for media.",
            "Connect it to a network; calls to others on this machine work all the same.",
        )
    if nat := _NATS.get(report.nat):
        yield Finding(*nat)
    turn = [server for server in report.servers if server.kind in _OVER]
    if turn:
        yield from _of_turn(turn)


def _of_turn(turn: list[ServerReport]) -> Iterator[Finding]:
    answered = {s.kind for s in turn if s.worked}
    working = [name for kind, name in _OVER.items() if kind in answered]
    failed = {s.kind: s.error for s in turn if not s.worked}
    ways = ", ".join(working)
    if not working:
        why = next(iter(failed.values()), "no answer")
        yield bad(
            f"No TURN server could be used: {why}.",
            "Check this machine's clock and its firewall (UDP and TCP 3478, TCP 5349 or 443 must "
            "get out), or use another bootstrap. Calls on this network work without it.",
        )
    elif "UDP" in working:
        yield good(f"Media gets through to a relay, over {ways}.")
    else:
        yield poor(
            f"UDP does not get through here: media will go through a relay over {ways}.",
            "It works, with more delay. If the firewall is yours, let UDP out.",
        )
    if "turn/tls" in failed and working:
        yield poor(
            f"TURN over TLS does not work: {failed['turn/tls']}.",
            "Networks that let nothing but HTTPS out would keep you from calling. Tell whoever "
            "runs the bootstrap.",
        )
