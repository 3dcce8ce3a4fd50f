"""Who can find this node: codes, the contacts' secret, its rotation (PROTOCOL, "Audiences")."""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Callable, Iterable

from onmeet_node.contacts.own_devices import NotHere
from onmeet_node.contacts.profile import PROFILE
from onmeet_node.contacts.views import CodeView
from onmeet_node.errors import OnMeetError
from onmeet_node.protocol.identity.audience import (
    ANYONE_SECRET,
    Audience,
    find_by_proof,
)
from onmeet_node.protocol.identity.blinding import SECRET_BYTES
from onmeet_node.protocol.identity.code import ContactCode
from onmeet_node.protocol.identity.person_keys import PersonKeys
from onmeet_node.protocol.identity.policy import ReachPolicy
from onmeet_node.store import AudienceKind, AudienceRow, Store
from onmeet_node.store.settings import REACH

DAY = 86_400


class UnknownCode(OnMeetError):
    """No live code has that label."""


class Codes:
    """The audiences of this node."""

    def __init__(
        self,
        store: Store,
        keys: PersonKeys,
        *,
        bootstraps: Callable[[], tuple[str, ...]],
        changed: Callable[[], None],
        now: Callable[[], int],
    ) -> None:
        self._store = store
        self._keys = keys
        self._bootstraps = bootstraps
        self._changed = changed
        self._now = now
        self._pair_secrets: dict[bytes, bytes] = {}
        """Of those asked for last: each is a multiplication on the curve."""

    # ── codes ───────────────────────────────────────────────────────────────────────────────────
    def new(
        self, label: str | None = None, *, days: int | None = None, direct: bool = True
    ) -> CodeView:
        """A fresh code, which works from now on.

        `days`: how long it works; None: until it is revoked. `direct`: whether its holders see
        this node's addresses, or only its relays'. Raises the store's `Rejected` when there are
        too many, and `NotHere` on a linked device.
        """
        if not self._keys.holds_identity:
            raise NotHere
        taken = {row.label for row in self._live_codes()}
        wanted = label or "code"
        names = itertools.chain([wanted], (f"{wanted} {n}" for n in itertools.count(2)))
        row = self._store.audiences.add(
            AudienceKind.CODE,
            secret=secrets.token_bytes(SECRET_BYTES),
            now=self._now(),
            label=next(name for name in names if name not in taken),
            expires=self._now() + days * DAY if days else None,
            direct=direct,
        )
        self._changed()
        return self._describe(row)

    def live(self) -> tuple[CodeView, ...]:
        """The live codes."""
        return tuple(self._describe(row) for row in self._live_codes())

    def revoke(self, label: str) -> int:
        """Ends a code at once; the id of its audience. Raises `UnknownCode`."""
        for row in self._live_codes():
            if row.label == label:
                self._store.audiences.revoke(row.id)
                self._changed()
                return row.id
        raise UnknownCode(f"There is no code {label!r}. See them with: onmeet code list")

    def label_of(self, audience: int | None) -> str | None:
        """What a code is called that is still in force; None if it is not, or was none."""
        row = self._store.audiences.get(audience) if audience is not None else None
        if row is None or row.kind is not AudienceKind.CODE or not row.live(self._now()):
            return None
        return row.label

    def _live_codes(self) -> list[AudienceRow]:
        live = self._store.audiences.live(now=self._now())
        return [row for row in live if row.kind is AudienceKind.CODE]

    def _describe(self, row: AudienceRow) -> CodeView:
        code = ContactCode(
            identity=self._keys.public,
            secret=row.secret,
            name=self._store.settings.get(PROFILE).name,
            bootstraps=self._bootstraps(),
            expires=row.expires,
        )
        return CodeView(
            audience=row.id,
            label=row.label,
            uri=code.uri(),
            expires=row.expires,
            direct=row.direct,
        )

    def refresh(self) -> None:
        """What is published may have changed."""
        self._changed()

    # ── the contacts' secret ────────────────────────────────────────────────────────────────────
    def contacts_audience(self) -> AudienceRow:
        """The audience of all contacts; made when there is none."""
        return self._store.audiences.contacts(now=self._now()) or self._new_contacts_secret()

    def rotate_contacts_secret(self) -> None:
        """Who had the old secret finds this node no more; the rest must be granted the new one."""
        if not self._keys.holds_identity:
            return  # whoever holds it makes a new one, once it hears why
        self._new_contacts_secret()
        self._changed()

    def _new_contacts_secret(self) -> AudienceRow:
        secret = secrets.token_bytes(SECRET_BYTES)
        return self._store.audiences.rotate_contacts(secret, now=self._now())

    # ── what is published and checked ───────────────────────────────────────────────────────────
    def published(self, without_secret: Iterable[bytes]) -> list[Audience]:
        """The audiences with a record in the DHT now, in the order in which they are served.

        `without_secret`: contacts who do not have the current secret yet; each finds this node by
        the secret that the two share anyway.
        """
        policy = self._store.settings.get(REACH)
        contacts = self.contacts_audience()
        audiences = [_audience(contacts)]
        if policy is not ReachPolicy.CONTACTS:
            audiences += [_audience(row) for row in self._live_codes()]
        if policy is ReachPolicy.ANYONE:
            audiences.append(Audience("anyone", ANYONE_SECRET, direct=False))
        if not self._keys.holds_identity:
            return audiences  # nobody lends keys for each contact
        known = self._pair_secrets
        pairs = {peer: known.get(peer) or self._keys.pair_secret(peer) for peer in without_secret}
        self._pair_secrets = {peer: pair for peer, pair in pairs.items() if pair is not None}
        audiences += [
            Audience("pair", secret, direct=contacts.direct, single=True)
            for secret in self._pair_secrets.values()
        ]
        return audiences

    def proven(self, shown: bytes | None, opening_hash: bytes) -> AudienceRow | None:
        """The live code of ours whose holder shows this proof; the contacts' own secret proves
        nothing more.
        """
        rows = self._live_codes()
        found = find_by_proof(map(_audience, rows), shown, opening_hash, self._now())
        return next((row for row in rows if found and row.secret == found.secret), None)


def _audience(row: AudienceRow) -> Audience:
    return Audience(row.label, row.secret, expires=row.expires, direct=row.direct)
