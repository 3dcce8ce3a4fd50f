"""The person's own profile as it is kept, and how it is changed (P4)."""

from __future__ import annotations

import attrs

from onmeet_node.contacts.views import ProfileView
from onmeet_node.protocol.call.node_calls import Busy
from onmeet_node.protocol.identity.errors import BadProfile
from onmeet_node.protocol.identity.picture import clean_picture
from onmeet_node.protocol.identity.policy import ReachPolicy, Relation
from onmeet_node.protocol.identity.profile import NOTHING_SPECIAL, Field, Profile, Shown
from onmeet_node.protocol.wire.messages import Card
from onmeet_node.store import Setting, Store
from onmeet_node.store.settings import BUSY, REACH


@attrs.frozen
class KeptProfile:
    """A `Profile` in plain values."""

    name: str | None = None
    country: str | None = None
    phone: str | None = attrs.field(default=None, repr=False)
    email: str | None = attrs.field(default=None, repr=False)
    picture: str | None = attrs.field(default=None, repr=False)
    """Digest, in hex."""
    shares: dict[str, str] = attrs.field(factory=dict)

    def profile(self) -> Profile:
        """Checked, with the default for each field that nobody chose. Raises `BadProfile`."""
        return Profile(
            name=self.name,
            country=self.country,
            phone=self.phone,
            email=self.email,
            picture=bytes.fromhex(self.picture) if self.picture else None,
            shares=self.shares,
        )


PROFILE = Setting("profile", KeptProfile, KeptProfile())


def card_for(store: Store, relation: Relation, shown: Shown = NOTHING_SPECIAL) -> Card:
    """What somebody of this relation sees of us; `shown` as in `Profile.sees`."""
    return store.settings.get(PROFILE).profile().card_for(relation, shown)


def change_picture(store: Store, data: bytes | None) -> None:
    """Keeps another picture of the person, or none. Raises `BadPicture`."""
    digest = store.pictures.keep(clean_picture(data)) if data is not None else None
    kept = store.settings.get(PROFILE)
    store.settings.put(
        PROFILE, attrs.evolve(kept, picture=digest.hex() if digest is not None else None)
    )


def change_profile(
    store: Store,
    fields: dict[str, str],
    shares: dict[str, str],
    *,
    reach: ReachPolicy | None = None,
    busy: Busy | None = None,
) -> ProfileView:
    """Changes what is given (an empty text clears a field) and returns the whole.

    Raises `BadProfile`, having changed nothing.
    """
    kept = store.settings.get(PROFILE)
    unknown = sorted((set(fields) | set(shares)) - set(Field))
    if unknown:
        raise BadProfile(f"A profile has no {unknown[0]!r}. Its fields: {', '.join(Field)}.")
    if Field.PICTURE in fields:
        raise BadProfile("A picture is no text; it is chosen in the app.")
    changed = attrs.evolve(
        kept,
        **{name: value or None for name, value in fields.items()},
        shares={**kept.shares, **shares},
    )
    profile = changed.profile()
    if changed != kept:
        store.settings.put(PROFILE, changed)
    if reach is not None:
        store.settings.put(REACH, reach)
    if busy is not None:
        store.settings.put(BUSY, busy)
    return ProfileView(
        name=profile.name,
        country=profile.country,
        phone=profile.phone,
        email=profile.email,
        picture=profile.picture,
        shares=profile.shares,
        reach=store.settings.get(REACH),
        busy=store.settings.get(BUSY),
    )
