"""The calls that are going on, and who is told of those that come in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import trio

from onmeet_node.calls.call import Call
from onmeet_node.calls.options import CallOptions
from onmeet_node.events import Hub, Incoming, NodeEvent, StateChanged
from onmeet_node.protocol.call.events import Event, Identity
from onmeet_node.protocol.wire.messages import CallId, Kind


class CallBook:
    """The calls that are going on."""

    def __init__(
        self,
        hub: Hub[NodeEvent],
        *,
        feed: Callable[[Event], None],
        leave: Callable[[CallId], None],
        asks: Callable[[Identity], bool],
    ) -> None:
        """`feed`, `leave`, `asks`: see `Call`."""
        self._asks = asks
        self._feed = feed
        self._leave = leave
        self._hub = hub
        self._calls: dict[CallId, Call] = {}
        self._ringers: set[trio.MemorySendChannel[Call]] = set()

    def __getitem__(self, call_id: CallId) -> Call:
        return self._calls[call_id]

    def __iter__(self) -> Iterator[Call]:
        return iter(tuple(self._calls.values()))

    def get(self, call_id: CallId) -> Call | None:
        """The call with this id, if it is going on."""
        return self._calls.get(call_id)

    def begin(
        self,
        call_id: CallId,
        peer: Identity,
        *,
        outgoing: bool,
        kinds: frozenset[Kind],
        wish: CallOptions,
    ) -> Call:
        """A call comes into being."""
        call = Call(
            call_id,
            peer,
            outgoing=outgoing,
            kinds=kinds,
            wish=wish,
            feed=self._feed,
            leave=self._leave,
            asks=self._asks,
            node_hub=self._hub,
        )
        self._calls[call_id] = call
        if outgoing:
            call.publish(StateChanged(call=call_id, state=call.state))
        return call

    def forget(self, call: Call) -> None:
        """It is over."""
        self._calls.pop(call.id, None)

    # ── ringing ─────────────────────────────────────────────────────────────────────────────────
    @property
    def somebody_listens(self) -> bool:
        """Whether an incoming call is noticed at once."""
        return bool(self._ringers)

    @contextmanager
    def ringer(self) -> Iterator[trio.MemoryReceiveChannel[Call]]:
        """Incoming calls, for somebody who can notice them: while one listens, calls ring."""
        sender, receiver = trio.open_memory_channel[Call](64)
        self._ringers.add(sender)
        try:
            with receiver:
                yield receiver
        finally:
            self._ringers.discard(sender)

    def announce(self, call: Call, contact: str | None) -> bool:
        """Tells everybody that a call came in; True if somebody is there to notice."""
        call.publish(Incoming(call=call.id, identity=call.peer, contact=contact, kinds=call.kinds))
        noticed = False
        for ringer in tuple(self._ringers):
            try:
                # Driven by peers, each `timing.MAX_RINGS` a minute. Who does not take 64 does not
                # notice this one either: it rings on for the others, or not at all.
                ringer.send_nowait(call)
                noticed = True
            except (trio.WouldBlock, trio.BrokenResourceError):
                continue
        return noticed
