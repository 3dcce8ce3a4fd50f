"""Keeps this node's presence records alive in the DHT: one for each audience and epoch.

The wall clock decides what is due, and it jumps (sleep, a set clock); so it is looked at often, and
every plan is at most `REFRESH_SECONDS` ahead.
"""

from __future__ import annotations

import logging
import random
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

import attrs
import trio

from onmeet_node.net.errors import NetError, NobodyStores, NotLent
from onmeet_node.net.presence.interfaces import OwnList, Records
from onmeet_node.process.faults import contained
from onmeet_node.protocol.identity.audience import Audience
from onmeet_node.protocol.identity.blinding import EPOCH_SECONDS, epoch_at
from onmeet_node.protocol.identity.person_keys import PersonKeys
from onmeet_node.protocol.identity.record import (
    NONCE_BYTES,
    PRESENCE_SECONDS,
    Presence,
    merge,
    open_listing,
    record_key,
    record_seq,
    seal_signed,
)
from onmeet_node.protocol.wire.errors import RecordError

log = logging.getLogger(__name__)
_chance = random.SystemRandom()

# ── fixed by the protocol ────────────────────────────────────────────────────────────────────────
OVERLAP_SECONDS = 1800
"""How long before an epoch begins its record is there, at the latest: a reader's clock may be
fast, and records take time to spread."""

# ── tuning ───────────────────────────────────────────────────────────────────────────────────────
OVERLAP_JITTER_SECONDS = 1800
"""It goes out up to so much earlier, each audience's at its own time, so that the records of one
person do not appear together."""
REFRESH_SECONDS = 1800
"""Between two puts of one record; readers drop a device silent for PRESENCE_SECONDS (2 h)."""
JITTER = 0.2
"""Each wait is shorter by up to this part, so that the records drift apart."""
CHECK_SECONDS = 20
"""After a record changed it is looked at once more: another device of the person may have
written at the same moment, and a young routing table may have missed the closest servers."""
RETRY_SECONDS = (1.0, 60.0)
"""Between attempts while nobody stores the record: doubled from the first to the second."""
READ_SECONDS = 3.0
"""For reading. A slow network must not keep a device from publishing."""
LAST_READ_SECONDS = 0.7
"""For reading when the device stops, which has little time: else it goes by what it read last."""
LOOK_SECONDS = 30.0
PARALLEL = 4
"""Records put at once."""
SINGLES = 4
SINGLES_SECONDS = 15.0
"""So many records of single people in so many seconds: a thousand take an hour, and next to
nothing of a small machine. Contacts without one are found by the node that looks for them."""


Audiences = Callable[[], Sequence[Audience]]
PresenceFor = Callable[[Audience], Presence | None]


class _Slot(NamedTuple):
    """One record."""

    secret: bytes
    epoch: int

    def __repr__(self) -> str:
        return f"<record of epoch {self.epoch}>"


class _Found(NamedTuple):
    """What the network has under a key."""

    presences: tuple[Presence, ...] = ()
    seq: int = 0


@dataclass
class _Plan:
    """What became of a record, and when to look at it next."""

    mine: Presence
    """What it shall say of this device; `seen_at` is filled in when it is sealed."""
    due: float = 0.0
    """Unix seconds."""
    stored: bool = False
    """Whether it was read back from elsewhere, saying `mine`."""
    checked: bool = False
    failures: int = 0
    found: _Found = field(default_factory=_Found)
    """What the network had when it was read last."""


