"""The tables of docs/PROTOCOL.md that are not of messages or states have the code's own figures.

`python tests/test_protocol_tables.py` writes what stands between their markers anew; as a test it
compares. The tables of messages are `tests/protocol/wire/test_reference.py`'s, states and ends
`tests/protocol/call/test_diagram.py`'s. `SAID` holds the figures of the text beside the tables.
"""

from __future__ import annotations

import ast
import enum
import re
import textwrap
from base64 import urlsafe_b64decode
from collections.abc import Callable, Sequence
from inspect import getsource, signature
from itertools import pairwise
from pathlib import Path
from typing import get_args

import attrs
import pytest
from onmeet_bootstrap import api
from onmeet_bootstrap.config.model import BootstrapConfig, GuestsConfig, TurnConfig
from onmeet_bootstrap.gateway import server as gateway
from onmeet_bootstrap.host import DIAL_BACK_SECONDS
from onmeet_bootstrap.relay import REQUEST_LIMIT, RelayLimits
from onmeet_bootstrap.turn import lending

from onmeet_node.calls import media_sessions
from onmeet_node.calls.call_chat import MAX_LINES_KNOWN
from onmeet_node.contacts import admission as contact_admission
from onmeet_node.contacts import cards, delivery, grants, own_devices
from onmeet_node.guests import admission, visit
from onmeet_node.joining import retrying
from onmeet_node.media.engine import data_channels, frame_assembly, guard, ice, sctp, sdp
from onmeet_node.media.engine.receivers import MAX_BACKLOG_BYTES, MAX_DECODE_BACKLOG
from onmeet_node.media.frames import KEPT_BYTES
from onmeet_node.net import exposure
from onmeet_node.net.bootstraps import bootstraps
from onmeet_node.net.channels import channel, channels, handshake, handshake_limits, send_queue
from onmeet_node.net.channels.timing import Timing
from onmeet_node.net.libp2p import (
    accepting,
    connections,
    dht,
    dht_membership,
    dht_serving,
    dialing,
    health,
    library,
    muxing,
    websocket,
)
from onmeet_node.net.libp2p.config import HostConfig
from onmeet_node.net.libp2p.host import Host
from onmeet_node.net.libp2p.patches import KAD_PROTOCOL
from onmeet_node.net.presence import publisher, rendezvous
from onmeet_node.net.rates import AllowedRate
from onmeet_node.net.relay import client as relay_client
from onmeet_node.net.relay import reservations
from onmeet_node.net.relay.circuit import MAX_MESSAGE_BYTES, Status
from onmeet_node.protocol.call import timing
from onmeet_node.protocol.call.effects import Ring
from onmeet_node.protocol.identity import acquaint, address, code, picture, record, safety
from onmeet_node.protocol.identity import devices as device_lists
from onmeet_node.protocol.identity.blinding import EPOCH_SECONDS, SECRET_BYTES
from onmeet_node.protocol.identity.keys import KEY_BYTES
from onmeet_node.protocol.room import roster, send_limits
from onmeet_node.protocol.room import timing as room_timing
from onmeet_node.protocol.wire import (
    bootstrap_api,
    codec,
    door,
    frames,
    kem,
    link,
    messages,
    rekey,
    room,
    vocabulary,
)
from onmeet_node.protocol.wire import record as envelope
from onmeet_node.protocol.wire.fields import MAX_WORD_CHARS, type_name
from onmeet_node.rooms import invitations
from onmeet_node.store import contacts as stored_contacts
from onmeet_node.store import history as stored_calls
from onmeet_node.store import local_state

PROTOCOL = Path(__file__).parents[1] / "docs" / "PROTOCOL.md"

BOOT = BootstrapConfig()
TURN = TurnConfig()
GUESTS = GuestsConfig()
RELAY = RelayLimits()
HOST = HostConfig()
CHANNEL = Timing()

Row = Sequence[str]


def n(count: float) -> str:
    """A count or a length of time, as the document writes it."""
    return f"{count:,.10g}"


def size(count: int) -> str:
    """Bytes, in the largest unit that they fill."""
    for unit, name in ((1 << 20, "MiB"), (1 << 10, "KiB")):
        if count >= unit and count % unit == 0:
            return f"{count // unit} {name}"
    return f"{n(count)} bytes"


def rate(allowed: AllowedRate) -> str:
    """So many at once, then one in so many seconds."""
    seconds = allowed.interval
    then = "a minute" if seconds == 60 else f"in {n(seconds)} s"
    return f"{allowed.burst} at once, then one {then}"


def table(head: Row, rows: Sequence[Row]) -> str:
    """In Markdown, without spaces in empty cells and in the line below the head."""
    lines = [" ".join(("|", *(f"{cell} |".lstrip() for cell in row))) for row in (head, *rows)]
    return "\n".join((lines[0], "|---" * len(head) + "|", *lines[1:]))


