"""Spoken codes in the app: said in one window, typed in another; a wrong one is told in both."""

from contextlib import contextmanager

import pytest

from onmeet_node.protocol.spoken.words import TWO_SYLLABLES
from tests.browser import steps
from tests.browser.conftest import gateway, node, window
from tests.browser.test_screens import Screens

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(300)]


@contextmanager
def two_windows(chromium, tmp_path):
    options = {"bypass_csp": True, "reduced_motion": "reduce"}
    with gateway(tmp_path / "bootstrap") as started:
        entrance = ("--bootstrap", started["addresses"][0])
        with (
            node(tmp_path / "ann", *entrance) as ann,
            node(tmp_path / "bob", *entrance) as bob,
            window(chromium, ann.url, **options) as at_ann,
            window(chromium, bob.url, **options) as at_bob,
        ):
            steps.first_run(at_ann.page, "Ann")
            steps.first_run(at_bob.page, "Bob")
            ann.event("reachable")
            bob.event("reachable")
            yield at_ann, at_bob


def say(page):
    page.get_by_role("button", name="Say a code").click()
    said = page.locator("om-say .said")
    said.wait_for()
    return said.inner_text()


def test_a_code_is_said_in_one_window_and_typed_in_another(chromium, tmp_path):
    screens = Screens()
    with two_windows(chromium, tmp_path) as (at_ann, at_bob):
        ann, bob = at_ann.page, at_bob.page

        # Taken back: it leads nowhere, and says nothing of a fault.
        first = say(ann)
        screens.look(ann, "say-code")
        ann.get_by_role("button", name="Take it back").click()
        ann.get_by_role("button", name="Say a code").wait_for()
        steps.add(bob, first)
        bob.get_by_text("Nobody waits under that number").wait_for()

        # A slip is told with the nearest word, and costs nothing; wrong words are told to both.
        number, one, two = say(ann).split("-")
        steps.add(bob, f"{number} {one} {two}x")
        bob.get_by_text(f"Did they say “{two}”?").wait_for()
        steps.add(bob, f"{number}-{one}-{TWO_SYLLABLES[TWO_SYLLABLES.index(two) - 1]}")
        bob.get_by_text("Those are not the words").wait_for()
        ann.get_by_text("Somebody tried a wrong code").wait_for()
        screens.look(ann, "say-wrong")

        steps.add(bob, say(ann).upper().replace("-", " "))
        ann.get_by_text("You and Bob have each other’s codes now.").wait_for()
        ann.get_by_role("button", name="Call Bob").wait_for()
        bob.get_by_role("button", name="Call Ann").wait_for()
        screens.look(ann, "say-added")
        assert not at_ann.errors
        assert not at_bob.errors
    assert screens.findings == {}
