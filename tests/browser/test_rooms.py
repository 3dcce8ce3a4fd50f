"""Rooms in the app and in the guest page: real pages, real nodes, a real gateway."""

from contextlib import ExitStack

import pytest

from tests.browser import steps
from tests.browser.conftest import gateway, node, window
from tests.browser.test_guests import asked_only

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(300)]

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


def test_two_people_and_a_guest_meet_in_a_room(chromium, stack, tmp_path):
    door = stack.enter_context(gateway(tmp_path / "bootstrap"))
    people = {}
    for name in ("Ada", "Ben"):
        options = ("--bootstrap", door["addresses"][0])
        it = stack.enter_context(node(tmp_path / name, *options))
        shown = stack.enter_context(window(chromium, it.url))
        steps.first_run(shown.page, name)
        it.event("reachable")
        people[name] = (it, shown)
    (ada, at_ada), (ben, at_ben) = people.values()
    make_room(at_ada.page, "Tuesday team", standing=True)
    code = ada.command("room", "code", "Tuesday team")["code"]
    join_by_code(at_ben.page, code)
    wait_tiles(at_ada.page, "You", "Ben")
    wait_tiles(at_ben.page, "You", "Ada")
