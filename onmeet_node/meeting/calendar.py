"""A meeting as a file for calendars (RFC 5545)."""

from __future__ import annotations

import datetime
import hashlib

import attrs
from icalendar import Alarm, Calendar, Event

_REMINDER = datetime.timedelta(minutes=10)
_RULES = {"daily": {"freq": "daily"}, "weekly": {"freq": "weekly"}}


@attrs.frozen(kw_only=True)
class Meeting:
    """When a standing meeting is, and what leads into it."""

    title: str
    start: int
    """Unix seconds."""
    minutes: int
    repeats: str
    """``once``, ``daily`` or ``weekly``."""
    code: str = attrs.field(repr=False)
    link: str | None = attrs.field(repr=False)


def calendar(meeting: Meeting) -> str:
    """The file's text, made of this meeting alone: the same one gives the same entry again, so
    that importing it twice leaves one. Times are UTC.
    """
    start = datetime.datetime.fromtimestamp(meeting.start, datetime.UTC)
    lines = [f"Room code, for who has On-Meet: {meeting.code}"]
    if meeting.link is not None:
        lines.insert(0, f"In a browser, without an account: {meeting.link}")
    lines.append("The code and the link let people in: pass them on with care.")
    event = Event()
    name = hashlib.blake2b(meeting.code.encode(), digest_size=16).hexdigest()
    event.add("uid", f"{name}@on-meet")
    event.add("dtstamp", start)
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
    text: str = whole.to_ical().decode()
    return text


def file_name(title: str) -> str:
    """For the file: what of a title every file system takes."""
    kept = "".join(c if c.isalnum() or c in " -_" else "" for c in title).strip()[:60]
    return f"{kept or 'meeting'}.ics"