# ── what stands in them ──────────────────────────────────────────────────────────────────────────
def devices() -> str:
    rows = [
        (
            "0",
            "PeerId: the Ed25519 key in it; of another kind its multihash",
            f"bin, {KEY_BYTES} bytes",
        ),
        (
            "1",
            "Unix seconds, by its own clock, when it published (`seen_at`)",
            "integer below 2^48",
        ),
        ("2", "its own addresses, best first; empty unless the audience may see them",
         "array of bin"),
        ("3", "its addresses at relays, best first", "array of bin"),
        (
            "4",
            f"capabilities: up to {record.MAX_CAPS} words of 1 to 32 visible ASCII characters",
            "array of str",
        ),
        ("5", "place of its device key in the list of this record, from 0", "integer"),
    ]  # fmt: skip
    return table(("#", "value", "type"), rows)


def kept() -> str:
    fields = ", ".join(f"`{name}`" for name in local_state._FIELDS)
    settings = ", ".join(f"`{name}`" for name in local_state.SETTINGS)
    more = {
        local_state.CONTACT: f": {fields}; without `state` there is no such person",
        local_state.SETTING: f", of {settings}",
    }
    rows = [(f"`{kind}`", key, value + more.get(kind, "")) for kind, key, value in local_state.KEPT]
    return table(("kind", "key", "value (JSON)"), rows)


CODE_BYTES = (
    ("1", f"version, {code.VERSION}"),
    (
        "2",
        f"length of the whole, from the version to the checksum; at most {code.MAX_CODE_BYTES}",
    ),
    (str(KEY_BYTES), "identity"),
    (str(SECRET_BYTES), "audience secret (zeros: “anyone”)"),
    ("4", "Unix seconds from which on it is void; 0: never"),
    (
        "1 + n",
        f"name: length, UTF-8 (its maker shortens it to {code.MAX_NAME_CHARS} characters)",
    ),
    ("1", f"number of bootstraps, at most {code.MAX_BOOTSTRAPS}"),
    ("1 + n each", "length, binary multiaddr with `/p2p/`"),
    ("any", "additions of later versions, ignored"),
    ("4", "CRC-32 (as in zlib) of all bytes before"),
)

LINK_BYTES = (
    ("1", f"version, {link.VERSION}"),
    (str(link.DOOR_ID_BYTES), "door id"),
    (str(KEY_BYTES), "link key: the host's X25519 public key for this link alone"),
    (str(link.SECRET_BYTES), "link secret"),
    (
        "4",
        "expiry in Unix seconds, big-endian; 0: none. For the page's words alone: the host decides",
    ),
    ("4", "BLAKE2b-32 of all before (typos are told from dead links)"),
)


def transport() -> str:
    serving = library.STREAMS_PER_CONNECTION
    rows = [
        (
            "encryption and multiplexer agreed on an incoming connection",
            f"{n(HOST.upgrade_limit)} s, or the slot is free again",
        ),
        (
            "WebSocket handshake",
            f"part of these {n(HOST.upgrade_limit)} s, {n(websocket.HANDSHAKE_SECONDS)} s for one "
            f"side's head; {size(websocket.MAX_HEAD_BYTES)} of head; no extension is agreed on, so "
            "nothing is compressed",
        ),
        (
            "a WebSocket's messages",
            "binary, of any length: only the bytes in them count, and they are passed on as they "
            "come; text ends the connection",
        ),
        (
            "incoming connections of one network (IPv4 address or IPv6 /56)",
            "three quarters of all, unless the operator says otherwise",
        ),
        (
            "incoming connections whose handshakes are under way",
            f"{accepting.HALF_OPEN_PER_NETWORK} of one network; half of all places together, past "
            "which the network with the most of them gives one up",
        ),
        ("protocol of a stream agreed", f"{n(library.NEGOTIATION_LIMIT)} s"),
        ("streams open at once on one connection, inbound", f"{serving}; more are reset"),
        (
            "streams per peer and protocol being served",
            f"{signature(Host.handle).parameters['limit'].default} unless the protocol says "
            "otherwise; more are reset",
        ),
        (
            "Yamux ping",
            f"every {n(HOST.ping_interval)} s; unanswered for {n(HOST.pong_limit)} s: the "
            "connection is dropped",
        ),
        (
            "one Yamux DATA frame",
            f"{size(muxing.MAX_FRAME_BYTES)}; a longer one ends the connection (all "
            "implementations send 64 KiB)",
        ),
        (
            "data waiting unread on one connection",
            f"{size(muxing.BUFFER_LIMIT)}; then it is dropped",
        ),
        (
            "data waiting unread on all connections of one network",
            f"{size(health.NETWORK_BUFFER_LIMIT)}; then the fullest one is dropped",
        ),
        # The library's own limit, in `YamuxStream.write`; it has no name there.
        ("a writer whose window stays empty", "5 s; then its stream breaks"),
    ]
    return table(("limit", "value"), rows)


