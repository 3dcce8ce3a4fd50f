"""What a person tells of themselves, and to whom (P4)."""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from types import MappingProxyType

import attrs

from onmeet_node.protocol.wire.messages import MAX_FIELD_CHARS, MAX_NAME_CHARS, Card

from .errors import BadProfile
from .policy import Relation
from .text import clean_text


class Share(enum.StrEnum):
    """Who sees a field."""

    EVERYONE = "everyone"
    CONTACTS = "contacts"
    NOBODY = "nobody"


class Field(enum.StrEnum):
    """The fields of a profile."""

    NAME = "name"
    COUNTRY = "country"
    PHONE = "phone"
    EMAIL = "email"
    PICTURE = "picture"


DEFAULT_SHARES: Mapping[Field, Share] = MappingProxyType(
    {
        # A contact request without a name is one that nobody can recognize.
        Field.NAME: Share.EVERYONE,
        Field.COUNTRY: Share.CONTACTS,
        Field.PHONE: Share.NOBODY,
        Field.EMAIL: Share.NOBODY,
        Field.PICTURE: Share.CONTACTS,
    }
)

Shown = Mapping[Field, bool]
NOTHING_SPECIAL: Shown = MappingProxyType({})

_COUNTRY = re.compile(r"[A-Z]{2}")
_PHONE = re.compile(r"\+?[0-9 ()./-]+")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")


def _cleaned(value: str | None) -> str | None:
    """Empty means not told."""
    return (clean_text(value, MAX_FIELD_CHARS + 1) or None) if value is not None else None


def _cleaned_name(value: str | None) -> str | None:
    return (clean_text(value, MAX_NAME_CHARS) or None) if value is not None else None


def _upper(value: str | None) -> str | None:
    cleaned = _cleaned(value)
    return cleaned.upper() if cleaned else None


def _shares(value: Mapping[Field, Share] | Mapping[str, str]) -> Mapping[Field, Share]:
    try:
        given = {Field(field): Share(share) for field, share in value.items()}
    except ValueError as error:
        raise BadProfile(
            f"{error}. Fields are {', '.join(Field)}; each is for {', '.join(Share)}."
        ) from error
    return MappingProxyType({**DEFAULT_SHARES, **given})


@attrs.frozen(kw_only=True)
class Profile:
    """The person's own entries; each may be None. Raises `BadProfile` naming the field."""

    name: str | None = attrs.field(default=None, converter=_cleaned_name)
    country: str | None = attrs.field(default=None, converter=_upper)
    """ISO 3166-1 alpha-2."""
    phone: str | None = attrs.field(default=None, converter=_cleaned, repr=False)
    email: str | None = attrs.field(default=None, converter=_cleaned, repr=False)
    picture: bytes | None = attrs.field(default=None, repr=False)
    """BLAKE2b-128 of the picture, which is kept beside."""
    shares: Mapping[Field, Share] = attrs.field(factory=dict, converter=_shares, hash=False)
    """Who sees each field; what is not named is as in `DEFAULT_SHARES`."""

    @country.validator
    def _check_country(self, _attribute: object, value: str | None) -> None:
        if value is not None and not _COUNTRY.fullmatch(value):
            raise BadProfile(f"{value!r} is no country code; use two letters such as CA or DE.")

    @phone.validator
    def _check_phone(self, _attribute: object, value: str | None) -> None:
        if value is None:
            return
        digits = sum(character.isdigit() for character in value)
        if not _PHONE.fullmatch(value) or not 3 <= digits <= 20:
            raise BadProfile(
                "The phone number is not one; use 3 to 20 digits as in +1 514 555 0100."
            )

    @email.validator
    def _check_email(self, _attribute: object, value: str | None) -> None:
        if value is None:
            return
        if not _EMAIL.fullmatch(value) or len(value) > MAX_FIELD_CHARS:
            raise BadProfile("The e-mail address is not one; it has the form name@example.org.")

    def sees(self, relation: Relation, field: Field, shown: Shown = NOTHING_SPECIAL) -> bool:
        """Whether somebody of this relation is shown this field.

        `shown`: fields that this one contact is shown, or not, whatever other contacts are.
        """
        match relation:
            case Relation.BLOCKED:
                return False
            case Relation.CONTACT:
                return shown.get(field, self.shares[field] is not Share.NOBODY)
            case Relation.STRANGER:
                return self.shares[field] is Share.EVERYONE

    def card_for(self, relation: Relation, shown: Shown = NOTHING_SPECIAL) -> Card:
        """The card that goes to somebody of this relation; also what to show the user first."""
        seen = {field for field in Field if self.sees(relation, field, shown)}
        return Card(
            name=self.name if Field.NAME in seen else None,
            country=self.country if Field.COUNTRY in seen else None,
            phone=self.phone if Field.PHONE in seen else None,
            email=self.email if Field.EMAIL in seen else None,
            picture=self.picture if Field.PICTURE in seen else None,
        )


def clean_card(card: Card) -> Card:
    """Another person's card with its text cleaned, fit to be shown."""
    return Card(
        name=_cleaned_name(card.name),
        country=card.country,
        phone=clean_text(card.phone or "", MAX_FIELD_CHARS) or None,
        email=clean_text(card.email or "", MAX_FIELD_CHARS) or None,
        picture=card.picture,
    )
