"""The device that this is, and the list of all devices of its person (PROTOCOL, "Devices")."""

from __future__ import annotations

import logging
import platform
from collections.abc import Callable, Sequence

import attrs

from onmeet_node.errors import OnMeetError
from onmeet_node.protocol.call.events import Identity
from onmeet_node.protocol.identity.devices import (
    LIST_SECONDS,
    MAX_DEVICE_NAME_CHARS,
    MAX_LISTED,
    MAX_REVOKED,
    DeviceDetails,
    DeviceList,
    DeviceNote,
    details_digest,
    judge,
    read_details,
    read_list,
    sign_list,
)
from onmeet_node.protocol.identity.errors import BadDeviceList, DeviceListError, DeviceListForked
from onmeet_node.protocol.identity.keys import IdentityKey
from onmeet_node.protocol.identity.person_keys import HeldKeys, LinkedKeys, PersonKeys
from onmeet_node.protocol.identity.record import Presence
from onmeet_node.protocol.identity.text import clean_text
from onmeet_node.store import Store

log = logging.getLogger(__name__)

RENEW_SECONDS = LIST_SECONDS // 3
"""A list that old is signed anew, so that a linked device can be alone for the rest."""
JOIN_SECONDS = 3_600
"""As long after joining a list without this device is taken for one of somebody who joined as well,
and not for one that revokes it."""


class NotHere(OnMeetError):
    """Only a device that holds the identity key does this."""

    def __init__(self) -> None:
        super().__init__(
            "This is a linked device: it does not hold your identity key. Do that on the device "
            "that does; onmeet devices shows which it is."
        )


class NoSuchDevice(OnMeetError):
    """No device of this person is called so."""


class TooManyDevices(OnMeetError):
    """A list has room for no more."""

    def __init__(self) -> None:
        super().__init__(
            f"You have {MAX_LISTED} devices already, which is as many as there can be. Take one "
            "off the list first: onmeet devices revoke NAME"
        )


@attrs.frozen(kw_only=True)
class DeviceView:
    """One device of this person, as it is shown."""

    name: str
    key: bytes
    since: int
    holds_identity: bool
    here: bool
    """Whether it is this one."""


def machine_name() -> str:
    """How this device is called if nobody says otherwise; other own devices alone are told."""
    return clean_text(platform.node().split(".")[0], MAX_DEVICE_NAME_CHARS) or "device"


