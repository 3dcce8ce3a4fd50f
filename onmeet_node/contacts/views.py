"""What is shown of people, codes and the own profile: to programs, commands and the app."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from onmeet_node.protocol.call.events import Identity
from onmeet_node.protocol.call.node_calls import Busy
from onmeet_node.protocol.identity.policy import ReachPolicy
from onmeet_node.protocol.identity.profile import Field, Share


@attrs.frozen
class CardView:
    """What somebody shows of themselves, in text."""

    name: str | None
    country: str | None
    phone: str | None = attrs.field(repr=False)
    email: str | None = attrs.field(repr=False)


@attrs.frozen
class ContactView:
    """Somebody in the address book, or met by a code alone."""

    identity: Identity
    name: str
    """How they are shown."""
    code: str | None
    """What the live code of ours is called by which they came, if they ask to be a contact."""
    state: str
    """A `ContactState`, or ``stranger``."""
    verified: bool
    favourite: bool
    added: int
    """Unix seconds; 0 for a stranger."""
    last_seen: int | None
    card: CardView


@attrs.frozen
class CodeView:
    """A contact code of ours that works."""

    audience: int
    """Id of the audience that its holders are."""
    label: str | None
    uri: str = attrs.field(repr=False)
    """SECRET: whoever has it may find us."""
    expires: int | None
    """Unix seconds; None: it works until it is revoked."""
    direct: bool
    """Whether its holders see this node's addresses, or only its relays'."""


@attrs.frozen
class ProfileView:
    """The own profile, who may see which field, and who can reach us."""

    name: str | None
    country: str | None
    phone: str | None = attrs.field(repr=False)
    email: str | None = attrs.field(repr=False)
    picture: bytes | None = attrs.field(repr=False)
    """Its digest."""
    shares: Mapping[Field, Share]
    reach: ReachPolicy
    busy: Busy

    def text(self, field: Field) -> str | None:
        """The value of one field, but for the picture."""
        value: str | None = getattr(self, field.value)
        return value