class Publisher:
    """See `run`."""

    def __init__(
        self,
        records: Records,
        keys: PersonKeys,
        own: OwnList,
        *,
        clock: Callable[[], float],
    ) -> None:
        self.published = trio.Event()
        self._records = records
        self._keys = keys
        self._own = own
        self._clock = clock
        self._plans: dict[_Slot, _Plan] = {}
        self._singles: set[bytes] = set()
        """Secrets of audiences of one: see `Audience.single`."""
        self._singles_from = 0.0
        """When the next of their records may be put."""
        self._complete = False
        """There is something to say to every audience."""
        self._early: dict[bytes, float] = {}
        """How much before OVERLAP_SECONDS each audience's next record goes out, seconds."""
        self._wake = trio.Event()
        self._settled = trio.Event()
        self._put_under: dict[_Slot, _Plan] = {}
        """Records that may say of this device where it is: all that were begun to be put."""
        self._writing = trio.Lock()
        self._stopping = False

    async def settled(self) -> None:
        """Wait until all that was asked for by `refresh` is stored: whoever looks finds it.

        But for the records of single people, which follow.
        """
        while not self._settled.is_set():
            await self._settled.wait()

    def __repr__(self) -> str:
        return f"<Publisher of {len(self._plans)} records>"

    def refresh(self) -> None:
        """Look at audiences and addresses at once, and retry what failed."""
        if self._settled.is_set():
            self._settled = trio.Event()
        for plan in self._plans.values():
            if not plan.stored:
                plan.due = 0.0
        self._wake.set()

    def renew(self) -> None:
        """Put every record again: the servers that kept ours may have lost them."""
        for plan in self._plans.values():
            plan.stored = plan.checked = False
        self.refresh()

    async def run(self, audiences: Audiences, presence: PresenceFor) -> None:
        """Keep the records of all live audiences published until cancelled.

        `presence` gives what an audience may see of this device (own addresses only where
        `Audience.direct`, and for nothing else about it), or None while there is nothing to say.
        `audiences` is asked at each look, and `presence` for one audience of either kind;
        `refresh` when what they return has changed. A revoked audience's record is emptied.
        Failures are retried, more and more slowly. After `withdraw` it does nothing any more.
        Audiences are served in their order, those of a `refresh` before what is left from earlier.
        """
        while not self._stopping:
            self._wake = trio.Event()
            now = self._clock()
            live = [a for a in audiences() if a.live(int(now))]
            says = {a.direct: presence(a) for a in {a.direct: a for a in live}.values()}
            said = {a.secret: says[a.direct] for a in live}
            self._singles = {a.secret for a in live if a.single}
            wanted = {secret: mine for secret, mine in said.items() if mine is not None}
            dropped = self._plan(wanted, now)
            self._complete = said.keys() == wanted.keys()
            async with self._writing:
                await self._work(dropped)
            self._tell()
            with trio.move_on_after(self._pause()):
                await self._wake.wait()

    async def withdraw(self) -> None:
        """Take this device out of all its records, for when it stops. Failures are dropped.

        What is being put just now is awaited, lest it arrives after this.
        """
        self._stopping = True
        self._wake.set()
        async with self._writing:
            put, self._put_under, self._plans = self._put_under, {}, {}
            await self._work(put)

    def _stops(self) -> bool:
        return self._stopping

    # ── what to do ──────────────────────────────────────────────────────────────────────────────
    def _plan(self, wanted: dict[bytes, Presence], now: float) -> dict[_Slot, _Plan]:
        """Bring the plans up to date; the ones returned are of audiences that are no more."""
        epoch = epoch_at(int(now))
        left = EPOCH_SECONDS - now % EPOCH_SECONDS
        slots: dict[_Slot, Presence] = {}
        for secret, mine in wanted.items():
            early = self._early.setdefault(secret, _chance.uniform(0, OVERLAP_JITTER_SECONDS))
            slots[_Slot(secret, epoch)] = mine
            if left <= OVERLAP_SECONDS + early:
                slots[_Slot(secret, epoch + 1)] = mine
        dropped: dict[_Slot, _Plan] = {}
        for slot in self._plans.keys() - slots.keys():
            plan = self._plans.pop(slot)
            if slot.secret not in wanted and slot.epoch >= epoch and plan.stored:
                dropped[slot] = plan
        for slot, mine in slots.items():
            kept = self._plans.get(slot)
            if kept is None or kept.mine != mine:
                self._plans[slot] = _Plan(mine)
            elif kept.due > now + REFRESH_SECONDS:
                kept.due = 0.0  # the clock was set back
        self._put_under = {
            slot: plan for slot, plan in self._put_under.items() if slot.epoch >= epoch - 1
        }
        self._plans = {slot: self._plans[slot] for slot in slots}
        self._early = {secret: self._early[secret] for secret in wanted}
        return dropped

    def _tell(self) -> None:
        """Those who wait learn it as soon as what they wait for is stored."""
        waited = [p.stored for slot, p in self._plans.items() if slot.secret not in self._singles]
        if self._complete and waited and all(waited):
            self.published.set()
            if not self._wake.is_set():
                self._settled.set()

    def _pause(self) -> float:
        """Seconds until something is due, at most LOOK_SECONDS."""
        now = self._clock()
        dues = (
            max(plan.due, self._singles_from) if slot.secret in self._singles else plan.due
            for slot, plan in self._plans.items()
        )
        return min(max(min(dues, default=now + LOOK_SECONDS) - now, 0.05), LOOK_SECONDS)

    async def _work(self, dropped: dict[_Slot, _Plan]) -> None:
        now = self._clock()
        jobs = [partial(self._empty, slot, plan) for slot, plan in dropped.items()]
        due = [(slot, plan) for slot, plan in self._plans.items() if plan.due <= now]
        jobs += [partial(self._keep, *one) for one in due if one[0].secret not in self._singles]
        jobs += [partial(self._keep, *one) for one in self._next_singles(due, now)]
        left = iter(jobs)  # in order, which a limiter would not keep

        async def work() -> None:
            for job in left:
                await job()

        async with trio.open_nursery() as nursery:
            for _ in range(min(PARALLEL, len(jobs))):
                nursery.start_soon(work)

    def _next_singles(
        self, due: list[tuple[_Slot, _Plan]], now: float
    ) -> list[tuple[_Slot, _Plan]]:
        """Those of single people whose turn it is, the longest due first."""
        if self._singles_from - SINGLES_SECONDS <= now < self._singles_from:
            return []  # and if it is neither, the clock was set back
        single = [one for one in due if one[0].secret in self._singles]
        chosen = sorted(single, key=lambda one: one[1].due)[:SINGLES]
        self._singles_from = now + SINGLES_SECONDS if chosen else 0.0
        return chosen

    # ── one record ──────────────────────────────────────────────────────────────────────────────
    async def _keep(self, slot: _Slot, plan: _Plan) -> None:
        if slot.secret in self._singles and self._wake.is_set():
            return  # until what was just asked for is done
        checking = plan.stored and not plan.checked
        with contained("DHT record", then=partial(_lose, plan)):
            await self._store(slot, plan, checking=checking)
        now = self._clock()
        if plan.stored:
            plan.failures = 0
            plan.due = now + _less(REFRESH_SECONDS if plan.checked or checking else CHECK_SECONDS)
            plan.checked = plan.checked or checking
        else:
            first, most = RETRY_SECONDS
            wait = _less(min(most, first * 2.0**plan.failures))
            plan.due = 0.0 if self._wake.is_set() else now + wait
            plan.failures = min(plan.failures + 1, 16)
        self._tell()

    async def _store(self, slot: _Slot, plan: _Plan, *, checking: bool) -> None:
        try:
            found = await self._read(slot)
            if self._stops():
                return
            if not (checking and _says(found, plan.mine)):
                self._put_under[slot] = plan
                await self._write(slot, plan.mine, found)
                if slot.secret in self._singles:
                    # Somebody stores it, which the next refresh looks at: a thousand that are read
                    # back twice keep a small machine busy.
                    plan.stored = plan.checked = True
                    plan.found = found if found.seq else plan.found
                    return
                # Who stops has no time to look whether it arrived.
                found = _Found() if self._stops() else await self._read(slot)
                plan.stored = _says(found, plan.mine)
            if found.seq:
                plan.found = found
        except (NetError, RecordError) as error:
            log.debug("%r is not stored: %s", slot, error)
            plan.stored = False

    async def _empty(self, slot: _Slot, plan: _Plan) -> None:
        self._put_under.pop(slot, None)
        with contained("DHT record"):
            try:
                seconds = LAST_READ_SECONDS if self._stopping else READ_SECONDS
                found = await self._read(slot, seconds)
                found = found if found.seq else plan.found
                left = [p for p in found.presences if p.peer_id != plan.mine.peer_id]
                await self._put(slot, left, found.seq)
            except (NetError, RecordError) as error:
                log.debug("%r could not be emptied: %s", slot, error)

    async def _write(self, slot: _Slot, mine: Presence, found: _Found) -> None:
        now = int(self._clock())
        presences = merge(attrs.evolve(mine, seen_at=now), found.presences, now=now)
        await self._put(slot, presences, found.seq)

    async def _put(self, slot: _Slot, presences: Sequence[Presence], after: int) -> None:
        now = int(self._clock())
        signer = self._keys.signer(slot.secret, slot.epoch)
        if signer is None:
            raise NotLent
        key, value = seal_signed(
            signer,
            self._keys.public,
            slot.secret,
            slot.epoch,
            presences,
            now=now,
            not_after=max(now, after + 1) + PRESENCE_SECONDS,
            nonce24=secrets.token_bytes(NONCE_BYTES),
            after=after,
            devices=self._own.signed(),
        )
        if not await self._records.put(key, value):
            raise NobodyStores

    async def _read(self, slot: _Slot, seconds: float = READ_SECONDS) -> _Found:
        """The record as others have it; nothing if there is none, or not in so many seconds."""
        with trio.move_on_after(seconds):
            value = await self._records.get(record_key(self._keys.public, slot.secret, slot.epoch))
            if value is None:
                self._own.looked()
                return _Found()
            try:
                now = int(self._clock())
                listing = open_listing(self._keys.public, slot.secret, slot.epoch, value, now=now)
                if listing.devices is not None:
                    self._own.learn(listing.devices)
                self._own.looked()
                return _Found(self._own.mine(listing.presences), record_seq(value))
            except RecordError as error:
                log.debug("%r in the network is not readable: %s", slot, error)
        return _Found()


def _says(found: _Found, mine: Presence) -> bool:
    """Whether a record lists this device as it is now. What did not fit in is not asked for."""
    return any(
        other.peer_id == mine.peer_id
        and other.key == mine.key
        and set(other.addresses) <= set(mine.addresses)
        and set(other.relays) <= set(mine.relays)
        for other in found.presences
    )


def _lose(plan: _Plan) -> None:
    plan.stored = False


def _less(seconds: float) -> float:
    return seconds * (1 - _chance.uniform(0, JITTER))
