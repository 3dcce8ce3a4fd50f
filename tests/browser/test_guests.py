"""Guests with a browser and a link: from the door to the words at the end."""

from contextlib import ExitStack

import pytest

from tests.browser import steps
from tests.browser.conftest import gateway, node, onmeet, window

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(240)]


@pytest.fixture
def stack():
    with ExitStack() as it:
        yield it


@pytest.fixture
def door(stack, tmp_path):
    return stack.enter_context(gateway(tmp_path / "bootstrap"))


def at_the_door(page, name):
    page.get_by_label("Your name").fill(name)
    page.get_by_role("button", name="Knock").click()
    page.get_by_text("sees that you are here").wait_for()


def asked_only(side, origin):
    """P8: nobody but the operator's server, no cookie, nothing kept."""
    allowed = (origin, origin.replace("http", "ws"), "blob:", "data:")
    assert [url for url in side.requests if not url.startswith(allowed)] == []
    assert not [url for url in side.requests if "#" in url.replace(side.page.url, "")]
    assert side.context.cookies() == []
    kept = side.page.evaluate("() => [localStorage.length, sessionStorage.length]")
    assert kept == [0, 0]
    assert side.errors == []


def test_an_app_hosts_two_guests_one_admitted_and_one_denied(chromium, stack, door, tmp_path):
    home = tmp_path / "hedda"
    host = stack.enter_context(node(home, "--bootstrap", door["addresses"][0]))
    app = stack.enter_context(window(chromium, host.url))
    steps.first_run(app.page, "Hedda")
    host.command("profile", "--share", "name=everyone")
    app.page.get_by_text("Invite by a link").click()
    app.page.get_by_label("What the call is about").fill("Tuesday")
    app.page.get_by_label("For one guest, once").uncheck()
    app.page.get_by_role("button", name="Make the link").click()
    link = app.page.get_by_role("textbox", name="Guest link").input_value()
    assert link.startswith(door["guests"] + "/j#")

    mallory = stack.enter_context(window(chromium, link))
    mallory.page.get_by_role("heading", name="Hedda invites you to a call").wait_for()
    mallory.page.get_by_text("Tuesday").wait_for()
    at_the_door(mallory.page, "Mallory")
    app.page.get_by_text("Mallory wants to join").wait_for()
    app.page.get_by_role("button", name="Refuse", exact=True).click()
    mallory.page.get_by_text("Hedda did not let you in.").wait_for()

    gerda = stack.enter_context(window(chromium, link))
    at_the_door(gerda.page, "Gerda")
    app.page.get_by_role("button", name="Let in", exact=True).click()
    for page in (app.page, gerda.page):
        steps.wait_moving(page)
        assert steps.loudness(page) > 0.01
    app.page.get_by_role("heading", name="Gerda").wait_for()
    gerda.page.get_by_role("heading", name="Hedda").wait_for()
    strings = []
    for page in (app.page, gerda.page):
        page.get_by_role("button", name="Details").click()
        page.locator(".sas").get_by_text(" ").wait_for()
        strings.append(page.locator(".sas").inner_text())
    assert strings[0] == strings[1]
    assert len(strings[0].replace(" ", "")) == 12

    gerda.page.keyboard.press("m")
    app.page.get_by_text("Gerda is muted").wait_for()
    gerda.page.get_by_role("button", name="Chat").click()
    gerda.page.get_by_label("Write a line").fill("hello from the door")
    gerda.page.get_by_role("button", name="Send").click()
    app.page.get_by_role("button", name="Chat").click()
    app.page.get_by_role("log", name="Chat").get_by_text("hello from the door").wait_for()

    app.page.get_by_role("button", name="Hang up").click()
    gerda.page.get_by_text("Hedda hung up.").wait_for()
    gerda.page.get_by_text("Your name and this call are gone.").wait_for()
    app.page.get_by_text("You hung up.").wait_for()
    assert "Gerda" not in gerda.page.content()
    [last, *_] = host.command("history")
    assert last["with"] == "A guest"
    for side in (mallory, gerda):
        asked_only(side, door["guests"])


def test_a_node_without_an_app_hosts_a_guest_who_leaves(chromium, stack, door, tmp_path):
    home = tmp_path / "bot"
    onmeet("init", "--home", home, "--name", "Door bell", "--key-file")
    options = ("--bootstrap", door["addresses"][0], "--source", "test")
    host = stack.enter_context(node(home, *options, app=False))
    host.event("reachable")
    link = host.command("invite", "--let-in", "--name", "Delivery")["url"]
    guest = stack.enter_context(window(chromium, link))
    guest.page.get_by_label("Your name").fill("Paul")
    guest.page.get_by_role("button", name="Join").click()
    steps.wait_moving(guest.page)
    assert steps.loudness(guest.page) > 0.01
    guest.page.get_by_role("button", name="Hang up").click()
    guest.page.get_by_text("You hung up.").wait_for()
    guest.page.get_by_text("Your name and this call are gone.").wait_for()
    asked_only(guest, door["guests"])
    guest.page.get_by_role("button", name="Try again").click()
    # Which of the two depends on whether the door is quicker to close than the person to click.
    closed = guest.page.get_by_text("This link was closed.")
    closed.or_(guest.page.get_by_text("does not lead anywhere just now")).wait_for()


@pytest.mark.parametrize(
    ("fragment", "said"),
    [
        ("", "This address has no link in it"),
        ("#abc", "cut off or mistyped"),
        ("#AQ" + "A" * 96, "cut off or mistyped"),
        ("#Ag" + "A" * 96, "newer version"),
    ],
)
def test_a_link_that_is_none_says_which_and_what_to_do(chromium, stack, door, fragment, said):
    guest = stack.enter_context(window(chromium, f"{door['guests']}/j{fragment}"))
    guest.page.get_by_role("alert").get_by_text(said).wait_for()
