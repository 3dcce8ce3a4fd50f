"""Where py-libp2p 0.8.1 must be bent, and a check that it still can be.

Each remedy answers a trap that was reproduced against the real library; each
has a test in tests/net/test_traps*.py that fails without it. What cannot be
reached through arguments is reached through the names below, so a release that
moves one of them is refused at start instead of failing in silence later.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from libp2p.custom_types import TProtocol
from libp2p.stream_muxer.yamux.yamux import YamuxStream

from onmeet_node.net.errors import LibraryMoved
from onmeet_node.net.libp2p.muxing import LeanStream

KAD_PROTOCOL = TProtocol("/onmeet/kad/1.0.0")
"""Our DHT's own protocol: `KadDHT(protocol_prefix=…)` is ignored upstream, and
nodes of the public IPFS network must neither fill our tables nor see our records."""

_UPSTREAM_KAD_PROTOCOL = TProtocol("/ipfs/kad/1.0.0")
_UPSTREAM_NAMES = ("py-libp2p", "ipfs/0.1.0")
"""What identify says without `nameless`, but for the version."""
_KAD_MODULES = ("common", "kad_dht", "peer_routing", "provider_store", "value_store")


@dataclass(frozen=True)
class Remedies:
    """Which traps are avoided. All of them, except where a test shows what happens without."""

    own_dialer: bool = True
    """Dial for the library too: it waits 250 ms after each success, and tries one TCP address."""
    own_dht_protocol: bool = True
    """Speak KAD_PROTOCOL, not the IPFS network's."""
    secure_only: bool = True
    """Offer Noise and Yamux alone: the defaults accept plaintext too."""
    guard_handlers: bool = True
    """Keep an exception in a stream handler from ending the whole host."""
    abandon: bool = True
    """Finish library calls whose caller was cancelled: half a Noise frame ends the connection."""
    forget_failed_dials: bool = True
    """Lift the 60 s for which a peer that failed is not dialed, once someone asks for it."""
    check_listening: bool = True
    """Notice that a listener did not start, or shares its port with another program."""
    wide_dht_limiter: bool = True
    """Serve 64 DHT streams at once instead of resetting all but 12, and no network's alone."""
    ask_network: bool = True
    """Ask the DHT even when a copy is held locally."""
    named_questions: bool = True
    """Answer those questions to the DHT alone that PROTOCOL names: others make it keep PeerIds."""
    check_keys: bool = True
    """Refuse DHT keys that servers would reset."""
    anonymous_records: bool = True
    """Don't sign DHT records with the PeerId, which would tie a node's records together."""
    hide_addresses: bool = True
    """Don't let identify and DHT messages of a client spread its addresses."""
    nameless: bool = True
    """Name no library and no version in identify: who knows of a hole would know whom to try."""
    monitor_health: bool = True
    """Notice a peer that went silent without closing."""
    no_auto_connect: bool = True
    """Don't let the library dial every peer it hears of."""
    own_transports: bool = True
    """Listen on and dial TCP and WebSocket ourselves: what one connection raises inside the
    library's listeners, or the reader of a WebSocket it dialed, ends the process."""
    propose_at_once: bool = True
    """Name a protocol with the greeting of multistream-select, not a round trip after it."""
    lean_windows: bool = True
    """Don't answer each piece that was read with a window update."""
    contain: bool = True
    """Keep what one connection raises in the library's other tasks from ending everybody's."""
    own_acceptor: bool = True
    """Give a connection's place back when it is closed: the library never does."""
    own_limits: bool = True
    """Let in as many as configured: the library's resource manager stops at 256, without a word."""
    own_record_store: bool = True
    """Keep DHT records where a full store costs no more than an empty one, and fairly."""
    all_slots_inbound: bool = True
    """Don't let min_connections take slots from max_connections."""
    quick_upgrade: bool = True
    """Give a half-open connection 3 s, not 10, before its slot is free again."""
    close_host: bool = True
    """Close connections on leaving instead of leaving them to the garbage collector."""
    bound_handlers: bool = True
    """Limit how many streams of one peer are served at once."""
    one_error: bool = True
    """Raise what went wrong itself, not three to five nested ExceptionGroups around it."""
    tell_resets: bool = True
    """Tell a stream that was reset, or lost with its connection, from one that ended."""
    end_handlers: bool = True
    """Cancel the handlers of a connection that is gone, even if they do not read."""