class OwnDevices:
    """Which devices there are, as far as this one knows; the list is signed and kept here."""

    def __init__(self, store: Store, *, now: Callable[[], int]) -> None:
        """Signs a first list, or one that is due, if this device can."""
        own = store.identity
        self.key = IdentityKey(own.device)
        """This device's own, which Noise proves."""
        self.identity = Identity(own.public)
        self.keys: PersonKeys = (
            HeldKeys(IdentityKey(own.seed))
            if own.seed is not None
            else LinkedKeys(own.public, store.lent.pair, store.lent.signer)
        )
        self._holder = IdentityKey(own.seed) if own.seed is not None else None
        self._lists = store.devices
        self._now = now
        self._joined_at: int | None = None
        signed, details = store.devices.own()
        self._list = read_list(own.public, signed) if signed is not None else None
        self._details = self._read(details)
        self._joins = own.joins and self._holder is not None
        self.renew()

    def _read(self, details: bytes | None) -> DeviceDetails:
        if self._list is None or details is None:
            return DeviceDetails()
        return read_details(self._list, details)

    # ── looking ─────────────────────────────────────────────────────────────────────────────────
    @property
    def holds_identity(self) -> bool:
        """Whether this device can sign: it has the private half of A."""
        return self._holder is not None

    @property
    def list(self) -> DeviceList | None:
        """The newest that this device knows; None for a linked device that was told none."""
        return self._list

    @property
    def details(self) -> bytes | None:
        """What goes with it to the person's other devices, if it was told here."""
        encoded = self._details.encode()
        fits = self._list is not None and details_digest(encoded) == self._list.details
        return encoded if fits else None

    @property
    def listed(self) -> bool:
        """Whether this device is (still) one of the person's."""
        return self._list is not None and self._list.has(self.key.public)

    def views(self) -> tuple[DeviceView, ...]:
        """All devices, as the list has them."""
        listed = self._list.devices if self._list is not None else ()
        return tuple(self._view(key, n) for n, key in enumerate(listed))

    def _view(self, key: bytes, n: int) -> DeviceView:
        note = self._details.note_of(key)
        return DeviceView(
            name=note.name if note is not None else f"device {n + 1}",
            key=key,
            since=note.since if note is not None else 0,
            holds_identity=note is not None and note.holds_identity,
            here=key == self.key.public,
        )

    def note_of(self, key: bytes) -> DeviceNote | None:
        """What is known of a device that is in the list."""
        listed = self._list is not None and self._list.has(key)
        return self._details.note_of(key) if listed else None

    # ── as records have it ──────────────────────────────────────────────────────────────────────
    def looked(self) -> None:
        """See `OwnList`."""
        self.join()

    def signed(self) -> bytes:
        """See `OwnList`."""
        return self._list.signed if self._list is not None else b""

    def mine(self, presences: Sequence[Presence]) -> tuple[Presence, ...]:
        """See `OwnList`."""
        newest = self._list
        return tuple(p for p in presences if newest is not None and newest.has(p.key))

    # ── changing ────────────────────────────────────────────────────────────────────────────────
    def renew(self) -> bool:
        """Signs the list anew if it is due and this device can; whether it did."""
        if self._holder is None or self._joins:
            return False
        if self._list is None:
            self._list_self()
            return True
        if not self.listed or self._list.until - self._now() > LIST_SECONDS - RENEW_SECONDS:
            return False
        self._sign(self._list.devices, self._details)
        return True

    @property
    def joins(self) -> bool:
        """Whether this home, of a backup or of an older format, is still to put itself on the list:
        what others signed meanwhile is looked for first.
        """
        return self._joins

    def join(self) -> bool:
        """Does so; whether anything changed.

        Where the list is full it takes the place of the device that was listed longest.
        """
        if not self._joins or self._holder is None:
            return False
        self._joins, self._joined_at = False, self._now()
        self._lists.joined()
        if not self.listed:
            self._list_self()
        return True

    def _list_self(self) -> None:
        listed = self._list.devices if self._list is not None else ()
        kept = listed[-(MAX_LISTED - 1) :]
        gone = tuple(key for key in listed if key not in kept)
        note = DeviceNote(
            self.key.public, self._free_name(machine_name()), self._now(), holds_identity=True
        )
        notes = (*(one for one in self._details.notes if one.key in kept), note)
        revoked = (*self._details.revoked, *gone)[-MAX_REVOKED:]
        self._sign((*kept, self.key.public), DeviceDetails(notes, revoked))

    def add(self, key: bytes, name: str) -> DeviceView:
        """Puts a device on the list. Raises `NotHere`, `TooManyDevices`, `BadDeviceList`."""
        if self._list is None or self._holder is None:
            raise NotHere
        if len(self._list.devices) >= MAX_LISTED:
            raise TooManyDevices
        if key in self._details.revoked:
            raise BadDeviceList("it names a device that was revoked, for good")
        note = DeviceNote(key, self._free_name(name), self._now())
        self._sign(
            (*self._list.devices, key),
            attrs.evolve(self._details, notes=(*self._details.notes, note)),
        )
        return self._view(key, len(self._list.devices) - 1)

    def _free_name(self, name: str) -> str:
        wanted = clean_text(name, MAX_DEVICE_NAME_CHARS) or "device"
        taken = {view.name for view in self.views()}
        names = [wanted, *(f"{wanted[: MAX_DEVICE_NAME_CHARS - 3]} {n}" for n in range(2, 8))]
        return next(name for name in names if name not in taken)

    def revoke(self, name: str) -> DeviceView:
        """Takes a device off the list for good. Raises `NoSuchDevice`, `NotHere`."""
        view = self.named(name)
        if view.here:
            raise NoSuchDevice(
                "That is the device you are at. Revoke it from another one that holds your "
                "identity key."
            )
        if self._list is None or self._holder is None:
            raise NotHere
        left = tuple(key for key in self._list.devices if key != view.key)
        notes = tuple(note for note in self._details.notes if note.key != view.key)
        revoked = (*self._details.revoked, view.key)[-MAX_REVOKED:]
        self._sign(left, DeviceDetails(notes, revoked))
        return view

    def named(self, name: str) -> DeviceView:
        """The device that is called so, or whose key begins so. Raises `NoSuchDevice`."""
        views = self.views()
        found = [view for view in views if view.name == name] or [
            view for view in views if len(name) >= 4 and view.key.hex().startswith(name)
        ]
        if len(found) != 1:
            raise NoSuchDevice(f"There is no device {name!r}. See them with: onmeet devices")
        return found[0]

    def learn(self, offered: DeviceList, details: bytes | None = None) -> bool:
        """Takes over a newer list that A signed on another device; whether it is news.

        Two that were signed at once are made one, by whoever can sign.
        """
        try:
            newest = judge(offered, self._list, now=self._now())
        except DeviceListForked:
            return self._unite(offered, details)
        except DeviceListError as error:
            log.debug("an own list is not believed: %s", type(error).__name__)
            return False
        same = self._list is not None and newest.signed == self._list.signed
        if same and (details is None or self.details is not None):
            return False
        read = read_details(newest, details) if details is not None else self._kept(newest)
        before = self._details.revoked
        self._keep(newest, read)
        self._leave_out(before)
        self._join_again()
        return True

    def _join_again(self) -> None:
        """Two homes of one backup may join at once, and neither is on the other's list."""
        recent = self._joined_at is not None and self._now() - self._joined_at < JOIN_SECONDS
        if recent and not self.listed and self.key.public not in self._details.revoked:
            self._joins = True
            self.join()

    def _leave_out(self, revoked: tuple[bytes, ...]) -> None:
        """What was revoked stays so, also where somebody signed who had not heard of it yet."""
        if self._holder is None or self._list is None:
            return
        left = tuple(key for key in self._list.devices if key not in revoked)
        if not left or left == self._list.devices:
            return
        gone = tuple(dict.fromkeys((*self._details.revoked, *revoked)))[-MAX_REVOKED:]
        notes = tuple(note for note in self._details.notes if note.key in left)
        self._sign(left, DeviceDetails(notes, gone))

    def _unite(self, other: DeviceList, details: bytes | None) -> bool:
        if self._holder is None or self._list is None or details is None:
            return False  # which keys it revoked is in the details, which come after the Hello
        theirs = read_details(other, details)
        # In an order that both sides come to: two lists of both would be a fork again.
        gone = tuple(sorted({*self._details.revoked, *theirs.revoked}))[-MAX_REVOKED:]
        notes = {
            note.key: note for note in sorted((*theirs.notes, *self._details.notes), key=_rank)
        }
        keys = {*self._list.devices, *other.devices} - {*gone}
        holders = {key for key, note in notes.items() if note.holds_identity}
        left = (*sorted(keys & holders), *sorted(keys - holders))[:MAX_LISTED]
        kept = tuple(notes[key] for key in left if key in notes)
        self._sign(left, DeviceDetails(kept, gone))
        return True

    def _kept(self, newest: DeviceList) -> DeviceDetails:
        """What was known of the devices that are still there, until somebody tells the details."""
        notes = tuple(note for note in self._details.notes if newest.has(note.key))
        return DeviceDetails(notes, self._details.revoked)

    def _sign(self, devices: tuple[bytes, ...], details: DeviceDetails) -> None:
        assert self._holder is not None, "callers look first"
        after = self._list.number if self._list is not None else 0
        self._keep(sign_list(self._holder, devices, details, now=self._now(), after=after), details)

    def _keep(self, newest: DeviceList, details: DeviceDetails) -> None:
        encoded = details.encode()
        self._list, self._details = newest, details
        fits = newest.details == details_digest(encoded)
        self._lists.keep_own(newest.signed, encoded if fits else None)


def _rank(note: DeviceNote) -> tuple[int, bool, str]:
    return note.since, note.holds_identity, note.name