def channel_times() -> str:
    t = CHANNEL
    rows = [
        (
            "`ping` when nothing was heard for, during a call and for "
            f"{n(t.idle_after)} s after any message",
            f"{n(t.interval)} s, and every {n(t.interval)} s after",
            "",
        ),
        (
            "channel is dead then, when nothing was heard for",
            f"{n(t.dead_after)} s",
            "ends, no word",
        ),
        (
            "the same two when idle",
            f"{n(t.idle_interval)} s, {n(t.idle_dead_after)} s",
            "",
        ),
        (
            "nothing heard for after a message, until the connection below is looked at",
            f"{n(t.fresh)} s (answer within {n(connections.SUSPECT_SECONDS)} s)",
            "the connection is dropped",
        ),
        ("`pong`", "at once, same number", ""),
        (
            "messages accepted",
            f"bursts of {n(t.burst)}, {n(t.rate)}/s in the long run",
            '`bye("flood")`',
        ),
        (
            "malformed frame, seal, encoding or second `hello`",
            "",
            '`bye("malformed")`',
        ),
        (
            "unsent messages for a peer that does not read",
            f"{send_queue.MAX_QUEUED}, or {size(send_queue.MAX_QUEUED_BYTES)}, or one write of "
            f"{n(t.dead_after)} s",
            "ends, no word",
        ),
    ]
    return table(("what", "value", "else"), rows)


RINGS = {
    None: "no channel to a device is open yet, or none any more",
    Ring.SENT: "the invite went out on a channel; never on the wire",
    Ring.DELIVERED: "the device answered `ringing(delivered)`, at once; one that alerts at once "
    "says `alerting` instead",
    Ring.ALERTING: "`ringing(alerting)`: it rings where a person can notice it. Only now may there "
    "be a ring-back tone",
    Ring.SILENCED: "`ringing(silenced)`: the person silenced it, and may still accept",
}


def rings() -> str:
    rows = [(f"`{ring}`" if ring else "nothing", RINGS[ring]) for ring in (None, *Ring)]
    return table(("shown", "because"), rows)


def call_timers() -> str:
    t = timing
    rows = [
        (
            "ring, from dialling",
            n(t.RING),
            "caller: `cancel(no-answer)`; callee: `decline(no-answer)`, missed",
        ),
        (
            "dialled, and none of their devices has said `ringing`",
            n(t.UNHEARD),
            f"not reachable; {n(t.RING)} if the caller's own network changed meanwhile",
        ),
        ("a ringing caller's channel is lost", n(t.CALLER_GONE), "missed"),
        (
            "connect, from accepting",
            n(t.CONNECT),
            "`hangup(media-failed)`; `hangup(connection-lost)` if no channel is open. A first "
            "attempt that fails earlier is followed by a second",
        ),
        (
            "reconnect",
            n(t.RECONNECT),
            "`hangup(connection-lost)`; or connected still, if the old path works and only a move "
            "failed",
        ),
        (
            "a re-offer that does not connect",
            f"{n(t.OFFER_PATIENCE)}, then {n(t.OFFER_PATIENCE_MAX)}",
            f"the next one, while reconnecting; {n(t.OFFER_PAUSE)} s after one that failed",
        ),
    ]
    assert t.MEDIA_TRIES == 2
    return table(("timer", "seconds", "then"), rows)


def quotas() -> str:
    incoming = n(stored_calls.MAX_INCOMING)
    by_code = stored_calls.MAX_MISSED_BY_CODE
    ringing = f"{timing.MAX_RINGS} a minute"
    assert timing.RING_WINDOW == 60
    card_changes = rate(cards.CARDS)
    rows = [
        (
            "`missed-call` of a contact",
            rate(contact_admission.NOTES),
            f"{stored_calls.MAX_MISSED} missed calls, {incoming} incoming",
        ),
        (
            "`missed-call` of a stranger",
            rate(contact_admission.STRANGERS_NOTES),
            f"{stored_calls.MAX_MISSED_OF_STRANGER} missed calls",
        ),
        (
            "the same, and rings that nobody took, by one code",
            rate(contact_admission.NOTES_BY_CODE),
            f"{by_code} missed calls, of whoever has the most the oldest goes; {incoming} incoming",
        ),
        ("rings of one person that nobody takes", f"{ringing}, or `busy`", "as above"),
        (
            "`contact-request`",
            "one row an identity",
            f"{stored_contacts.MAX_REQUESTS_BY_CODE} by one code; the next is not kept, unless one "
            f"that was put away can go; {n(stored_contacts.MAX_REQUESTS)} in all",
        ),
        ("`card-update`", f"{card_changes}; of more the last is kept, a little later", "one"),
        ("`grant`", rate(grants.GRANTS), "one"),
        ("`picture`", "only of the contact's present card, and if it is not here", "one"),
        (
            "`room-invite` of a contact, or by one code",
            f"{rate(invitations.INVITATIONS)}; of a room that somebody else asked into: none",
            f"{invitations.MAX_INVITATIONS_OF_ONE}; of {invitations.MAX_INVITATIONS} in all the "
            "oldest goes of whoever has the most",
        ),
        ("calls with guests of one link", "", incoming),
        (
            "guests at the doors",
            "",
            f"{admission.MAX_VISITS}, of one link {admission.MAX_AT_ONE_LINK}; "
            f"{admission.KEPT_AT_EACH_LINK} at each link in any case",
        ),
        ("chat, reactions", "the channel's own rate", "nothing"),
    ]
    return table(("of", "rate", "kept"), rows)