@dataclass(frozen=True)
class _Need:
    """`path` is module:attribute[.attribute…]; `remedy` completes 'which we need to …'."""

    path: str
    remedy: str


NEEDS: tuple[_Need, ...] = (
    _Need("libp2p.network.swarm:Swarm.dial_peer", "dial for lookups without waiting 250 ms"),
    *(
        _Need(f"libp2p.kad_dht.{module}:PROTOCOL_ID", f"speak {KAD_PROTOCOL}")
        for module in _KAD_MODULES
    ),
    *(
        _Need(f"libp2p.identity.identify.identify:{name}", "name no library in identify")
        for name in ("AGENT_VERSION", "PROTOCOL_VERSION")
    ),
    _Need("libp2p.network.swarm:Swarm.dial_addr", "race the addresses of a peer"),
    _Need("libp2p.network.auto_connector:AutoConnector.maybe_connect", "dial only whom we want"),
    _Need("libp2p.stream_muxer.yamux.yamux:RTT_MEASURE_INTERVAL", "notice silent peers in time"),
    _Need("libp2p.network.swarm:Swarm.set_stream_handler", "survive a failing stream handler"),
    _Need("libp2p.network.swarm:Swarm._handle_inbound_connection", "let connections in"),
    _Need("libp2p.network.swarm:Swarm.upgrade_inbound_raw_conn", "let connections in"),
    _Need("libp2p.network.swarm:Swarm._build_remote_multiaddr", "refuse denied addresses"),
    _Need("libp2p.network.swarm:Swarm.run", "keep a fault inside its connection"),
    _Need("libp2p.kad_dht.kad_dht:KadDHT.run", "keep up the DHT after a fault"),
    _Need(
        "libp2p.host.basic_host:BasicHost._identify_task_entry",
        "keep a fault inside its connection",
    ),
    _Need(
        "libp2p.stream_muxer.yamux.yamux:Yamux._read_data_body",
        "bound what a peer makes us hold",
    ),
    _Need("libp2p.stream_muxer.yamux.yamux:YamuxStream", "send no needless window updates"),
    _Need(
        "libp2p.network.connection.swarm_connection:SwarmConn._cleanup",
        "keep a fault inside its connection",
    ),
    _Need(
        "libp2p.protocol_muxer.multiselect_client:MultiselectClient.select_one_of",
        "agree on a protocol in one round trip",
    ),
    _Need(
        "libp2p.protocol_muxer.multiselect_communicator:MultiselectCommunicator.write",
        "agree on a protocol in one round trip",
    ),
    *(
        _Need(
            f"libp2p.stream_muxer.muxer_multistream:MuxerMultistream.{name}",
            "bound what a peer makes us hold",
        )
        for name in ("new_conn", "_annotate_connection")
    ),
    _Need("libp2p.transport.manager:TransportManager", "listen without the library"),
    _Need("libp2p.kad_dht.kad_dht:KadDHT.switch_mode", "serve the DHT once we can be reached"),
    _Need(
        "libp2p.host.basic_host:BasicHost._push_identify_to_all_peers",
        "tell peers that we serve the DHT",
    ),
    _Need("libp2p.kad_dht.kad_dht:KadDHT._do_handle_stream", "refuse what nobody shall ask"),
    _Need("libp2p.kad_dht.kad_dht:KadDHT.register_validator", "validate DHT records"),
    _Need("libp2p.kad_dht.value_store:ValueStore._store_at_peer", "count a record's replicas"),
    _Need("libp2p.kad_dht.value_store:ValueStore._get_from_peer", "read the newest record"),
    _Need("libp2p.kad_dht.value_store:ValueStore.put_record", "keep a record without our PeerId"),
    _Need(
        "libp2p.kad_dht.peer_routing:PeerRouting.find_closest_peers_network",
        "find who stores a record",
    ),
    _Need(
        "libp2p.kad_dht.routing_table:RoutingTable.find_local_closest_peers",
        "start a lookup",
    ),
    _Need("libp2p.records.record:make_put_record", "store records without our PeerId"),
)


