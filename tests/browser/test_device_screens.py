"""The screens of further windows and devices, each looked at as in test_screens.py."""

from urllib.parse import urldefrag

import pytest

from tests.browser import steps
from tests.browser.conftest import gateway, node, window
from tests.browser.test_screens import Screens

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(600)]

LOOKED_AT = {"bypass_csp": True, "reduced_motion": "reduce"}


def said(page):
    """The link code that this window shows, once it does."""
    page.get_by_text("Type or scan this code").wait_for()
    return page.locator("om-first-run .said").inner_text()


def say_link(page):
    page.get_by_role("button", name="I have On-Meet already").click()
    page.get_by_label("A file: whoever can read my files can be me").check()
    page.get_by_role("button", name="Show the code").click()
    return said(page)


def add_link(page, code):
    """Types the code; the words that are shown for it."""
    page.get_by_label("Code that the new device shows").fill(code)
    page.locator("om-own-devices").get_by_role("button", name="Add").click()
    page.get_by_role("button", name="They are the same").wait_for()
    return page.locator("om-own-devices .said").inner_text()


def test_the_screens_of_other_windows_can_be_used_by_everybody(chromium, tmp_path):
    screens = Screens()
    with node(tmp_path / "ann") as ann, window(chromium, ann.url, **LOOKED_AT) as at_ann:
        page = at_ann.page
        steps.first_run(page, "Ann")
        address = urldefrag(ann.url).url
        with window(chromium, address, **LOOKED_AT, color_scheme="dark") as at_other:
            other = at_other.page
            ask = other.get_by_role("button", name="Ask the open window")
            ask.wait_for()
            screens.look(other, "entry-dark")
            ask.click()
            other.get_by_label("Number").wait_for()
            page.get_by_role("alertdialog").wait_for()
            screens.look(other, "entry-waiting-dark")
            screens.look(page, "entry-asking")
            steps.tab_to(page, "No")
            page.keyboard.press("Enter")
            other.get_by_text("The other window said no.").wait_for()
            screens.look(other, "entry-denied-dark")
    assert screens.findings == {}


def test_the_screens_of_linking_can_be_used_by_everybody(chromium, tmp_path):
    screens = Screens()
    with gateway(tmp_path / "bootstrap") as started:
        entrance = ("--bootstrap", started["addresses"][0])
        with (
            node(tmp_path / "old", *entrance) as old,
            node(tmp_path / "new", *entrance) as new,
            window(chromium, old.url, **LOOKED_AT) as at_old,
            window(chromium, new.url, **LOOKED_AT, color_scheme="dark") as at_new,
        ):
            page, other = at_old.page, at_new.page
            steps.first_run(page, "Ann")
            old.event("reachable")
            page.get_by_role("button", name="Settings").click()

            # A code that is given up, as who changed their mind does.
            say_link(other)
            screens.look(other, "link-code-dark")
            other.get_by_role("button", name="Back").click()
            other.get_by_label("What are you called?").wait_for()

            # Words that are said to differ link nothing; each side has words for it.
            words = add_link(page, say_link(other))
            assert other.locator("om-first-run .said").inner_text() == words
            screens.look(page, "devices-words")
            screens.look(other, "link-words-dark")
            page.get_by_role("button", name="They differ").click()
            page.get_by_text("Nothing was linked").wait_for()
            other.get_by_text("its person said no").wait_for()
            screens.look(page, "devices-refused")
            screens.look(other, "link-refused-dark")

            other.get_by_role("button", name="Show the code").click()
            add_link(page, said(other))
            steps.tab_to(page, "They are the same")
            page.keyboard.press("Enter")
            page.get_by_text("is linked.").wait_for()
            other.get_by_role("button", name="Settings").click()
            other.get_by_text("holds your identity key").wait_for()
            screens.look(page, "devices-two")
            screens.look(other, "devices-linked-dark")
            page.get_by_role("button", name="Revoke").click()
            page.get_by_role("dialog").wait_for()
            screens.look(page, "devices-revoke")
    assert screens.findings == {}