def relaying() -> str:
    most = relay_client
    rows = [
        (
            "RESERVE",
            "The reserving node is the one at the other end of the connection. A `peer` field is "
            "optional; if it names another node the answer is PERMISSION_DENIED "
            f"({Status.PERMISSION_DENIED}). Beyond a cap: {Status.RESERVATION_REFUSED}.",
        ),
        (
            "answer",
            "`reservation.expire` (Unix seconds), `reservation.addrs` (the relay's own addresses, "
            "with `/p2p/`), `limit`. No voucher.",
        ),
        (
            "renewal",
            "By another RESERVE, which takes no second place. Nodes renew at half of the lifetime "
            f"left, at the latest after {n(most.RENEW_AT_MOST / 60)} minutes, and at once (after a "
            "random wait of up to 0.5 s) when the connection to the relay was lost. Failures are "
            "retried after 0.5 s, 1 s, 2 s … 60 s, each shortened at random by up to half.",
        ),
        (
            "end",
            "A reservation ends when it lapses or the connection to its node closes. Open circuits "
            "go on.",
        ),
        (
            "circuit address",
            "`<relay address>/p2p/<relay>/p2p-circuit/p2p/<node>`; up to "
            f"{('none', 'one', 'two', 'three', 'four')[most.MAX_ADDRESSES]} per relay are put into "
            "presence records.",
        ),
        (
            "CONNECT",
            f"One request a stream. To oneself: {Status.PERMISSION_DENIED}. To a node without a "
            f"reservation: {Status.NO_RESERVATION}. Beyond a cap: "
            f"{Status.RESOURCE_LIMIT_EXCEEDED}. Not taken by the node within "
            f"{n(RELAY.answer_seconds)} s: {Status.CONNECTION_FAILED}. Unreadable, or silent for "
            f"{n(REQUEST_LIMIT)} s: {Status.MALFORMED_MESSAGE}; neither RESERVE nor CONNECT: "
            f"{Status.UNEXPECTED_MESSAGE}.",
        ),
        (
            "STOP",
            "A node takes circuits only from relays that it holds a reservation with, else it "
            f"answers {Status.PERMISSION_DENIED}. The peer that proves itself in the Noise "
            "handshake inside the circuit must be the one that the relay named, else the circuit "
            "is closed.",
        ),
        (
            "end of a circuit",
            "An end of stream is passed on in its direction alone. A broken side, the byte cap "
            "(both directions together) or the time cap (idle or not) reset both sides. No circuit "
            "affects another one.",
        ),
        (
            "one stream, one circuit",
            "After the status OK the stream is the connection: multistream-select, Noise and Yamux "
            "between the two nodes run on it from the next byte.",
        ),
    ]
    return table(("", "rule"), rows)


QUESTIONS: dict[type, str] = {
    bootstrap_api.Describe: "`signed-description`",
    bootstrap_api.LendTurn: "`turn-credentials`; `refused`: `unavailable` (it lends none), "
    "`exhausted` (this node has borrowed enough for now, or all allocations are in use: what it "
    "has goes on working), `token-needed`, `token-spent`, `token-ended`, `token-invalid` "
    '("Tokens")',
    bootstrap_api.Echo: "`observed`: the IP address of the asking connection, as `/ip4/…` or "
    "`/ip6/…` without a port; `refused`: `unavailable` (it cannot be told)",
    bootstrap_api.DialBack: "`dialed-back`: whether a fresh connection to that port of the address "
    "that the question came from met the asking node, and the multiaddr that was dialled. At most "
    f"{n(DIAL_BACK_SECONDS)} s; {api.DIAL_BACKS.per_peer} at once for a node, "
    f"{api.DIAL_BACKS.per_prefix} for a network, {api.DIAL_BACKS.total} in all, else `refused`: "
    "`busy`; `unavailable` as for `echo`",
    bootstrap_api.Settle: "`signed-receipt`: how many circuits, doors, guests and credentials it "
    "held for this node and has released, since the node connected or asked last",
    bootstrap_api.Unknown: "`refused`: `unsupported`",
}


def questions() -> str:
    rows = [
        ("any other" if kind is bootstrap_api.Unknown else f"`{type_name(kind)}`", answer)
        for kind, answer in QUESTIONS.items()
    ]
    return table(("question", "answer"), rows)


def close_codes() -> str:
    rows = [
        (gateway.GOING_AWAY, "the gateway stops; come back in a moment"),
        (gateway.TOO_BIG, f"a message was longer than {n(frames.MAX_FRAME_BYTES)} bytes"),
        (door.MALFORMED, "not the protocol: text, or a first message that is no door id"),
        (door.NO_DOOR, "there is no such door: the link is dead, or the host is not online"),
        (
            door.TOO_SLOW,
            "too slow: nothing said in time, or what was sent was not taken for "
            f"{n(GUESTS.write_seconds)} s",
        ),
        (door.HOST_GONE, "the host closed this guest's stream, or is gone"),
        (
            door.TOO_MANY,
            "too many: this door, this address or the whole gateway takes no more just now",
        ),
    ]
    return table(("code", "means"), [(str(close_code), means) for close_code, means in rows])


