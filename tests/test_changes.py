"""Each change has a file of its own, written so that it can stand in the changelog."""

from __future__ import annotations

import datetime

import pytest

from tests.dev.changes import CHANGELOG, changelog_trouble, fragments, gathered, trouble, troubles


def test_each_change_can_stand_in_the_changelog():
    assert not troubles(fragments()), "docs/changes/README.md shows how one is written"


def test_nobody_writes_into_the_changelog_but_the_release():
    why = changelog_trouble(CHANGELOG.read_text())
    assert why is None, f"CHANGELOG.md: {why}"


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("Late Answer.md", "- It ends.\n", "small letters"),
        ("late-answer.txt", "- It ends.\n", "small letters"),
        ("late-answer.md", "It ends.\n", "begin with an item"),
        ("late-answer.md", "## 0.2.0\n\n- It ends.\n", "begin with an item"),
        ("late-answer.md", "- It ends\n- Another.\n", "line 1: end the item"),
        ("late-answer.md", "- It\nends.\n", "line 2: begin an item"),
        ("late-answer.md", f"- {'x' * 120}.\n", "line 1: break it"),
        ("late-answer.md", "- It ends.", "end the last line"),
    ],
)
def test_a_change_that_cannot_is_told_what_to_do(name: str, text: str, why: str):
    assert (trouble(name, text) or "").startswith((why, f"name it in {why}"))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("# Changelog\n\n- It ends.\n", "under no release"),
        ("# Changelog\n\n## 0.2.0 (unreleased)\n\n- It ends.\n", "is no release"),
    ],
)
def test_an_item_that_was_written_into_the_changelog_is_noticed(text: str, why: str):
    assert why in (changelog_trouble(text) or "")


def test_a_release_takes_all_changes_and_stands_before_the_ones_before_it():
    head = "# Changelog\n\nWhat people notice. Nothing is released yet; it is in `docs/changes/`.\n"
    first = gathered(head, "0.1.0", datetime.date(2026, 12, 1), ["- One.\n", "- Two.\n"])
    assert first == (
        "# Changelog\n\nWhat people notice.\n\n## 0.1.0 (2026-12-01)\n\n- One.\n- Two.\n"
    )
    second = gathered(first, "0.2.0", datetime.date(2027, 1, 1), ["- Three.\n"])
    section = first[first.index("## 0.1.0") :]
    assert second.endswith(f"## 0.2.0 (2027-01-01)\n\n- Three.\n\n{section}")
    assert changelog_trouble(second) is None
