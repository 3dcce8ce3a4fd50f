"""Each piece of state about nodes that a bootstrap can hold, declared: docs/STATE.md is made of it.

    python -m onmeet_bootstrap.forgetting.state > docs/STATE.md

tests/bootstrap/test_state.py fails when the document is stale, when a container that is declared
nowhere grows while a call is helped, and when a declared one is not empty after it.
"""

from __future__ import annotations

import textwrap
from typing import Any

from onmeet_bootstrap.forgetting.pieces import Piece
from onmeet_bootstrap.forgetting.remainders import COST, REMAINDERS
from onmeet_bootstrap.forgetting.sweep import SETTLE_SECONDS, SWEEP_SECONDS
from onmeet_bootstrap.relay import RelayLimits
from onmeet_bootstrap.turn.coturn import ALLOCATION_SECONDS
from onmeet_bootstrap.turn.lending import LOOK_SECONDS, REPEAT_SECONDS
from onmeet_node.protocol.wire.mailbox import MAILBOX_SECONDS
from onmeet_node.protocol.wire.weeks import EARLY_SECONDS, EPOCH_SECONDS, GRACE_SECONDS

_SWEPT = SETTLE_SECONDS + SWEEP_SECONDS
_CIRCUIT = RelayLimits().circuit_seconds
_CONNECTION = 0
"""No longest life: it lasts as long as its owner is connected."""


def _identifying(host: Any) -> set[Any]:
    held: set[Any] = host.raw._identify_inflight
    return held


def _network(host: Any) -> Any:
    return host.raw.get_network()


def _others(host: Any) -> int:
    """Peers in the address book besides this bootstrap itself."""
    store = _network(host).peerstore
    ids = {str(each) for each in (*store.peer_data_map, *store.peer_record_map)}
    return len(ids - {host.peer_id})


