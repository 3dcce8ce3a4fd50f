"""Files for calendars: a meeting keeps its hour when the clocks change, and updates replace."""

import datetime
from zoneinfo import ZoneInfo

import pytest
from icalendar import Calendar

from onmeet_node.rooms.calendar import Meeting, calendar, digest
from onmeet_node.rooms.standing import Standing
from onmeet_node.store import KeyFile, open_home
from tests.node.conftest import make_home

TORONTO = ZoneInfo("America/Toronto")
BEFORE = datetime.datetime(2026, 10, 27, 14, 30, tzinfo=TORONTO)  # clocks change on 1 November


def a_meeting(**fields):
    settings = {
        "title": "Team",
        "start": int(BEFORE.timestamp()),
        "minutes": 45,
        "repeats": "weekly",
        "zone": "America/Toronto",
        "code": "onmeet-room:abc",
        "link": None,
    }
    return Meeting(**{**settings, **fields})


def event_of(text):
    (event,) = Calendar.from_ical(text).walk("VEVENT")
    return event


@pytest.mark.parametrize("zone", ["America/Toronto", "Europe/Berlin", "Asia/Kathmandu"])
def test_a_weekly_meeting_keeps_its_hour_when_the_clocks_change(zone):
    start = BEFORE.replace(tzinfo=ZoneInfo(zone))
    text = calendar(a_meeting(start=int(start.timestamp()), zone=zone), sequence=0, now=1)
    begins = event_of(text)["DTSTART"].dt
    assert begins == start
    for weeks in range(60):
        local = begins + datetime.timedelta(weeks=weeks)
        assert (local.hour, local.minute) == (14, 30)
        assert local.utcoffset() == (start + datetime.timedelta(weeks=weeks)).utcoffset()
    assert f"DTSTART;TZID={zone}:20261027T143000" in text
    assert f"TZID:{zone}" in text
    assert len(text) < 8_000


def test_a_zone_that_nobody_knows_is_told_in_utc():
    for zone in ("Mars/Olympus", "../../etc/passwd", ""):
        text = calendar(a_meeting(zone=zone), sequence=0, now=1)
        assert "DTSTART:20261027T183000Z" in text


def test_a_later_file_of_a_meeting_replaces_the_earlier(tmp_path):
    home = tmp_path / "home"
    make_home(home, "Ann")
    meetings = [a_meeting(), a_meeting(), a_meeting(minutes=60), a_meeting()]
    with open_home(home, KeyFile()) as store:
        standing = Standing(store)
        numbers = [standing.revision("Team", digest(one)) for one in meetings]
        assert numbers == [0, 0, 1, 2]
        standing.forget("Team")
        assert standing.revision("Team", digest(meetings[0])) == 0
    events = [
        event_of(calendar(one, sequence=number, now=1_000 + at))
        for at, (one, number) in enumerate(zip(meetings, numbers, strict=True))
    ]
    assert len({str(event["UID"]) for event in events}) == 1
    assert [int(event["SEQUENCE"]) for event in events] == numbers
    stamps = [event["DTSTAMP"].dt for event in events]
    assert stamps == sorted(set(stamps))
