"""Links on the command line and in e-mails."""

import re
import subprocess
import sys
from html.parser import HTMLParser

import click
import pytest

from onmeet_node.cli.guests import _Span
from onmeet_node.guests.invitation import email_html, email_plain

URL = "https://meet.example.org/j#" + "A" * 98
FACTS = {"host": "Zoë <b>", "title": 'Tue"s & co', "until": "2026-12-01 10:00", "once": True}


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("30m", 1_800), ("2h", 7_200), ("7d", 604_800), ("4w", 2_419_200), ("never", None)],
)
def test_lengths_of_time_are_written_as_people_do(written, seconds):
    assert _Span().convert(written, None, None) == seconds


@pytest.mark.parametrize("written", ["", "0m", "59", "1y", "-1d", "9999w", "1.5h", "7 d"])
def test_what_is_no_length_of_time_says_what_to_write(written):
    with pytest.raises(click.BadParameter, match="2h"):
        _Span().convert(written, None, None)


class _Links(HTMLParser):
    def __init__(self):
        super().__init__()
        self.links = []
        self.tags = []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.links += [value for name, value in attrs if name in {"href", "src"}]


def test_an_e_mail_has_the_link_once_as_a_button_and_fetches_nothing():
    html = email_html(URL, **FACTS)
    found = _Links()
    found.feed(html)
    assert found.links == [URL]
    assert not set(found.tags) & {"img", "script", "style", "link", "iframe", "b"}
    assert "Zoë &lt;b&gt;" in html
    assert "url(" not in html
    plain = email_plain(URL, **FACTS)
    assert URL in plain
    assert "until 2026-12-01 10:00" in plain
    assert not re.search(r"<(?!https)", plain.replace("<b>", ""))


@pytest.mark.real
def test_a_guest_with_a_link_that_is_none_is_told_what_to_do():
    done = subprocess.run(
        [sys.executable, "-m", "onmeet_node.cli", "join", "-", "--name", "Paul"],
        input="https://meet.example.org/j#abc\n",
        text=True,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "copy it again" in done.stderr
    assert "Traceback" not in done.stderr
