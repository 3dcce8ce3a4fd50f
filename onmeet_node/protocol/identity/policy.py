"""Who gets through to this person (P5, P6)."""

from __future__ import annotations

import enum


class Relation(enum.StrEnum):
    """What another identity is to this person."""

    CONTACT = "contact"
    """In the contact list; also somebody whom we asked and who has not answered yet."""
    STRANGER = "stranger"
    BLOCKED = "blocked"


class ReachPolicy(enum.StrEnum):
    """Whom this person is reachable by."""

    ANYONE = "anyone"
    """Whoever knows the identity."""
    CODES = "codes"
    """Contacts, and whoever holds a live contact code."""
    CONTACTS = "contacts"
    """Contacts alone; codes handed out earlier rest."""


class Admission(enum.StrEnum):
    """What becomes of a channel, contact request or invite that arrives."""

    ADMIT = "admit"
    DROP = "drop"
    """Without an answer of any kind, just as if nobody were there."""


def decide(policy: ReachPolicy, relation: Relation, *, proven: bool) -> Admission:
    """Whether what arrives from somebody of this relation is let through or silently dropped.

    `proven`: they showed the secret of a live audience of ours (`audience.find_by_proof`). The
    answer is the same for a channel, a contact request and an invite: whoever may talk to us may
    ring, and whoever may not learns from none of the three that we exist.
    """
    match relation:
        case Relation.BLOCKED:
            admitted = False
        case Relation.CONTACT:
            admitted = True
        case Relation.STRANGER:
            match policy:
                case ReachPolicy.ANYONE:
                    admitted = True
                case ReachPolicy.CODES:
                    admitted = proven
                case ReachPolicy.CONTACTS:
                    admitted = False
    return Admission.ADMIT if admitted else Admission.DROP
