"""Words that lists on the wire may hold, beside the enumerations of messages (PROTOCOL, "Words").

A reader passes over a word that it does not know, so each of these lists may grow.
"""

from __future__ import annotations

import enum


class Capability(enum.StrEnum):
    """In `caps` of a `Hello` and of a device in a presence record: what this device can do."""

    AUDIO = "audio"
    """Calls with sound."""
    VIDEO = "video"
    """Calls with picture."""
    CHAT = "chat"
    """Lines of `chat` beside the media of a call."""
    COMPARE = "compare"
    """Takes `string-checked`, and says it: its person is asked for the authentication string."""


class BootstrapService(enum.StrEnum):
    """In `services` of a bootstrap's description: what this bootstrap does."""

    DHT = "dht"
    """Stores records and answers for them."""
    RELAY = "relay"
    """Takes reservations and passes circuits."""
    MAILBOX = "mailbox"
    """Brings two together who have the same spoken code ("Spoken codes")."""
    TURN = "turn"
    """Lends TURN credentials (`lend-turn`)."""
    GUESTS = "guests"
    """Opens doors for guests, and serves their page."""


CAPABILITIES = tuple(Capability)
"""All that this program can do."""
UNTOLD = frozenset({Capability.CHAT.value})
"""Of guests, and of seats in rooms, whose channels name no capabilities: what all of them can."""
