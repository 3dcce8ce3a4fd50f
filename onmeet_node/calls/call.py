"""One call as the API shows it: what it is now, its events, and what a person does to it."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Self

import trio

from onmeet_node.calls.call_chat import CallChat
from onmeet_node.calls.call_string import CallString
from onmeet_node.calls.connected_session import ConnectedSession
from onmeet_node.calls.errors import CallNotActive, ChatNotTaken
from onmeet_node.calls.options import CallOptions
from onmeet_node.calls.views import StreamView
from onmeet_node.events import (
    Accepted,
    CallEnded,
    CallEvent,
    CallRinging,
    ChatLine,
    Hub,
    MediaUp,
    NodeEvent,
    PeerMediaChanged,
    RecordingStopped,
    Sent,
    StateChanged,
)
from onmeet_node.media.endpoint import MediaEndpoint, MediaSession, MediaStats
from onmeet_node.media.ice_report import IceReport
from onmeet_node.media.kinds import require_kinds
from onmeet_node.protocol.call import effects as do
from onmeet_node.protocol.call import events as on
from onmeet_node.protocol.call.effects import EndReason, Ring, State
from onmeet_node.protocol.call.errors import CallRefused
from onmeet_node.protocol.call.events import Device, Event, Identity
from onmeet_node.protocol.identity.text import clean_text
from onmeet_node.protocol.media import MediaPath
from onmeet_node.protocol.wire.messages import MAX_NOTE_CHARS, CallId, Chat, Kind, MediaState
from onmeet_node.protocol.wire.vocabulary import Capability

FAILURES = frozenset({EndReason.MEDIA_FAILED, EndReason.CONNECTION_LOST, EndReason.PEER_ERROR})
ACTIVE = frozenset({State.CONNECTING, State.CONNECTED, State.RECONNECTING})


class Call:
    """One call with one person. Its attributes are true at any time; `events` says what changes.

    Leaving ``async with`` hangs up.
    """

    def __init__(
        self,
        call_id: CallId,
        peer: Identity,
        *,
        outgoing: bool,
        kinds: frozenset[Kind],
        wish: CallOptions,
        feed: Callable[[Event], None],
        leave: Callable[[CallId], None],
        asks: Callable[[Identity], bool],
        node_hub: Hub[NodeEvent],
    ) -> None:
        """`feed` gives the machine an event; `leave` ends a call that nobody holds any more.

        `asks`: whether the person is to compare the authentication string.
        """
        self.id = call_id
        self.peer = peer
        self.outgoing = outgoing
        self.kinds = kinds
        self.wish = wish
        self.state = State.DIALING if outgoing else State.RINGING_IN
        self.ring: Ring | None = None
        self.note: str | None = None
        """What they wrote when they declined."""
        self.device: Device | None = None
        self.reason: EndReason | None = None
        self.trouble: str | None = None
        """What the media endpoint said last when something failed, in words."""
        self.own_fault: str | None = None
        """What of our own ended the call, in words: a file or device that could not be used."""
        self.report: IceReport | None = None
        """What ICE found and tried in the newest session, once the call is over or one failed."""
        self.peer_media: MediaState | None = None
        self.successor: Call | None = None
        """The call that goes on in place of this one, when both dialled at the same moment."""
        self.named: dict[Device, frozenset[str]] = {}
        """What the peer's devices can do, by the `hello` of a channel while it was open."""
        self.began = time.time()
        self.answered: float | None = None
        self.ended_at: float | None = None
        self.local_media = MediaState(call=call_id)
        self.string = CallString(
            call_id,
            in_use=lambda: self._link if self.state is State.CONNECTED and self.path else None,
            can=partial(self.can, Capability.COMPARE),
            asks=partial(asks, peer),
            publish=self.publish,
            feed=feed,
        )
        self._links: dict[Device, ConnectedSession] = {}
        self.lines = CallChat(call_id, self.publish)
        self._feed = feed
        self._leave = leave
        self._node_hub = node_hub
        self._hub: Hub[CallEvent] = Hub()
        self.events: AsyncIterator[CallEvent] = self._follow(self._hub.open())
        """Everything about this call from its beginning on; ends with `CallEnded`.

        When both dialled at the same moment it goes on with the call that is left (`current`).
        """
        self._told: list[CallEvent] = []
        self._over = trio.Event()
        self._up = trio.Event()
        self._taken = trio.Event()
        self._answered_at: float | None = None

    def __repr__(self) -> str:
        return f"<Call {self.id.hex()[:8]} {self.state}>"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        # Who is cancelled with the whole node is told so in this very step.
        await trio.lowlevel.cancel_shielded_checkpoint()
        if self.current.state is not State.ENDED:
            self._leave(self.current.id)
        await trio.lowlevel.checkpoint()

    @property
    def current(self) -> Call:
        """The call itself, or the one that goes on in its place because both dialled at once."""
        return self.successor.current if self.successor is not None else self

    async def _follow(
        self, channel: trio.MemoryReceiveChannel[CallEvent]
    ) -> AsyncIterator[CallEvent]:
        with channel:
            async for event in channel:
                if isinstance(event, CallEnded) and self.successor is not None:
                    break
                yield event
        if self.successor is not None:
            async for event in self.successor.history():
                yield event

    async def history(self) -> AsyncIterator[CallEvent]:
        """All events of this call, those before now included."""
        channel = self._hub.open()
        for event in tuple(self._told):
            yield event
        async for event in self._follow(channel):
            yield event

    @contextmanager
    def watch(self) -> Iterator[trio.MemoryReceiveChannel[CallEvent]]:
        """A second look at the events, from now on."""
        with self._hub.watch() as receiver:
            yield receiver

    # ── what a person does ──────────────────────────────────────────────────────────────────────
    def accept(self, kinds: frozenset[Kind] | None = None, wish: CallOptions | None = None) -> None:
        """Takes a ringing call, sending `kinds` (default: what the caller asked for).

        Raises `LocalProtocolError`, changing nothing, if it no longer rings or `kinds` is empty.
        """
        kinds = self.kinds if kinds is None else require_kinds(kinds)
        before, self.wish = self.wish, wish if wish is not None else self.wish
        try:
            self._feed(on.AcceptCall(call=self.current.id, kinds=kinds))
        except CallRefused:
            self.wish = before
            raise

    def decline(self, note: str | None = None) -> None:
        """Refuses a ringing call; `note`, of up to 280 characters, is shown to the caller."""
        self._feed(on.DeclineCall(call=self.current.id, note=(note or "")[:MAX_NOTE_CHARS] or None))

    def alert(self) -> None:
        """It rings where a person can notice it from now on; nothing if it rang so before."""
        self._feed(on.Alerting(call=self.current.id))

    def silence(self) -> None:
        """Stops the ring; the caller learns it, and the call may still be taken."""
        self._feed(on.SilenceCall(call=self.current.id))

    def hang_up(self) -> None:
        """Ends the call in whatever state it is."""
        self._feed(on.HangUp(call=self.current.id))

    async def mute(self, kind: Kind = Kind.AUDIO, *, muted: bool = True) -> None:
        """Stops or resumes sending a kind, and tells the peer. Raises `CallNotActive`."""
        await self._session().mute(kind, muted=muted)
        now = self.current.local_media
        self.tell_media(
            muted=muted if kind is Kind.AUDIO else now.muted,
            camera_off=muted if kind is Kind.VIDEO else now.camera_off,
            sharing=now.sharing,
        )

    def tell_media(self, *, muted: bool, camera_off: bool, sharing: bool) -> None:
        """Tells the peer what is sent from here now. Where that is decided is the endpoint."""
        now = self.current
        now.local_media = MediaState(
            call=now.id, muted=muted, camera_off=camera_off, sharing=sharing
        )
        now._feed(on.SetMedia(call=now.id, muted=muted, camera_off=camera_off, sharing=sharing))

    async def send_chat(self, text: str) -> None:
        """Writes a line to the peer, 1-4,000 characters; returns when the peer has it.

        Raises `CallNotActive`, `SessionClosed`, `ChatNotTaken`, `ChatUnconfirmed`.
        """
        session = self._session()
        if not self.can(Capability.CHAT):
            raise ChatNotTaken("Their program takes no lines of chat. Say it aloud.")
        await session.send_chat(Chat(text=text))

    async def stats(self) -> MediaStats:
        """Media counters as of now. Raises `CallNotActive`."""
        return await self._session().stats()

    async def counters(self) -> tuple[StreamView, ...]:
        """What is shown of `stats`; nothing while there is no media."""
        if not self.has_media:
            return ()
        return tuple(map(StreamView.of, (await self.stats()).streams))

    def move(self, endpoint: MediaEndpoint) -> None:
        """Goes on with the media of another endpoint: another page's camera and microphone."""
        now = self.current
        now.wish = replace(now.wish, endpoint=endpoint)
        now.restart_media()

    def restart_media(self) -> None:
        """Replaces the media connection, as after a change of network."""
        self._feed(on.RestartMedia(call=self.current.id))

    async def answered_or_over(self) -> None:
        """Waits until somebody took the call, here or there, or it is over."""
        await self._taken.wait()

    async def connected(self) -> None:
        """Waits until media flows for the first time, or the call is over."""
        await self._up.wait()
        if self.successor is not None:
            await self.successor.connected()

    async def ended(self) -> EndReason:
        """Waits for the end."""
        await self._over.wait()
        if self.successor is not None:
            return await self.successor.ended()
        assert self.reason is not None
        return self.reason

    @property
    def path(self) -> MediaPath | None:
        """How media travels, once it does."""
        link = self._link
        return link.path if link else None

    @property
    def region(self) -> str | None:
        """Where the relay on our side is, ``ca`` or ``de`` as its operator signs."""
        link = self._link
        return link.region if link else None

    @property
    def sas(self) -> str | None:
        """Short authentication string: the same on both ends unless somebody sits between."""
        link = self._link
        return link.sas if link and self.answered is not None else None

    def can(self, capability: Capability) -> bool:
        """Whether the device that the call is with can do this, by its own sealed word."""
        return self.device is not None and capability in self.named.get(self.device, ())

    @property
    def has_media(self) -> bool:
        """Whether `stats`, `mute` and `send_chat` work now."""
        return self._link is not None and self.state in ACTIVE

    @property
    def links(self) -> tuple[ConnectedSession, ...]:
        """Connected media sessions: one once it is accepted, one for each device while it rings."""
        return tuple(self._links.values())

    @property
    def session(self) -> MediaSession | None:
        """The media session that is in use."""
        link = self._link
        return link.session if link is not None and self.has_media else None

    @property
    def _link(self) -> ConnectedSession | None:
        return self._links.get(self.device) if self.device is not None else None

    def _session(self) -> MediaSession:
        now = self.current
        link = now._link
        if link is None or not now.has_media:
            raise CallNotActive("This call carries no media now. Wait until it is connected.")
        return link.session

    # ── what the caller reports ─────────────────────────────────────────────────────────────────
    def publish(self, event: CallEvent) -> None:
        """Tells this call's watchers and the node's."""
        if not isinstance(event, ChatLine):
            self._told.append(event)  # a few dozen in the longest call
        self._hub.publish(event)
        self._node_hub.publish(event)

    def changed(self, effect: do.CallChanged) -> None:
        """The machine's view of the call changed."""
        self.device = effect.device or self.device
        if effect.ring is not None and effect.ring is not self.ring and self.outgoing:
            self.ring = effect.ring
            sent = effect.ring is Ring.SENT
            self.publish(
                Sent(call=self.id) if sent else CallRinging(call=self.id, ring=effect.ring)
            )
        if effect.state is self.state:
            return
        if effect.state in ACTIVE and self.answered is None:
            self.answered, self._answered_at = time.time(), time.monotonic()
            self._taken.set()
            self.publish(Accepted(call=self.id))
        self.state = effect.state
        self.publish(StateChanged(call=self.id, state=effect.state))
        self.path_changed()

    def path_changed(self) -> None:
        """Media flows, or does so in another way than before."""
        if self.state is State.CONNECTED and self.path is not None:
            self._up.set()
            self.publish(MediaUp(call=self.id, path=self.path.value, region=self.region))
            self.string.changed()

    def link(self, device: Device, link: ConnectedSession) -> None:
        """A media session with this device is connected; a newer one replaces an older."""
        self._links[device] = link

    def unlink(self, device: Device, session: MediaSession) -> None:
        """A media session is being closed."""
        link = self._links.get(device)
        if link is not None and link.session is session and self.state is not State.ENDED:
            del self._links[device]

    def recording_stopped(self, sentence: str) -> None:
        """Nothing more is recorded, and why."""
        self.publish(RecordingStopped(call=self.id, sentence=sentence))

    def peer_sends(self, media: MediaState) -> None:
        """The peer told what it sends."""
        self.peer_media = media
        muted, camera_off, sharing = media.muted, media.camera_off, media.sharing
        self.publish(
            PeerMediaChanged(call=self.id, muted=muted, camera_off=camera_off, sharing=sharing)
        )

    def finish(self, reason: EndReason, sentence: str, *, said: str | None = None) -> None:
        """It is over; `sentence` says why in words, `said` what they wrote when they declined."""
        self.note = clean_text(said, MAX_NOTE_CHARS) or None if said else None
        self.reason, self.ended_at = reason, time.time()
        self.state = State.ENDED
        since = self._answered_at
        seconds = 0.0 if since is None else time.monotonic() - since
        self.publish(
            CallEnded(
                call=self.id,
                reason=reason,
                sentence=sentence,
                detail=self.trouble if reason in FAILURES or self.own_fault else None,
                seconds=seconds,
                note=self.note,
            )
        )
        self._hub.close()
        if self.wish.tap is not None and self.successor is None:
            self.wish.tap.close()  # its reader's loop ends with the call
        self._taken.set()
        self._up.set()
        self.string.over()
        self._over.set()
