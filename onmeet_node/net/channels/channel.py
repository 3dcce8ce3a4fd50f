"""A sealed channel: typed messages over Noise over a stream (PROTOCOL, "Sealed channel")."""

from __future__ import annotations

import enum
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial

import trio

from onmeet_node.net.channels.credentials import Credentials
from onmeet_node.net.channels.handshake import (
    Admit,
    Framed,
    Greet,
    Sealed,
    SeenEphemerals,
    initiate,
    prologue,
    respond,
)
from onmeet_node.net.channels.heartbeat import Heartbeat
from onmeet_node.net.channels.send_queue import SendQueue
from onmeet_node.net.channels.timing import Timing
from onmeet_node.net.errors import ChannelEnded
from onmeet_node.process.faults import contained
from onmeet_node.process.work import WORK
from onmeet_node.protocol.call.events import Device, Identity
from onmeet_node.protocol.errors import RemoteProtocolError
from onmeet_node.protocol.wire import codec
from onmeet_node.protocol.wire.messages import Bye, Hello, Message, Ping, Pong, Unknown, Unsupported
from onmeet_node.protocol.wire.rekey import ReceivingCipher, SendingCipher

INBOX = 64
"""Messages read but not taken; past it the peer is not read from, and feels it."""


class End(enum.StrEnum):
    """Why a channel is over."""

    CLOSED = "closed"
    """This side closed it."""
    PEER_CLOSED = "peer-closed"
    """The peer said Bye."""
    LOST = "lost"
    """The stream or the connection under it broke."""
    SILENT = "silent"
    """Nothing was heard for `Timing.dead_after`."""
    NOT_READING = "not-reading"
    """The peer let too much pile up."""
    MALFORMED = "malformed"
    """The peer sent what no peer should."""
    FLOOD = "flood"
    """The peer sent too many messages."""
    FAULT = "fault"
    """Something went wrong on this side, on this channel alone."""
    REVOKED = "revoked"
    """The device is none of the person's any more."""
    REPLACED = "replaced"
    """The peer lost it and opened a new one."""


class _ViolationError(Exception):
    """The peer broke a rule; only between the methods of `Channel`."""

    def __init__(self, end: End, detail: str) -> None:
        super().__init__(detail)
        self.end = end


async def open_channel(
    stream: trio.abc.Stream,
    me: Credentials,
    remote: Identity,
    greet: Greet,
    *,
    local: Device,
    device: Device,
    first: Sequence[Message] = (),
    lost: Sequence[bytes] = (),
    sent: Callable[[], None] = lambda: None,
    timing: Timing | None = None,
    doubted: Callable[[], None] = lambda: None,
) -> Channel:
    """A sealed channel to `remote` over a stream that `local` opened to `device`.

    See `Channel` for `doubted`, `handshake.initiate` for the rest and what is raised, NetError too.
    """
    framed, key = Framed(stream), me.key_of(remote, device)
    bound = prologue(local, device)
    offer = partial(initiate, framed, me, remote, key, bound, greet)
    sealed = await offer(first=first, lost=lost, sent=sent)
    return Channel(framed, sealed, device, timing, doubted)


async def accept_channel(
    stream: trio.abc.Stream,
    me: Credentials,
    admit: Admit,
    seen: SeenEphemerals,
    *,
    local: Device,
    device: Device,
    timing: Timing | None = None,
    doubted: Callable[[], None] = lambda: None,
) -> Channel:
    """A sealed channel over a stream that `device` opened to `local`; its `identity` is proven.

    See `Channel` for `doubted`, `handshake.respond` for the rest and for what is raised.
    """
    framed = Framed(stream)
    sealed = await respond(framed, me, prologue(device, local), admit, seen)
    return Channel(framed, sealed, device, timing, doubted)


