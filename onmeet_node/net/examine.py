"""What works of the network and what does not, with a remedy for each thing that does not."""

from __future__ import annotations

from collections.abc import Iterator

from onmeet_node.findings import Finding, bad, good, poor
from onmeet_node.net.bootstraps.bootstraps import (
    REGIONS,
    Bootstraps,
    BootstrapState,
    KnownBootstrap,
)
from onmeet_node.net.bootstraps.reachability import Reachability, ReachabilityProbe
from onmeet_node.net.bootstraps.turn import TurnServers
from onmeet_node.net.libp2p.open_host import Host
from onmeet_node.net.portmap.mapper import PortMapper
from onmeet_node.net.relay.client import RelayClient


def of_clock(bootstraps: Bootstraps) -> Iterator[Finding]:
    """Whether this machine's clock agrees with those of the bootstraps."""
    if problem := bootstraps.clock_problem:
        what, _, remedy = problem.partition(": ")
        yield bad(f"{what}.", remedy[:1].upper() + remedy[1:])
    elif any(known.ahead is not None for known in bootstraps.known):
        yield good("This machine's clock agrees with the bootstraps'.")


def of_bootstraps(bootstraps: Bootstraps) -> Iterator[Finding]:
    """Each bootstrap: in use, or why not."""
    known = bootstraps.known
    for number, one in enumerate(known, 1):
        yield _of_bootstrap(number, one)
    if known and not bootstraps.connected:
        yield bad(
            "No bootstrap can be used now.",
            "Check this machine's internet connection and clock, or name another bootstrap "
            "(onmeet up --bootstrap MULTIADDR).",
        )


def _of_bootstrap(number: int, known: KnownBootstrap) -> Finding:
    name = f"Bootstrap {number} ({known.peer[-6:]})"
    match known.standing:
        case BootstrapState.CONNECTED:
            region = known.description.region if known.description is not None else ""
            where = f" in {REGIONS[region]}" if region in REGIONS else ""
            return good(f"{name}{where} answers within {known.round_trip * 1000:.0f} ms.")
        case BootstrapState.REFUSED:
            return bad(
                f"{name} is not used: {known.problem}",
                "Allow its region, or use another bootstrap."
                if "you allow" in known.problem
                else "Set this machine's clock right if it is wrong, or use another bootstrap.",
            )
        case BootstrapState.AWAY:
            return poor(
                f"{name} does not answer{': ' + known.problem if known.problem else ' yet.'}",
                "If it never does, its operator knows more; other bootstraps do as well.",
            )


def of_reachability(host: Host, outside: ReachabilityProbe, *, asked: bool) -> Iterator[Finding]:
    """How others get to this node; `asked`: there is a bootstrap to ask."""
    exposure = host.config.exposure
    if exposure is not None and exposure.relay_only():
        yield from _of_relay_only(asked=asked)
        return
    if not host.listening:
        yield poor(
            "This node listens nowhere: others reach it through relays alone.",
            "Give an address to listen on: onmeet up --listen /ip4/0.0.0.0/tcp/0",
        )
        return
    yield good(f"Listening: {', '.join(host.addresses)}")
    match outside.reachability:
        case Reachability.PUBLIC:
            yield good("Others reach this node directly.")
        case Reachability.PRIVATE if outside.behind_nat:
            yield poor(
                "This node is behind a NAT: others reach it through relays, and calls find "
                "their own way where the NAT lets them.",
                "Nothing needs doing. Forwarding a fixed port to this machine and listening on it "
                "(onmeet up --listen /ip4/0.0.0.0/tcp/PORT) makes ringing quicker.",
            )
        case Reachability.PRIVATE:
            yield poor(
                "A firewall keeps others from this node: they reach it through relays.",
                "Let TCP in on the ports it listens on, if you may.",
            )
        case Reachability.UNKNOWN if asked:
            yield poor("Whether others reach this node directly is not known yet.")
        case Reachability.UNKNOWN:
            yield poor(
                "Whether others reach this node from outside is not known: no bootstrap tells.",
                "On one network that is no matter; else name a bootstrap.",
            )


def _of_relay_only(*, asked: bool) -> Iterator[Finding]:
    if asked:
        yield good(
            "Relay-only is on: this node listens nowhere, and speaks to the bootstraps you named "
            "alone.",
        )
    else:
        yield bad(
            "Relay-only is on, and none of the bootstraps you named answers: this node speaks to "
            "nobody else.",
            "Name another one (onmeet settings --add-bootstrap ADDRESS); those in contact codes "
            "do not count.",
        )


def of_ports(ports: PortMapper, outside: ReachabilityProbe) -> Iterator[Finding]:
    """What the router does for this node, where that matters."""
    if ports.opened is not None and outside.reachability is Reachability.PUBLIC:
        yield good(f"The router opened a port for this node ({ports.opened.how}).")
    elif ports.opened is not None:
        yield poor(
            f"The router opened a port ({ports.opened.how}), but others do not get through it.",
            "There is probably a second NAT at the provider: relays serve until that changes.",
        )
    elif ports.problem and outside.reachability is Reachability.PRIVATE:
        what, _, remedy = ports.problem.partition("). ")
        yield poor(f"{what}).", remedy)


def of_dht(host: Host) -> Iterator[Finding]:
    """Whether others can be looked up."""
    count = len(host.dht_peers())
    if count:
        yield good(f"{count} nodes of the DHT are known.")
    else:
        yield bad(
            "No other node is known: nobody can be looked up.",
            "Name a bootstrap (onmeet up --bootstrap MULTIADDR), or start a second node "
            "on this network.",
        )


def of_relays(
    relays: RelayClient, bootstraps: Bootstraps, outside: ReachabilityProbe
) -> Iterator[Finding]:
    """Whether relays hold a place for this node."""
    count = len(relays.relays)
    if count:
        yield good(f"{count} relay{'s hold' if count > 1 else ' holds'} a place.")
    elif bootstraps.connected and outside.reachability is not Reachability.PUBLIC:
        yield bad(
            "No relay holds a place for this node, so people outside its network cannot ring it.",
            "The bootstraps may be full, or lend no relay: use another one.",
        )


def of_turn(turn: TurnServers, bootstraps: Bootstraps) -> Iterator[Finding]:
    """Whether calls can go through TURN servers where nothing else gets through."""
    servers = turn.current()
    if servers:
        kinds = [
            kind
            for kind, here in (
                ("UDP", any("transport=udp" in server.url for server in servers)),
                ("TCP", any("transport=tcp" in server.url for server in servers)),
                ("TLS", any(server.url.startswith("turns:") for server in servers)),
            )
            if here
        ]
        yield good(f"TURN is lent, over {', '.join(kinds) or 'UDP'}.")
        for why in sorted(set(turn.refused.values())):
            yield poor(
                f"Of what a bootstrap lends not every TURN server is used: {why}.",
                "Calls use the others. Tell the bootstrap's operator, or use another bootstrap.",
            )
    elif turn.rationed():
        why = next(iter(turn.problems.values()), "")
        yield (
            poor(f"TURN is lent for tokens: {why}", "See what you have: onmeet account status")
            if why
            else good("TURN is lent for tokens, when a call comes.")
        )
    elif bootstraps.connected:
        why = next(iter(turn.problems.values()), "")
        yield poor(
            f"No TURN server is lent{': ' + why if why else '.'}",
            "Calls between strict NATs, or from networks that block UDP, will not get through: "
            "use a bootstrap that lends TURN.",
        )