def words() -> str:
    lists = {
        "`caps` of `hello`, capabilities of a device": vocabulary.Capability,
        "`services` of a `description`": vocabulary.BootstrapService,
    }
    rows = [
        (where if not position else "", f"`{word}`", meaning)
        for where, words in lists.items()
        for position, (word, meaning) in enumerate(_said_of(words).items())
    ]
    return table(("list", "word", "says"), rows)


def _said_of(words: type[enum.StrEnum]) -> dict[str, str]:
    """Each word with the docstring below it."""
    tree = ast.parse(textwrap.dedent(getsource(words))).body[0]
    assert isinstance(tree, ast.ClassDef)
    said: dict[str, str] = {}
    for statement, after in pairwise(tree.body):
        if isinstance(statement, ast.Assign) and isinstance(after, ast.Expr):
            word, text = ast.literal_eval(statement.value), ast.literal_eval(after.value)
            said[word] = text.replace("\n    ", " ")
    assert list(said) == list(words)
    return said


def pictures() -> str:
    def row(people: int) -> Row:
        large = send_limits.send_limits(people, room.PictureSize.LARGE)
        small = send_limits.send_limits(people, room.PictureSize.SMALL)
        return (
            str(people),
            f"{n(large.bitrate)} · {large.height} · {large.frame_rate}",
            f"{n(small.bitrate)} · {small.height} · {small.frame_rate}",
            f"{n(large.share_bitrate)} / {n(small.share_bitrate)}",
        )

    people = [
        most
        for most in range(2, room.MAX_VIDEO_SEATS + 1)
        if most == room.MAX_VIDEO_SEATS or row(most)[1:] != row(most + 1)[1:]
    ]
    head = ("people", "large", "small", "shared screen, large / small")
    return table(head, [row(most) for most in people])


TABLES: dict[str, Callable[[], str]] = {
    "devices": devices,
    "code-bytes": lambda: table(("bytes", "field"), CODE_BYTES),
    "transport": transport,
    "channel-times": channel_times,
    "rings": rings,
    "call-timers": call_timers,
    "quotas": quotas,
    "relaying": relaying,
    "questions": questions,
    "link-bytes": lambda: table(("bytes", "what"), LINK_BYTES),
    "close-codes": close_codes,
    "pictures": pictures,
    "words": words,
    "kept": kept,
}
OTHERS = {"messages", "call-states", "call-ends", "room-phases"}
"""Tables that other tests hold to the code."""


def minutes(seconds: float) -> str:
    return n(seconds / 60)


def days(seconds: float) -> str:
    return n(seconds / 86_400)


def hours(seconds: float) -> str:
    return n(seconds / 3600)