class Channel:
    """Typed messages with one device of one person. Somebody must `run` it.

    `send` never waits. Iterating gives the peer's messages in order, without the channel's own
    (Ping, Pong, Bye), until the channel is over; then `end` says why.
    """

    def __init__(
        self,
        framed: Framed,
        sealed: Sealed,
        device: Device,
        timing: Timing | None = None,
        doubted: Callable[[], None] = lambda: None,
    ) -> None:
        """`doubted` is called when the connection below may be dead: see `Heartbeat`."""
        self.identity = sealed.identity
        self.device = device
        self.key = sealed.key
        """The device's own key, proven."""
        self.hello = sealed.hello
        """The peer's."""
        self.handshake_hash = sealed.handshake_hash
        """The same 64 bytes on both ends, and on no other channel."""
        self.initiator = sealed.initiator
        self.lost = sealed.lost
        self.end: End | None = None
        """Set as soon as it is known that the channel ends."""
        self.detail = ""
        """What the peer said, or what was wrong with what it sent."""
        self.over = trio.Event()
        """Set when nothing more will come."""
        self.successor: Channel | None = None
        """Where messages go instead, once a duplicate of this channel won."""
        self.carried = False
        """Whether any message of ours went in."""
        self._framed = framed
        self._sealing = SendingCipher(sealed.send, now=trio.current_time())
        self._opening = ReceivingCipher(sealed.receive)
        self._timing = timing or Timing()
        self._scope = trio.CancelScope()
        self._queue = SendQueue()
        self._bye_queued = False
        self._bye_written = False
        self._writer_waits = False
        self._heartbeat = Heartbeat(
            self._timing,
            ping=self._ping,
            doubted=doubted,
            silent=partial(self.fail, End.SILENT),
        )
        self._allowance = self._timing.burst
        self._counted = trio.current_time()
        self._asked = 0
        self._flushes: dict[int, trio.Event] = {}
        self._inbox, self._taken = trio.open_memory_channel[Message](INBOX)
        self._first = sealed.first

    def __repr__(self) -> str:
        return f"<Channel with {self.device} {self.end or 'open'}>"

    def __aiter__(self) -> AsyncIterator[Message]:
        return self._taken

    # ── sending ─────────────────────────────────────────────────────────────────────────────────
    def send(self, message: Message) -> None:
        """Queue a message. Raises ChannelEnded, and LocalProtocolError if it is too long."""
        if self.successor is not None:
            self.successor.send(message)
            return
        data = codec.encode(message)
        if self.end is not None:
            raise ChannelEnded(self.end)
        if not self._queue.takes(data):
            self.fail(End.NOT_READING)
            raise ChannelEnded(End.NOT_READING)
        self.carried = True
        WORK.messages += 1
        self._heartbeat.use()
        self._queue.push(data)
        self._write_now()

    @property
    def idle(self) -> bool:
        """Whether nobody waits for it, so that its heartbeat may be slow."""
        return self._heartbeat.idle

    @property
    def in_doubt(self) -> bool:
        """Whether the peer has not been heard since it was asked whether it is there."""
        return self._heartbeat.in_doubt

    def attend(self, *, attended: bool) -> None:
        """Somebody waits for what comes, or no more: a call is on, or its page is open."""
        self._heartbeat.attend(attended=attended)

    def hold(self) -> None:
        """Keep what is sent from now on back until `release`; heartbeats go on."""
        self._queue.hold()

    def release(self) -> None:
        """Send what was held back."""
        self._queue.release()

    async def flush(self) -> bool:
        """Return once the peer has taken all that was sent before; False if that cannot be known.

        After an orderly end by the peer it is known as well: the peer reads on until our Bye.
        """
        if self.over.is_set():
            return self.end in {End.PEER_CLOSED, End.CLOSED}
        number = self._next_number()
        answered = self._flushes[number] = trio.Event()
        if self.end is None:
            self._queue.push(codec.encode(Ping(n=number)))
        await answered.wait()
        return self.end in {None, End.PEER_CLOSED, End.CLOSED}

    def close(self, reason: str = "closed") -> None:
        """Say Bye after what is queued, and end within `Timing.close`."""
        self._finish(End.CLOSED, reason)

    def fail(self, end: End, detail: str = "") -> None:
        """End at once, without another word."""
        self._set_end(end, detail)
        self._scope.cancel()

    async def aclose(self) -> None:
        """`close`, and wait until it is over."""
        self.close()
        await self.over.wait()

    # ── the tasks ───────────────────────────────────────────────────────────────────────────────
    async def run(self) -> None:
        """Read, write and keep alive until the channel is over. Raises nothing of the peer's.

        Cancelling it is `close`: what was sent before is delivered, within `Timing.close`.
        """
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._close_when_cancelled)
            with trio.CancelScope(shield=True):
                await self._run()
            nursery.cancel_scope.cancel()

    async def _close_when_cancelled(self) -> None:
        try:
            await trio.sleep_forever()
        finally:
            if not self.over.is_set():
                self.close("shutdown")

    async def _run(self) -> None:
        try:
            with contained("channel", then=partial(self._set_end, End.FAULT)), self._scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._write)
                    nursery.start_soon(self._heartbeat.run)
                    await self._read()
                    self._set_end(End.LOST)
                    nursery.cancel_scope.cancel()
        finally:
            self._set_end(End.CLOSED)
            self._inbox.close()
            for answered in self._flushes.values():
                answered.set()
            deadline = trio.current_time() + self._timing.close
            with trio.CancelScope(deadline=deadline, shield=True):
                await self._framed.aclose()
            self.over.set()

    async def _read(self) -> None:
        try:
            for message in self._first:
                await self._deliver(message)
            while (frame := await self._framed.receive()) is not None:
                self._heartbeat.heard()
                self._count()
                data = self._opening.open(frame)
                if data is not None and await self._take(codec.decode(data)):
                    return
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return
        except (RemoteProtocolError, _ViolationError) as error:
            end = error.end if isinstance(error, _ViolationError) else End.MALFORMED
            self._finish(end, end.value, detail=str(error))
            await trio.sleep_forever()  # the writer ends it, once it has said why

    async def _take(self, message: Message) -> bool:
        """Act on one message; True if it was the last."""
        match message:
            case Ping(n=n):
                self._send_first(Pong(n=n))
            case Pong(n=n):
                answered = self._flushes.pop(n, None)
                if answered is not None:
                    answered.set()
            case Bye(reason=reason):
                self._finish(End.PEER_CLOSED, "bye", detail=reason)
                # The peer reads on until our own Bye, so it goes out before we end.
                return self._bye_written
            case Unknown(type=kind):
                self._send_first(Unsupported(type=kind[:32]))
            case Hello():
                raise _ViolationError(End.MALFORMED, "a second Hello")
            case _:
                await self._deliver(message)
        return False

    async def _deliver(self, message: Message) -> None:
        # While nobody takes messages we do not read, so we cannot hear the peer either.
        with self._heartbeat.delivering():
            try:
                await self._inbox.send(message)
            except trio.BrokenResourceError:
                self.close()

    def _write_now(self) -> None:
        """Writes what waits, if that is little, nobody writes, and the socket is free.

        Each pass through the scheduler may cost half a millisecond while media flows, since it
        gives the interpreter to the other thread. `_write` wakes up and finds nothing to do.
        """
        if not self._writer_waits or self.end is not None:
            return
        if self._framed.free(self._queue.size) and (batch := self._queue.take_some()):
            self._framed.send_now(*self._seal(batch))

    def _seal(self, batch: Sequence[bytes]) -> list[bytes]:
        now = trio.current_time()
        return [part for data in batch for part in self._sealing.seal(data, now=now)]

    async def _write(self) -> None:
        while True:
            while batch := self._queue.take_some():
                await self._write_batch(batch)
            if self._bye_queued and self._queue.all_taken:
                self._bye_written = True
                if self.end in {End.MALFORMED, End.FLOOD}:
                    self._scope.cancel()
            self._writer_waits = True
            await self._queue.wait()
            self._writer_waits = False

    async def _write_batch(self, batch: Sequence[bytes]) -> None:
        with trio.move_on_after(self._timing.dead_after) as limit:
            try:
                await self._framed.send(*self._seal(batch))
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                self.fail(End.LOST)
        if limit.cancelled_caught:
            self.fail(End.NOT_READING)

    # ── the rest ────────────────────────────────────────────────────────────────────────────────
    def _finish(self, end: End, reason: str, *, detail: str = "") -> None:
        self._set_end(end, detail)
        if self._bye_queued:
            return
        self._bye_queued = True
        self._queue.push(codec.encode(Bye(reason=reason[:64])))
        self.release()
        self._scope.deadline = min(self._scope.deadline, trio.current_time() + self._timing.close)

    def _set_end(self, end: End, detail: str = "") -> None:
        if self.end is None:
            self.end, self.detail = end, detail

    def _send_first(self, message: Message) -> None:
        """Of the channel itself: before what is queued, and also while that is held back."""
        if not self._queue.push_first(codec.encode(message)):
            self.fail(End.NOT_READING)

    def _ping(self) -> None:
        self._send_first(Ping(n=self._next_number()))

    def _next_number(self) -> int:
        self._asked = (self._asked + 1) % 2**32
        return self._asked

    def _count(self) -> None:
        """Take one message from what `Timing.rate` and `Timing.burst` allow."""
        now = trio.current_time()
        earned, self._counted = (now - self._counted) * self._timing.rate, now
        self._allowance = min(self._timing.burst, self._allowance + earned) - 1
        if self._allowance < 0:
            raise _ViolationError(End.FLOOD, "more messages than a call needs")