SWARM_NEEDS = {
    "common_stream_handler": "survive a failing stream handler",
    "retry_config": "fail over to the next address at once",
    "auto_connector": "dial only whom we want",
    "transport_manager": "dial WebSocket addresses too",
    "set_resource_manager": "let in more than 256 nodes",
    "listeners": "notice addresses that could not be listened on",
}
KAD_NEEDS = {
    "_inbound_limiter": "serve enough DHT lookups at once",
    "value_store": "keep DHT records",
    "peer_routing": "find who stores a record",
    "routing_table": "enter the DHT",
}
VALUE_STORE_NEEDS = {
    "store": "keep DHT records within bounds",
    "_evict_if_full": "keep DHT records within bounds",
}
YAMUX_NEEDS = {
    "_ping_id": "notice silent peers",
    "_ping_event": "notice silent peers",
    "_write_frame": "ask peers at once whether they are there",
    "stream_buffers": "notice peers that flood us",
    "streams_lock": "take free locks at once",
    "_write_lock": "take free locks at once",
    "event_closed": "give a connection's place back",
    "event_shutting_down": "tell a lost connection from the end of a stream",
}
YAMUX_STREAM_NEEDS = {
    "reset_received": "tell a reset from the end of a stream",
    "_auto_tune_and_send_window_update": "send no needless window updates",
}


def check_library(needs: Iterable[_Need] = NEEDS) -> None:
    """Raise LibraryMoved for the first name that this libp2p no longer has."""
    for need in needs:
        module, _, path = need.path.partition(":")
        try:
            found: Any = import_module(module)
        except ImportError as error:
            raise LibraryMoved(module, need.remedy) from error
        walked = module
        for name in path.split("."):
            walked = f"{walked}.{name}"
            found = getattr(found, name, None)
            if found is None or getattr(found, "__isabstractmethod__", False):
                raise LibraryMoved(walked, need.remedy)


def check_instance(instance: object, needs: Mapping[str, str]) -> None:
    """Raise LibraryMoved if `instance` lacks one of the attributes that `needs` maps to remedies.

    For names that exist only once constructed.
    """
    for attribute, remedy in needs.items():
        if not hasattr(instance, attribute):
            raise LibraryMoved(f"{type(instance).__name__}.{attribute}", remedy)


def apply(remedies: Remedies, *, ping_interval: float) -> None:
    """Set the module constants that arguments cannot reach. They hold for the whole process.

    `ping_interval`: seconds between the Yamux pings of one connection.
    """
    check_library()
    yamux = import_module("libp2p.stream_muxer.yamux.yamux")
    yamux.RTT_MEASURE_INTERVAL = ping_interval  # type: ignore[attr-defined]
    yamux.YamuxStream = LeanStream if remedies.lean_windows else YamuxStream  # type: ignore[attr-defined]
    identify = import_module("libp2p.identity.identify.identify")
    named = ("", "") if remedies.nameless else _UPSTREAM_NAMES
    identify.AGENT_VERSION, identify.PROTOCOL_VERSION = named  # type: ignore[attr-defined]
    protocol = KAD_PROTOCOL if remedies.own_dht_protocol else _UPSTREAM_KAD_PROTOCOL
    for module in _KAD_MODULES:
        import_module(f"libp2p.kad_dht.{module}").PROTOCOL_ID = protocol  # type: ignore[attr-defined]