SAID: dict[str, Sequence[str]] = {
    "Encoding": (
        f"more than {n(codec.MAX_LIST)} elements",
        f"arrays more than {codec.MAX_DEPTH} deep",
    ),
    "Record envelope": (
        f"at most {envelope.MAX_RECORD_BYTES} bytes",
        f"at most {hours(envelope.MAX_LIFETIME)} h after `seq`",
        f"at most {envelope.MAX_CLOCK_LEAD} s ahead",
    ),
    "Key blinding": (f"An epoch is {n(EPOCH_SECONDS)} s",),
    "Presence records": (
        f"zeros, {record.PLAIN_BYTES} bytes in all",
        f"nonce ({record.NONCE_BYTES})",
        f"at most {record.MAX_DEVICES} devices",
        f"at most {address.MAX_ADDRESS_BYTES} bytes",
        f"at most {hours(record.PRESENCE_SECONDS)} h from its own clock",
    ),
    "Devices": (
        f"A person has up to {device_lists.MAX_LISTED} devices",
        f"at most {n(device_lists.LIST_SECONDS)} s later ({days(device_lists.LIST_SECONDS)} days)",
        f"name of at most {device_lists.MAX_DEVICE_NAME_CHARS} characters",
        f"the last {device_lists.MAX_REVOKED} device keys",
        f"at most {n(device_lists.MAX_LEAD_SECONDS)} s ahead",
        f"on its own for at most {days(device_lists.LIST_SECONDS)} days, and for "
        f"{days(device_lists.LIST_SECONDS - own_devices.RENEW_SECONDS)} at least",
    ),
    "Numbers to compare": (
        f"then {n(safety._SAFETY_ROUNDS)} times",
        f"are the {safety.SAFETY_DIGITS} digits",
        f"as {safety.SAS_DIGITS} digits",
        f"at most {timing.MAX_STRINGS} nonces in a call",
    ),
    "Profile cards, text, and who gets through": (
        f"at most {n(messages.MAX_PICTURE_BYTES)} bytes",
        f"{picture.MAX_SIDE} by {picture.MAX_SIDE} pixels",
    ),
    "Transport": (
        f"at {n(dialing.STAGGER * 1000)} ms intervals, at most {dialing.MAX_ADDRESSES}, at most "
        f"{n(dialing.DIAL_LIMIT)} s each",
        f"or {n(dialing.CIRCUIT_DELAY * 1000)} ms after the first",
        f"At most {exposure.MAX_PER_PEER} addresses of a peer, and {exposure.MAX_PER_HOST} of an "
        f"IP address, are dialed in vain in {minutes(exposure.WINDOW_SECONDS)} minutes",
    ),
    "DHT": (
        f"(k = {dht.REPLICAS}, messages GET_VALUE",
        f"more than {size(dht_serving.MAX_QUESTION_BYTES)} at once",
        f"serves {dht_serving.DHT_STREAMS} streams at once, each for "
        f"{n(dht_serving.STREAM_SECONDS)} s",
        f"asks at most {dht.MAX_ASKED} peers in one lookup",
        f"have at most {dht.MAX_KEY_BYTES} bytes",
        f"looking every {minutes(dht.PURGE_EVERY)} minutes",
        f"or until {n(dht.GRACE * 1000)} ms",
        f"(its bootstraps; at most {dht_membership.ENTRANCES})",
    ),
    "Noise": (
        f"`e1` is a fresh encapsulation key, {n(kem.KEM_PUBLIC_BYTES)} bytes",
        f"`ekem1` is a ciphertext for it, {n(kem.KEM_CIPHERTEXT_BYTES)} bytes",
    ),
    "Sealed channel": (
        f"the message that would be the {n(rekey.REKEY_MESSAGES)}th under it, and before the "
        f"first message {n(rekey.REKEY_SECONDS)} s or more after",
        f"at most {n(frames.MAX_FRAME_BYTES)} bytes",
        f"The n ≤ {handshake.MAX_LOST} tags are the first {handshake.TAG_BYTES} bytes",
        f"up to {handshake.MAX_FIRST} further messages",
        f"at most {n(channels.MAX_RIDING_BYTES)} bytes",
        f"among the last {n(handshake.SEEN_EPHEMERALS)} seen",
        f"until {n(handshake_limits.HANDSHAKE_SECONDS)} s after its beginning",
        f"At most {handshake_limits.MAX_HALF_OPEN_PER_PEER} handshakes of one PeerId are in "
        f"progress at once and {handshake_limits.MAX_HALF_OPEN} in all; at most "
        f"{handshake_limits.MAX_SILENCED} refused",
        f"for {n(CHANNEL.close)} s at most",
        f"At most {channels.MAX_IDLE} channels that nothing needs",
    ),
    "Publishing and finding": (
        f"from {minutes(publisher.OVERLAP_SECONDS)}-"
        f"{minutes(publisher.OVERLAP_SECONDS + publisher.OVERLAP_JITTER_SECONDS)} minutes before",
        f"valid for {hours(record.PRESENCE_SECONDS)} h",
        f"every {minutes(publisher.REFRESH_SECONDS * (1 - publisher.JITTER))}-"
        f"{minutes(publisher.REFRESH_SECONDS)} minutes",
        f"{n(publisher.CHECK_SECONDS * (1 - publisher.JITTER))}-{publisher.CHECK_SECONDS} s after",
        f"repeated after {n(publisher.RETRY_SECONDS[0])} s, doubling up to "
        f"{n(publisher.RETRY_SECONDS[1])} s",
        f"has not come {n(rendezvous.NEIGHBOUR_SECONDS)} s after it",
    ),
    "Calls": (
        f"{timing.MAX_LEGS} legs, {timing.MAX_REMOTE_CANDIDATES} candidates",
        f"{timing.MAX_REMEMBERED} ended calls remembered",
        f"{timing.OFFERS_AT_ONCE} offers are taken at once and one every {n(timing.OFFER_EVERY)} s",
        f"{timing.MAX_RINGS} calls a minute that are not taken",
        f"kept ({timing.MAX_REMOTE_CANDIDATES} of a generation, {timing.MAX_EARLY_GENERATIONS} "
        "generations ahead)",
        f"At most {media_sessions.MAX_SESSIONS} peer connections of a device",
        f"every {n(timing.SEARCH_PAUSE)} s while nothing flows",
        f"after {n(timing.SEARCH_SOON)} s, then every {n(timing.SEARCH_PAUSE)} s",
        f"{n(timing.SEARCH_PAUSE)} s, {n(timing.SEARCH_PAUSE * 2)} s … "
        f"{n(timing.SEARCH_PAUSE_MAX)} s while media does",
        f"outbox for {delivery.NOTE_DAYS} days",
    ),
    "Media": (
        f"of the last {n(MAX_LINES_KNOWN)}",
        f"(negotiated, id {data_channels.STREAM}, ordered, reliable; label "
        f"`{data_channels.LABEL}`;",
        f"at most {n(messages.MAX_SDP_CHARS)} characters",
        f"{sdp.MAX_LINES} lines of printable ASCII, each of {n(sdp.MAX_LINE_CHARS)} at most",
        f"{messages.MAX_CANDIDATES} candidates a section",
        f"{ice.MAX_REMOTE_CANDIDATES} candidates of the peer, {ice.MAX_NAMES} of them",
        f"{guard.MAX_SOURCES} RTP and RTCP sources",
        f"{n(guard.MAX_CHUNKS)} pieces of messages",
        f"that name {n(sctp.MAX_GAPS)} pieces a packet",
        f"datagrams of {n(ice.MAX_DATAGRAM_BYTES)} bytes, {n(ice.MAX_WAITING_DATAGRAMS)} of them",
        f"at most {n(frame_assembly.MAX_SIDE)} pixels a side and {n(frame_assembly.MAX_PIXELS)}",
        f"{MAX_DECODE_BACKLOG} pictures or {size(MAX_BACKLOG_BYTES)} wait",
        f"hold {size(KEPT_BYTES)} at most",
    ),
    "Versions and growth": (
        f"of at most {MAX_WORD_CHARS} characters",
        *(
            f"`{protocol}`"
            for protocol in (
                handshake.SIGNAL_PROTOCOL,
                room.ROOM_PROTOCOL,
                bootstrap_api.PROTOCOL,
                door.DOOR_PROTOCOL,
                link.GUEST_PROTOCOL,
                KAD_PROTOCOL,
            )
        ),
    ),
    "Circuit relay": (
        f"at most {n(MAX_MESSAGE_BYTES)} bytes",
        f"reservations {n(RELAY.reservations.total)} ({RELAY.reservations.per_prefix} per network, "
        f"{RELAY.reservations.per_peer} per node) of {n(RELAY.reservation_seconds)} s; circuits "
        f"{n(RELAY.circuits.total)} ({RELAY.circuits.per_prefix} per asking network, "
        f"{RELAY.circuits.per_peer} per asking node, {RELAY.circuits_to_one} to one node, half of "
        f"these for one asking network, {RELAY.circuits_of_pair} from one node to one node), "
        f"{n(RELAY.circuit_seconds)} s and {size(RELAY.circuit_bytes)} each",
        f"a head start of {n(dialing.CIRCUIT_DELAY * 1000)} ms",
    ),
    "`/onmeet/boot/1`": (
        f"over `{bootstrap_api.CONTEXT[:-1].decode()}` ‖ 0x00 ‖ `body`",
        f"over `{bootstrap_api.RECEIPT_CONTEXT[:-1].decode()}` ‖ 0x00 ‖ `body`",
        f"at most {n(bootstrap_api.MAX_FRAME_BYTES)} bytes a frame",
        f"up to {api.QUESTIONS_PER_STREAM} questions, answered in order, and ends after "
        f"{n(api.CONVERSATION_LIMIT)} s; at most {api.STREAMS_PER_PEER} streams",
        f"{n(BOOT.requests_per_minute)} a minute with bursts of {BOOT.requests_burst} for a "
        f"PeerId, {BOOT.network_factor} times that for a network",
        f"valid for {hours(api.DESCRIPTION_SECONDS)} hours and is signed anew at most every "
        f"{n(api.RESIGN_SECONDS)} s",
        f"({TURN.allocations_per_node} by default)",
        f"one neighbourhood (IPv4 /{lending.NEIGHBOURHOOD[4]}, IPv6 /{lending.NEIGHBOURHOOD[6]})",
        f"looks again after {minutes(bootstraps.RETRY_REFUSED)} minutes",
        f"more than {minutes(bootstrap_api.MAX_CLOCK_LEAD)} minutes in the future",
        f"lasts longer than {hours(bootstrap_api.MAX_LIFETIME)} hours",
        f"reservations at the {('', 'one', 'two')[reservations.PLACES]} nearest",
    ),
    "Guests": (
        f"{link._SYMBOLS} characters",
        f"at most {n(door.MAX_FRAME_BYTES)} bytes, encoded",
        f"The first, within {n(GUESTS.name_seconds)} s",
        f"for {n(gateway.LAST_WORDS_SECONDS)} s after its door or stream has gone, for "
        f"{n(gateway.STOP_WORDS_SECONDS)} s when the gateway stops",
        f"up to {n(retrying.LONGEST_WAIT_SECONDS)} s ({n(retrying.CROWDED_WAIT_SECONDS)} s after "
        f"{door.TOO_MANY})",
        f"A knock waits {minutes(visit.PATIENCE)} minutes",
        f"with neither for {n(timing.RECONNECT)} s",
    ),
    "Rooms": (
        f"signed over `{roster.DOMAIN.decode()}` ‖ body (no zero between)",
        f"id {data_channels.FRAMES_STREAM}, ordered, reliable; both ends open it",
        f"`no-answer` after {n(room_timing.KNOCK)} s",
        f"(the other side does after {n(room_timing.STANDBY)} s)",
        f"waits {n(room_timing.CLAIM)} s and {n(room_timing.CLAIM_STEP)} s more",
        f"to see the host, {n(room_timing.WITNESS)} s",
        f"given up after {n(room_timing.AWAY)} s",
        f"without a knock for {minutes(room_timing.FORMER)} minutes",
        f"At most {room.MAX_SEATS} seats, {room.MAX_VIDEO_SEATS} of them with picture",
        f"{', '.join(map(str, acquaint.STEPS[:-1]))} or {acquaint.STEPS[-1]} tags of "
        f"{acquaint.TAG_BYTES} bytes",
        f"waits for them {n(admission.LEND_SECONDS)} s",
    ),
}
"""By section: what its text says, with the code's figures."""


