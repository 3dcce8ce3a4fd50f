"""A contact as entries of another own device tell it: checked like what a stranger says.

The device may be stolen, or its home damaged. What is kept of it here is read at every start.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from onmeet_node.protocol.call.events import Identity
from onmeet_node.protocol.identity.keys import require_point
from onmeet_node.protocol.wire.messages import MAX_FIELD_CHARS, Card
from onmeet_node.store.contacts import Contact, ContactState

MAX_SHOWN = 16
"""Fields of a card."""
_LATEST = 2**32


def told_contact(identity: Identity, get: Callable[[str], Any], before: Contact | None) -> Contact:
    """`get` gives a field as its column has it, or its default; `before`: what is of this device.

    Raises ValueError, TypeError or an `OnMeetError` for what is no contact.
    """
    require_point(identity)
    added = _number(get("added") or 0, _LATEST)
    known = before or Contact(identity=identity, state=ContactState.ACCEPTED, added=added)
    return replace(
        known,
        state=ContactState(_text(get("state"), MAX_FIELD_CHARS)),
        added=added,
        name=_text_or_none(get("name")),
        card=_card(get("card")),
        secret=bytes.fromhex(get("secret")) if get("secret") else None,
        via=_text_or_none(get("via")),
        may_see_direct=_flag(get("may_see_direct")),
        verified=_flag(get("verified")),
        favourite=_flag(get("favourite")),
        shown=_shown(get("shown")),
        ignored=_flag(get("ignored")),
    )


def _card(value: Any) -> Card:
    told = json.loads(_text(value, 8 * MAX_FIELD_CHARS))
    if not isinstance(told, dict):
        raise TypeError("not a card")
    picture = told.pop("picture", None)
    return Card(**told, picture=bytes.fromhex(picture) if picture else None)


def _shown(value: Any) -> dict[str, bool]:
    told = json.loads(_text(value, 8 * MAX_FIELD_CHARS))
    if not isinstance(told, dict) or len(told) > MAX_SHOWN:
        raise TypeError("not what is shown")
    if not all(isinstance(shown, bool) for shown in told.values()):
        raise TypeError("not what is shown")
    return told


def _text(value: Any, most: int) -> str:
    if not isinstance(value, str) or len(value) > most:
        raise TypeError("not a text")
    value.encode()  # no half of a character
    return value


def _text_or_none(value: Any) -> str | None:
    return None if value is None else _text(value, MAX_FIELD_CHARS)


def _number(value: Any, below: int) -> int:
    if type(value) is not int or not 0 <= value < below:
        raise TypeError("not a number that can be")
    return value


def _flag(value: Any) -> bool:
    return bool(_number(value, 2))
