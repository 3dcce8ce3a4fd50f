"""Guests of a room in real browsers, with real nodes: in, seen by all, and there when hosts go."""

from contextlib import ExitStack

import pytest

from tests.browser import steps
from tests.browser.conftest import gateway, node, onmeet, window

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(600)]

ROOM = "() => document.querySelector('om-guest').guest.room"
CARRIES_ON = """([host, ...others]) => {
  const people = document.querySelector('om-guest').guest.room?.people ?? [];
  return people.some((one) => one.name === host && one.role === "host")
    && others.every((name) => people.some((one) => one.name === name && one.here && one.media));
}"""
"""Whether `host` is host by now, and the others are there."""
SECONDS = 90


@pytest.fixture
def stack():
    with ExitStack() as it:
        yield it


def a_node(stack, tmp_path, name, door):
    home = tmp_path / name
    onmeet("init", "--home", home, "--name", name, "--key-file")
    it = stack.enter_context(node(home, "--bootstrap", door["addresses"][0], app=False))
    it.event("reachable")
    return it


def knock(page, name):
    page.get_by_label("Your name").fill(name)
    page.get_by_role("button", name="Knock").click()
    page.get_by_text("sees that you are here").wait_for()


def whole(page, names):
    """Waits until this page's room has these people, each seen and heard."""
    page.wait_for_function(
        """(names) => {
          const room = document.querySelector('om-guest').guest.room;
          const people = room?.people ?? [];
          return people.map((one) => one.name).sort().join() === names
            && people.every((one) => one.media && one.here);
        }""",
        arg=",".join(sorted(names)),
        timeout=SECONDS * 1000,
    )
    return page.evaluate(ROOM)


def moving(page, name):
    """Waits until the picture of this participant changes."""
    video = page.locator("om-room-tile", has_text=name).locator("video").first
    seen = set()
    for _ in range(150):
        seen.add(video.evaluate(steps.PLAYING))
        if len(seen) > 3:
            return
        page.wait_for_timeout(100)
    raise AssertionError(f"the picture of {name} does not move")


def test_guests_talk_with_everybody_and_stay_when_the_host_goes(chromium, stack, tmp_path):
    door = stack.enter_context(gateway(tmp_path / "bootstrap"))
    ada = a_node(stack, tmp_path, "Ada", door)
    ben = a_node(stack, tmp_path, "Ben", door)
    code = ada.command("room", "create", "Tuesday", "--standing", "--source", "test")["code"]
    ben.command("room", "join", code, "--source", "test")
    link = ada.command("room", "link")["url"]

    gina = stack.enter_context(window(chromium, link))
    gina.page.get_by_role("heading", name="to a meeting").wait_for()
    knock(gina.page, "Gina")
    ada.command("room", "admit", "Gina")
    whole(gina.page, {"Ada", "Ben", "Gina"})
    hugo = stack.enter_context(window(chromium, link))
    knock(hugo.page, "Hugo")
    ada.command("room", "admit", "Hugo")

    everybody = {"Ada", "Ben", "Gina", "Hugo"}
    rooms = [whole(guest.page, everybody) for guest in (gina, hugo)]
    moving(gina.page, "Ada")
    moving(hugo.page, "Gina")
    for guest in (gina, hugo):
        guest.page.wait_for_function(f"({ROOM})()?.string")
    strings = {guest.page.evaluate(ROOM)["string"] for guest in (gina, hugo)}
    strings |= {side.command("room", "list")["rooms"][0]["string"] for side in (ada, ben)}
    assert len(strings) == 1
    calls = {one["name"]: one["call"] for one in rooms[0]["people"]}

    ada.process.kill()
    for guest, others in ((gina, ("Ben", "Hugo")), (hugo, ("Ben", "Gina"))):
        guest.page.wait_for_function(CARRIES_ON, arg=["Ben", *others], timeout=SECONDS * 1000)
    left = {one["name"]: one for one in gina.page.evaluate(ROOM)["people"]}
    assert {name: left[name]["call"] for name in ("Ben", "Hugo")} == {
        name: calls[name] for name in ("Ben", "Hugo")
    }, "media went on"
    moving(gina.page, "Hugo")

    ben.command("room", "remove", "Hugo")
    hugo.page.get_by_text("The host sent you out of the meeting.").wait_for()
    ben.command("room", "end")
    gina.page.get_by_text("The host ended the meeting for everybody.").wait_for()
    for guest in (gina, hugo):
        assert guest.context.cookies() == []
