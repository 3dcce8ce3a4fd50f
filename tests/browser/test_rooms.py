"""Rooms in the app and in the guest page: real pages, real nodes, a real gateway."""

import re
from contextlib import ExitStack

import pytest

from tests.browser import steps
from tests.browser.conftest import gateway, node, window
from tests.browser.test_guests import asked_only

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(600)]

PLAYING = """(names) => {
  const tiles = [];
  const look = (root) => {
    for (const one of root.querySelectorAll("*")) {
      if (one.localName === "om-room-tile") tiles.push(one);
      if (one.shadowRoot) look(one.shadowRoot);
    }
  };
  look(document);
  window.frames_of ??= new Map();
  const moving = tiles.filter((tile) => {
    const video = tile.shadowRoot.querySelector("video");
    const shown = video?.getVideoPlaybackQuality?.().totalVideoFrames ?? 0;
    return video && !video.hidden && video.videoWidth > 2 && shown > 10;
  });
  return moving.map((tile) => tile.shadowRoot.textContent.replace(/\\s+/g, " ").trim());
}"""
"""What the tiles say in which a picture has moved at least ten times."""


@pytest.fixture
def stack():
    with ExitStack() as it:
        yield it


def wait_tiles(page, *names, seconds=60):
    """Waits until there is a moving picture under each of these names."""
    moving = []
    for _ in range(seconds * 5):
        moving = page.evaluate(PLAYING, list(names))
        if all(any(name in one for one in moving) for name in names):
            return
        page.wait_for_timeout(200)
    raise AssertionError(f"{names} do not all move: {moving}")


def make_room(page, title, *, standing=False):
    page.get_by_role("button", name="Rooms", exact=True).click()
    page.get_by_label("Title (those inside see it)").fill(title)
    if standing:
        page.get_by_label("Standing meeting").check()
    page.get_by_role("button", name="Continue").first.click()
    page.get_by_role("heading", name="Before you go in").wait_for()
    page.get_by_role("button", name="Come in").click()
    page.get_by_text("Nobody else is here yet.").wait_for()


def join_by_code(page, code):
    page.get_by_role("button", name="Rooms", exact=True).click()
    page.get_by_role("textbox", name="Room code").fill(code)
    page.get_by_role("button", name="Continue").last.click()
    page.get_by_role("heading", name="Before you go in").wait_for()
    page.get_by_role("button", name="Come in").click()


def people_in(stack, chromium, tmp_path, *names, **options):
    """A bootstrap with a door, and for each name a node and its page, past the first run."""
    door = stack.enter_context(
        gateway(tmp_path / "bootstrap", tries_per_minute=1e6, tries_burst=1000)
    )
    people = {}
    for name in names:
        it = stack.enter_context(node(tmp_path / name, "--bootstrap", door["addresses"][0]))
        shown = stack.enter_context(window(chromium, it.url, **options))
        steps.first_run(shown.page, name)
        it.event("reachable")
        people[name] = (it, shown)
    return door, people


def test_two_people_and_a_guest_meet_in_a_room(chromium, stack, tmp_path):
    door, people = people_in(stack, chromium, tmp_path, "Ada", "Ben")
    (ada, at_ada), (_, at_ben) = people.values()
    make_room(at_ada.page, "Tuesday team", standing=True)
    join_by_code(at_ben.page, ada.command("room", "code", "Tuesday team")["code"])
    wait_tiles(at_ada.page, "You", "Ben")
    wait_tiles(at_ben.page, "You", "Ada")

    link = ada.command("room", "link")["url"]
    guest = stack.enter_context(window(chromium, link))
    guest.page.get_by_text("Tuesday team").wait_for()
    guest.page.get_by_label("Your name").fill("Gina")
    guest.page.get_by_role("button", name="Knock").click()
    door_of(at_ada.page).get_by_text("Gina wants to come in").wait_for()
    door_of(at_ada.page).get_by_role("button", name="Let in", exact=True).click()
    wait_tiles(guest.page, "You", "Ada", "Ben")
    for shown, other in ((at_ada, "Ben"), (at_ben, "Ada")):
        wait_tiles(shown.page, "You", other, "Gina")
    strings = set()
    for shown in (at_ada, at_ben, guest):
        shown.page.get_by_role("button", name="People").first.click()
        string = shown.page.get_by_text(re.compile(r"^\d{4} \d{4} \d{4}$"))
        string.wait_for()
        strings.add(string.inner_text())
    assert len(strings) == 1, "all see the same room number"

    ben, gina = at_ben.page, guest.page
    say(ben, "hello all")
    gina.get_by_role("button", name="Chat").first.click()
    gina.get_by_role("log").get_by_text("hello all").wait_for()
    say(gina, "only for Ben", to="Ben")
    ben.get_by_role("log").get_by_text("only for Ben").wait_for()
    assert at_ada.page.get_by_text("only for Ben").count() == 0
    gina.get_by_role("button", name="Raise hand").click()
    at_ada.page.get_by_role("img", name="Hand raised").first.wait_for()

    at_ada.page.get_by_role("button", name="Leave").click()
    at_ada.page.get_by_text("You left.").wait_for()
    wait_tiles(ben, "You", "Gina")
    wait_tiles(gina, "You", "Ben")
    assert not ben.get_by_text("You do not see").count()
    gina.get_by_role("button", name="Leave").click()
    gina.get_by_text("You left the meeting.").wait_for()
    gina.get_by_text("Your name and this visit are gone.").wait_for()
    ben.locator("om-room-chat").get_by_role("option", name="Gina").wait_for(state="detached")
    asked_only(guest, door["guests"])


def door_of(page):
    return page.get_by_role("group", name="At the door")


def say(page, text, to=None):
    if not page.locator("om-room-chat").count():
        page.get_by_role("button", name="Chat").first.click()
    if to is not None:
        page.locator("om-room-chat select").select_option(label=to)
    line = page.locator("om-room-chat textarea")
    line.fill(text)
    line.press("Enter")