# ── the tests ────────────────────────────────────────────────────────────────────────────────────
def _between(name: str) -> re.Pattern[str]:
    return re.compile(f"(?<=<!-- {name}:begin -->\n).*?(?=\n<!-- {name}:end -->)", re.DOTALL)


def updated(text: str) -> str:
    """The document with its tables written anew. Raises `ValueError` where one has no place."""
    for name, make in TABLES.items():
        text, places = _between(name).subn(make().replace("\\", r"\\"), text)
        if places != 1:
            raise ValueError(f"The table {name} has {places} places in the document.")
    return text


def sections(text: str) -> dict[str, str]:
    """Each section of the second level, as running text."""
    parts = re.split(r"^## (.*)\n", text, flags=re.M)
    return {
        title: " ".join(body.split()) for title, body in zip(parts[1::2], parts[2::2], strict=True)
    }


def test_the_tables_are_those_of_the_code() -> None:
    text = PROTOCOL.read_text()
    assert text == updated(text), f"run: python {Path(__file__).name}"


def test_no_table_is_without_something_that_holds_it() -> None:
    text = PROTOCOL.read_text()
    for name in (*TABLES, *OTHERS):
        text = _between(name).sub("", text)
    assert re.findall(r"^\|.*$", text, re.M) == []


@pytest.mark.parametrize("title", SAID)
def test_the_text_has_the_figures_of_the_code(title: str) -> None:
    said = sections(PROTOCOL.read_text())[title]
    assert [words for words in SAID[title] if words not in said] == []