STATE: tuple[Piece, ...] = (
    Piece(
        name="connections",
        what="a connection: socket, keys of Noise, PeerId, IP address, buffers",
        why="everything a node asks comes over one",
        owner="the node at its other end",
        ended_by="either end closing it; silence for 8 s after a ping",
        longest=_SWEPT,
        count=lambda live: len(_network(live.host).get_connections()),
        containers=(
            "libp2p.network.swarm.Swarm.connections",
            "libp2p.network.connection.*",
            "libp2p.network.tag_store.*",
            "libp2p.security.*",
            "libp2p.transport.*",
            "libp2p.io.*",
            "libp2p.stream_muxer.*",
            "libp2p.tools.anyio_service.*",
            "onmeet_node.net.libp2p.accepting.*",
            "onmeet_node.net.libp2p.containing.*",
            "onmeet_node.net.libp2p.listening.*",
            "onmeet_node.net.libp2p.muxing.*",
            "onmeet_node.net.libp2p.websocket.*",
            "wsproto.*",
            "h11.*",
            "onmeet_node.net.libp2p.host.Host._open",
            "onmeet_node.net.libp2p.connections.ConnectionManager._used",
            "onmeet_node.net.libp2p.health.watch*",
            "onmeet_node.net.libp2p.health._Watch.*",
        ),
    ),
    Piece(
        name="streams",
        what="an open stream of a connection: protocol, unread bytes, the task that serves it",
        why="each question and each circuit is one",
        owner="the node that opened it",
        ended_by="its end; the end of its connection",
        longest=15,
        count=lambda live: live.host.stats().streams + live.host.stats().handlers,
        containers=(
            "libp2p.network.stream.*",
            "libp2p.protocol_muxer.*",
            "onmeet_node.net.libp2p.dht_serving.*",
            "onmeet_node.net.libp2p.serving.*",
            "onmeet_node.net.libp2p.streams.*",
            "onmeet_node.net.libp2p.library_calls.*",
            "onmeet_node.net.libp2p.library._guard*",
        ),
    ),
    Piece(
        name="identification",
        what="an exchange of the identify protocol that is under way",
        why="nodes learn which protocols this bootstrap speaks",
        owner="the node",
        ended_by="its answer; the end of its connection",
        longest=_SWEPT,
        count=lambda live: len(_identifying(live.host)),
        containers=("libp2p.host.basic_host.*", "libp2p.identity.*"),
    ),
    Piece(
        name="address book",
        what="a PeerId with its public key, protocols and address",
        why="the library keeps one for each peer it met",
        owner="the node",
        ended_by="the end of its last connection (`forgetting`)",
        longest=_SWEPT,
        count=lambda live: _others(live.host),
        containers=("libp2p.peer.*",),
    ),
    Piece(
        name="backoffs",
        what="a PeerId and the time it left",
        why="the library would not dial it for a minute; a bootstrap dials nobody",
        owner="the node",
        ended_by="the next sweep (`forgetting`)",
        longest=_SWEPT,
        count=lambda live: len(_network(live.host).auto_connector._recent_disconnects),
        containers=(
            "onmeet_node.net.libp2p.health.NoAutoConnect._recent_disconnects",
            "libp2p.network.auto_connector.*",
        ),
    ),
    Piece(
        name="question rate buckets",
        what="a PeerId or an IP prefix, and when it may ask again",
        why="one node, or one network full of invented nodes, may not take what others need",
        owner="the node or network",
        ended_by="being full again, which equals no bucket (`forgetting`)",
        longest=60 + _SWEPT,
        count=lambda live: sum(map(len, (*live.api.limits, *live.mailboxes.limits))),
        containers=("onmeet_node.net.rates.RateLimit.*",),
    ),
    Piece(
        name="DHT neighbours",
        what="a PeerId and address of a node that serves the DHT",
        why="lookups of others are answered with the nearest of them",
        owner="the node; nodes that only make calls are none",
        ended_by="the end of its connection (`forgetting`)",
        longest=_SWEPT,
        count=lambda live: len(live.host.dht_peers()),
        containers=("libp2p.kad_dht.routing_table.*",),
    ),
    Piece(
        name="DHT records",
        what="a sealed record under a blinded key, neither of which says whose it is, and the IP "
        "prefix that stored it, so that no network fills the store",
        why="that a callee is found by its code",
        owner="the holder of the key it is signed with, whom nobody here knows",
        ended_by="the time in it; looked at every 300 s",
        longest=24 * 3600,
        outlasts=True,
        count=lambda live: len(live.host.dht._kad.value_store.store),
        containers=("libp2p.kad_dht.value_store.*", "onmeet_node.net.libp2p.record_store.*"),
    ),
    Piece(
        name="reservations",
        what="a PeerId, an IP prefix and a time",
        why="the node behind a NAT can be reached through here",
        owner="the node's connection",
        ended_by="the end of that connection; lapsing unrenewed",
        longest=RelayLimits().reservation_seconds,
        count=lambda live: live.relay.reservations,
        containers=(
            "onmeet_bootstrap.relay.Relay._expiries",
            "onmeet_bootstrap.relay.Relay._prefixes",
        ),
    ),
    Piece(
        name="circuits",
        what="two streams, up to 32 kB of sealed bytes each way",
        why="signaling of nodes that cannot dial each other",
        owner="both ends",
        ended_by=f"either end; {_CIRCUIT:.0f} s; 16 MiB",
        longest=_CIRCUIT,
        count=lambda live: live.relay.circuits,
        containers=("onmeet_bootstrap.relay._splice*", "onmeet_bootstrap.relay.Relay._to_one*"),
    ),
    Piece(
        name="quotas",
        what="how much a PeerId or IP prefix holds: reservations, circuits, dial-backs, mailboxes",
        why="one may not take all",
        owner="the node",
        ended_by="giving back the last",
        longest=_CIRCUIT,
        count=lambda live: (
            live.api.dial_backs
            + live.relay.reservations
            + live.relay.circuits
            + len(live.mailboxes)
        ),
        containers=("onmeet_bootstrap.limits.Quota.*",),
    ),
    Piece(
        name="receipts",
        what="by PeerId: how many circuits, doors, guests, credentials and bytes there were",
        why="a node can have it in writing what was held for it",
        owner="the node's connection",
        ended_by="the node asking for it; the end of its connection",
        longest=_CONNECTION,
        count=lambda live: len(live.api.receipts),
        containers=("onmeet_bootstrap.receipts.*",),
    ),
    Piece(
        name="mailboxes",
        what="a number, the streams of one or two nodes, and one sealed letter of at most 1.5 kB "
        "on its way; not which words, nor what the letters say",
        why="two people who spoke a code to each other exchange their contact codes there",
        owner="the stream that opened it",
        ended_by=f"either stream's end; a third who comes with its number; {MAILBOX_SECONDS} s",
        longest=_CONNECTION,
        count=lambda live: len(live.mailboxes),
        containers=("onmeet_bootstrap.mailboxes.*",),
    ),
    Piece(
        name="TURN credentials",
        what="no credential: they are computed, and checked by computing them again; by PeerId, "
        "its IP prefix, which share of that it has, how often it borrowed, and for how many guests",
        why="a relay for media, of which no network may take what others need",
        owner="the node's connection",
        ended_by="the end of its connection",
        longest=_CONNECTION,
        count=lambda live: live.api.borrowers,
        containers=("onmeet_bootstrap.turn.lending.*",),
    ),
    Piece(
        name="TURN allocations",
        what="in coturn: a client's address and port, a relay port, addresses it may reach",
        why="media of nodes that cannot reach each other, or do not want to show addresses",
        owner="the client's 5-tuple; a user name that stands for a share of its network and "
        "changes every day, no identity",
        ended_by="the client's Refresh with lifetime 0; not being refreshed",
        longest=ALLOCATION_SECONDS,
    ),
    Piece(
        name="spent tokens",
        what="16 bytes of the SHA-256 of a spent token's nonce, and its week; not who spent it",
        why="a token is good once ([tokens]; elsewhere there is none)",
        owner="whoever bought it, whom nobody here knows",
        ended_by="the end of its week and one day; a restart",
        longest=EPOCH_SECONDS + EARLY_SECONDS + GRACE_SECONDS,
        outlasts=True,
        count=lambda live: len(live.api.redeemer.spent) if live.api.redeemer else 0,
        containers=("onmeet_bootstrap.tokens.spent.*",),
    ),
    Piece(
        name="tokens just spent",
        what="the SHA-256 of a token, and the credentials lent for it; not to whom",
        why="an answer that was lost is given again ([tokens])",
        owner="the token's holder",
        ended_by="its time",
        longest=REPEAT_SECONDS,
        outlasts=True,
        count=lambda live: live.api.redeemer.recent if live.api.redeemer else 0,
        containers=("onmeet_bootstrap.tokens.redeeming.*",),
    ),
    Piece(
        name="free rations",
        what="an IP prefix, and how many credentials it had without a token lately",
        why="so many a day are free for each network ([tokens] free_per_network)",
        owner="the network",
        ended_by="the bucket being full again",
        longest=24 * 3600,
        outlasts=True,
        count=lambda live: live.api.redeemer.free_networks if live.api.redeemer else 0,
    ),
    Piece(
        name="rations of sessions",
        what="a user name that was lent (expiry and share), and bytes that its allocations passed",
        why="a token buys so many bytes and seconds ([tokens])",
        owner="the credential",
        ended_by="its expiry, once its allocations are gone",
        longest=LOOK_SECONDS,
        outlasts=True,
        count=lambda live: len(live.warden.rations) if live.warden else 0,
        containers=("onmeet_bootstrap.turn.sessions.*",),
    ),
    Piece(
        name="doors",
        what="a door's id and the PeerId of its host's running node; how many guests are in it",
        why="guests reach a host from a browser",
        owner="the host's stream that opened it",
        ended_by="the end of that stream: the link closed, the host gone",
        longest=_CONNECTION,
        count=lambda live: live.gateway.doors if live.gateway else 0,
        containers=(
            "onmeet_bootstrap.gateway.doors.Doors._open",
            "onmeet_bootstrap.gateway.doors.Doors._keep*",
            "onmeet_bootstrap.gateway.doors._Door*",
        ),
    ),
    Piece(
        name="guests",
        what="a WebSocket, and one frame of at most 64 KiB of sealed bytes each way",
        why="what guest and host say to each other goes through here",
        owner="the guest's connection",
        ended_by="either end; the door's end",
        longest=_CONNECTION,
        count=lambda live: live.gateway.guests if live.gateway else 0,
        containers=("onmeet_bootstrap.gateway.server.*",),
    ),
    Piece(
        name="browsers' connections",
        what="a socket, TLS, the IP address, up to 16 kB of a request; its IP prefix counted",
        why="pages are fetched over them, and guests speak over them",
        owner="the browser at its other end",
        ended_by="either end; 10 s without a whole request; more than their share waiting",
        longest=_CONNECTION,
        count=lambda live: len(live.gateway.lines) if live.gateway else 0,
        containers=("onmeet_node.net.asgi.*",),
    ),
    Piece(
        name="guests' tries",
        what="how often an IP prefix came lately",
        why="nobody shall guess doors, or take them all",
        owner="the address",
        ended_by="the bucket being full again",
        longest=60,
        count=lambda live: len(live.gateway.tries) if live.gateway else 0,
    ),
)
"""NOTE: the order is the document's."""


