"""A meeting as a file for calendars (RFC 5545)."""

from __future__ import annotations

import datetime
import hashlib
import zoneinfo

import attrs
from icalendar import Alarm, Calendar, Event

_REMINDER = datetime.timedelta(minutes=10)
_ZONE_YEARS = 10
"""Changes of the clock that a repeating meeting's file names from its start on."""
_RULES = {"daily": {"freq": "daily"}, "weekly": {"freq": "weekly"}}


@attrs.frozen(kw_only=True)
class Meeting:
    """When a standing meeting is, and what leads into it."""

    title: str
    start: int
    """Unix seconds."""
    zone: str = "UTC"
    """IANA name of the time zone in which a repeating meeting keeps its hour."""
    minutes: int
    repeats: str
    """``once``, ``daily`` or ``weekly``."""
    code: str = attrs.field(repr=False)
    link: str | None = attrs.field(repr=False)


def uid(meeting: Meeting) -> str:
    """What calendars know the meeting by, the same for every file of it (RFC 5545, 3.8.4.7)."""
    return f"{hashlib.blake2b(meeting.code.encode(), digest_size=16).hexdigest()}@on-meet"


def digest(meeting: Meeting) -> str:
    """The same exactly when two files say the same of when it is and what leads into it."""
    return hashlib.blake2b(repr(attrs.astuple(meeting)).encode(), digest_size=16).hexdigest()


def calendar(meeting: Meeting, *, sequence: int, now: int) -> str:
    """The file's text. A later one replaces an earlier in a calendar: same UID, rising DTSTAMP.

    `sequence`: how many changes came before this one; `now`: Unix seconds. Times are in the
    meeting's zone, whose changes of the clock come along.
    """
    zone = zone_of(meeting.zone)
    start = datetime.datetime.fromtimestamp(meeting.start, zone)
    lines = [f"Room code, for who has On-Meet: {meeting.code}"]
    if meeting.link is not None:
        lines.insert(0, f"In a browser, without an account: {meeting.link}")
    lines.append("The code and the link let people in: pass them on with care.")
    event = Event()
    event.add("uid", uid(meeting))
    event.add("dtstamp", datetime.datetime.fromtimestamp(now, datetime.UTC))
    event.add("sequence", sequence)
    event.add("summary", meeting.title)
    event.add("dtstart", start)
    event.add("duration", datetime.timedelta(minutes=meeting.minutes))
    event.add("description", "\n\n".join(lines))
    event.add("class", "PRIVATE")
    if meeting.link is not None:
        event.add("url", meeting.link)
        event.add("location", meeting.link)
    if meeting.repeats in _RULES:
        event.add("rrule", _RULES[meeting.repeats])
    reminder = Alarm()
    reminder.add("action", "DISPLAY")
    reminder.add("description", meeting.title)
    reminder.add("trigger", -_REMINDER)
    event.add_component(reminder)
    whole = Calendar()
    whole.add("prodid", "-//On-Meet//EN")
    whole.add("version", "2.0")
    whole.add_component(event)
    if zone is not datetime.UTC:
        whole.add_missing_timezones(
            first_date=start.date() - datetime.timedelta(days=366),
            last_date=start.date() + datetime.timedelta(days=366 * _ZONE_YEARS),
        )
        # The meeting first: the order is free, and simple readers take the first DTSTART they meet.
        whole.subcomponents.sort(key=lambda one: one is not event)
    text: str = whole.to_ical().decode()
    return text


def zone_of(name: str) -> datetime.tzinfo:
    """The zone of this name; UTC for one that this machine does not know."""
    if name in {"", "UTC", "Etc/UTC"}:
        return datetime.UTC
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return datetime.UTC


def file_name(title: str) -> str:
    """For the file: what of a title every file system takes."""
    kept = "".join(c if c.isalnum() or c in " -_" else "" for c in title).strip()[:60]
    return f"{kept or 'meeting'}.ics"