def test_each_question_to_a_bootstrap_has_its_answer() -> None:
    assert set(QUESTIONS) == set(get_args(bootstrap_api.Request))


def _said_in_the_code(pattern: str, *places: str) -> set[str]:
    paths = (path for place in places for path in (PROTOCOL.parents[1] / place).rglob("*.py"))
    return {word for path in paths for word in re.findall(pattern, path.read_text())}


def test_each_word_of_a_refusal_is_told() -> None:
    words = _said_in_the_code(r'\bRefused\(\s*"([a-z-]+)"', "bootstrap", "onmeet_node/embedded")
    own = {"taken", "unknown", "crowded"}  # of mailboxes
    assert words == {"busy", "exhausted", "unavailable", "unsupported"} | own
    text = sections(PROTOCOL.read_text())
    assert [word for word in words - own if f"`{word}`" not in text["`/onmeet/boot/1`"]] == []
    assert [word for word in own if f"`{word}`" not in text["Spoken codes"]] == []


def test_each_reason_of_a_bye_is_told() -> None:
    sent = _said_in_the_code(r'(?:\.close\(|\bBye\(reason=)"([a-z-]+)"', "onmeet_node")
    ended = {end.value for end in (channel.End.MALFORMED, channel.End.FLOOD, channel.End.FAULT)}
    told = sections(PROTOCOL.read_text())["Sealed channel"]
    assert len(sent) > 8
    assert [word for word in sent | ended if f"`{word}`" not in told] == []


def test_a_device_has_as_many_values_as_its_table_has_rows() -> None:
    entry = record._Packed(b"", 0, [], [], (), 0).entry()
    named = [field for field in attrs.fields(record.Presence) if field.name != "more"]
    assert len(entry) == len(named) == devices().count("\n") - 1


def test_the_bytes_of_a_code_are_those_of_its_table() -> None:
    identity = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
    made = code.ContactCode(identity=identity, secret=b"s" * 16, name="Ada", expires=7)
    data = code._read_symbols(made.payload())
    widths = [width for width, _ in CODE_BYTES[:5]]
    assert widths == ["1", "2", "32", "16", "4"]
    assert data[0] == code.VERSION
    assert int.from_bytes(data[1:3], "big") == len(data)
    assert data[3:35] == identity
    assert data[35:51] == b"s" * 16
    assert data[51:55] == b"\0\0\0\x07"
    assert data[55:60] == b"\x03Ada\0"
    assert len(data) == 60 + 4


def test_the_bytes_of_a_guest_link_are_those_of_its_table() -> None:
    assert sum(int(width) for width, _ in LINK_BYTES) == link._LENGTH
    made = link.GuestLink(door=b"d" * 16, key=b"k" * 32, secret=b"s" * 16, expires=7)
    parts = [b"\x01", made.door, made.key, made.secret, b"\0\0\0\x07"]
    assert [len(part) for part in parts] == [int(width) for width, _ in LINK_BYTES[:-1]]
    assert link.parse_link(made.fragment()) == made
    assert urlsafe_b64decode(made.fragment() + "==")[:-4] == b"".join(parts)


def test_a_bootstrap_has_the_limits_of_a_relay_unless_told_otherwise() -> None:
    assert BOOT.circuit_seconds == RELAY.circuit_seconds
    assert BOOT.circuit_bytes == RELAY.circuit_bytes
    assert BOOT.max_circuits == RELAY.circuits.total
    assert RELAY.circuits_of_network_to_one * 2 == RELAY.circuits_to_one


if __name__ == "__main__":
    PROTOCOL.write_text(updated(PROTOCOL.read_text()))