def declared(container: str) -> Piece | None:
    """The piece of state that a container belongs to; None if it is declared nowhere."""
    for piece in STATE:
        for name in piece.containers:
            if container == name or (name.endswith("*") and container.startswith(name[:-1])):
                return piece
    return None


_HEAD = """\
# What a bootstrap holds, and until when

Made from `onmeet_bootstrap/forgetting/state.py` by
`python -m onmeet_bootstrap.forgetting.state`; do not edit. All of it is in memory and nowhere else.
`onmeet-bootstrap status` tells the sum of what can be counted as `held`,
but for what is meant to outlast its owner's connection.
"""


def document() -> str:
    """The text of docs/STATE.md."""
    parts = [_HEAD]
    for piece in STATE:
        life = f"{piece.longest:.0f} s" if piece.longest else "none of its own"
        where = ", ".join(f"`{name}`" for name in piece.containers) or "another process"
        facts = {
            "One entry": piece.what,
            "Why": piece.why,
            "Owner": piece.owner,
            "Ended by": piece.ended_by,
            "Longest life, or time it outlasts its owner": life,
            "Lies in": where,
        }
        parts.append(f"## {piece.name[0].upper()}{piece.name[1:]}\n")
        parts.append("".join(_item(f"- {k}: {v}.") for k, v in facts.items()))
    parts.append("## What is left in memory after a call\n")
    parts.append(
        "`onmeet-bootstrap audit` finds no name, key, PeerId or code after a staged call. It still "
        "finds this,\nand says so; more than this fails it.\n"
    )
    parts.append(textwrap.fill(COST, 100) + "\n")
    for left in REMAINDERS:
        facts = {
            f"{left.canary} in {left.place}": f"at most {left.at_most} times each",
            "Why": left.why,
            "Gone": left.gone,
        }
        parts.append("".join(_item(f"- {k}: {v}.") for k, v in facts.items()))
    return "\n".join(parts)


def _item(text: str) -> str:
    wrapped = textwrap.wrap(
        text, 100, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False
    )
    return "\n".join(wrapped) + "\n"


if __name__ == "__main__":
    import sys

    sys.stdout.write(document())
